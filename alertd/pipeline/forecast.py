"""What a version would do if it were activated now: how many people, what it costs, until when."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from alertd.channel import Priced
from alertd.core import gsm
from alertd.core.language import best_language
from alertd.core.rendition import fill_some
from alertd.pipeline.audience import SOON_S, Audience, Intent, Share, audience, audience_soon
from alertd.pipeline.contents import TO_OFFICIALS
from alertd.pipeline.filling import at_activation
from alertd.pipeline.versions import Version, key_of, latest
from alertd.shapes import ChannelForecast, Forecast, LanguageForecast, RegionForecast
from alertd.store.schema import renditions
from alertd.tools import Tools
from alertd.vault import Key


async def forecast(tools: Tools, alert_id: str) -> Forecast:
    """Give whom the newest version would reach, and when it would be through.

    The addresses are those that expansion would take, each counted once. A channel without a rate
    is as fast as its peers, and so has no time. Raises NotFound.
    """
    sending = await _sending(tools, alert_id)
    return foresee(tools, sending, await audience(tools, sending.intent))


async def forecast_soon(tools: Tools, alert_id: str, within: float = SOON_S) -> Forecast | None:
    """Give the same, or None where its audience is still being counted after so many seconds."""
    sending = await _sending(tools, alert_id)
    counted = await audience_soon(tools, sending.intent, within)
    return foresee(tools, sending, counted) if counted else None


@dataclass(frozen=True, slots=True)
class Sending:
    """What would be sent: to whom, and of its text messages how many parts, by language."""

    intent: Intent
    parts: Mapping[str, int]
    version: int = 0  # of what need not be submitted yet


async def _sending(tools: Tools, alert_id: str) -> Sending:
    version, intent, texts = await tools.store.read(_read, alert_id)
    key = await key_of(tools, version)
    parts = await asyncio.to_thread(_parts, tools, version, key, texts)
    return Sending(intent, parts, version.number)


def foresee(tools: Tools, sending: Sending, counted: Audience) -> Forecast:
    """Give what would become of it with an audience as it was counted."""
    now = tools.clock()
    return Forecast(
        alert_id=sending.intent.alert_id,
        version=sending.version,
        as_of=now,
        counted_at=counted.counted_at,
        channels=_channels(tools, counted, sending.parts, now),
    )


def _channels(
    tools: Tools, counted: Audience, parts: Mapping[str, int], now: datetime
) -> list[ChannelForecast]:
    return [
        _channel(tools, [each for each in counted.shares if each.channel == name], parts, now)
        for name in sorted({each.channel for each in counted.shares})
    ]


def _channel(
    tools: Tools, shares: Sequence[Share], parts: Mapping[str, int], now: datetime
) -> ChannelForecast:
    name = shares[0].channel
    channel = tools.channels[name]
    languages = _languages(shares, parts if name == "sms" else {})
    reached = sum(each.addresses for each in shares)
    rate = channel.pace.rate_per_s
    lasts = timedelta(seconds=reached / rate) if rate else None
    price = channel.price if isinstance(channel, Priced) else None
    return ChannelForecast(
        channel=name,
        addresses=reached,
        languages=languages,
        regions=_regions(shares),
        rate_per_s=rate,
        finishes_at=now + lasts if lasts is not None else None,
        cost=_parts_in_all(languages) * price.amount if price else None,
        currency=price.currency if price else None,
    )


def _parts_in_all(languages: Sequence[LanguageForecast]) -> int:
    return sum(each.addresses * (each.parts_each or 1) for each in languages)


@dataclass(frozen=True, slots=True)
class _Text:
    language: str
    body: bytes  # sealed


def _read(conn: Connection, alert_id: str) -> tuple[Version, Intent, list[_Text]]:
    version = latest(conn, alert_id)
    ours = (renditions.c.version_id == version.id) & (renditions.c.kind == version.kind)
    channels = conn.scalars(select(renditions.c.channel).where(ours).distinct())
    texts = conn.execute(
        select(renditions.c.language, renditions.c.body).where(
            ours, renditions.c.channel == "sms", renditions.c.kind.not_in(TO_OFFICIALS)
        )
    )
    intent = Intent(
        alert_id=version.alert_id,
        regions=frozenset(version.regions),
        exercise=version.exercise,
        channels=frozenset(channels),
    )
    return version, intent, [_Text(*row) for row in texts if row.body is not None]


def _parts(tools: Tools, version: Version, key: Key, texts: list[_Text]) -> dict[str, int]:
    """Give how many parts a text message has, per language it is rendered in."""
    counted = {}
    for text in texts:
        values = at_activation(
            text.language,
            sent_at=tools.clock(),
            zone=version.rules.authority_timezone,
            references="",
        )
        body = fill_some(key.open(text.body), values).decode()
        counted[text.language] = gsm.parts(body)[1]
    return counted


def _languages(shares: Sequence[Share], parts: Mapping[str, int]) -> list[LanguageForecast]:
    counts: Counter[str] = Counter()
    for each in shares:
        counts[each.language] += each.addresses
    return [
        LanguageForecast(
            language=language,
            addresses=count,
            parts_each=parts[best_language(language, tuple(parts))] if parts else None,
        )
        for language, count in sorted(counts.items())
    ]


def _regions(shares: Sequence[Share]) -> list[RegionForecast]:
    counts: Counter[str | None] = Counter()
    for each in shares:
        counts[each.region] += each.addresses
    named = sorted(counts.items(), key=lambda each: (each[0] is None, each[0] or ""))
    return [RegionForecast(region=region, addresses=count) for region, count in named]
