"""What a version would do if it were activated now: how many people, how many parts, until when."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Select, func, select, union

from alertd.core import gsm
from alertd.core.language import best_language
from alertd.core.rendition import fill_some
from alertd.pipeline.contents import TO_OFFICIALS
from alertd.pipeline.filling import at_activation
from alertd.pipeline.versions import Version, key_of, latest
from alertd.shapes import ChannelForecast, Forecast, LanguageForecast
from alertd.store.schema import (
    addresses,
    deliveries,
    dispatches,
    recipient_regions,
    recipients,
    renditions,
)
from alertd.tools import Tools
from alertd.vault import Key

Counts = Mapping[tuple[str, str], int]
"""Addresses by channel and by the language their recipient reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Whom a version is for: what its expansion would be told."""

    alert_id: str  # empty for an alert that is not submitted yet
    regions: Collection[str]  # as the atlas says that they are reached
    exercise: bool
    channels: Collection[str]


async def forecast(tools: Tools, alert_id: str) -> Forecast:
    """Give whom the newest version would reach and when it would be through.

    The addresses are those that expansion would take now, each counted once. A channel without
    a rate is as fast as its peers, and so has no time. Raises NotFound.
    """
    version, counts, texts = await tools.store.read(_read, alert_id)
    key = await key_of(tools, version)
    parts = await asyncio.to_thread(_parts, tools, version, key, texts)
    now = tools.clock()
    channels = _channels(tools, counts, parts, now)
    return Forecast(alert_id=alert_id, version=version.number, as_of=now, channels=channels)


async def foresee(tools: Tools, intent: Intent, parts: Mapping[str, int]) -> list[ChannelForecast]:
    """Give the same for what is not submitted yet; `parts` are those of its text messages."""
    return _channels(tools, await tools.store.read(_count, intent), parts, tools.clock())


def _channels(
    tools: Tools, counts: Counts, parts: Mapping[str, int], now: datetime
) -> list[ChannelForecast]:
    channels = []
    for channel in sorted({channel for channel, _ in counts}):
        languages = _languages(channel, counts, parts)
        reached = sum(each.addresses for each in languages)
        rate = tools.channels[channel].pace.rate_per_s
        lasts = timedelta(seconds=reached / rate) if rate else None
        channels.append(
            ChannelForecast(
                channel=channel,
                addresses=reached,
                languages=languages,
                rate_per_s=rate,
                finishes_at=now + lasts if lasts is not None else None,
            )
        )
    return channels


@dataclass(frozen=True, slots=True)
class _Text:
    language: str
    body: bytes  # sealed


def _read(conn: Connection, alert_id: str) -> tuple[Version, Counts, list[_Text]]:
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
        regions=version.regions,
        exercise=version.exercise,
        channels=list(channels),
    )
    counts = _count(conn, intent)
    return version, counts, [_Text(*row) for row in texts if row.body is not None]


def _count(conn: Connection, intent: Intent) -> Counts:
    reached = _reached(intent).subquery()
    counted = select(reached.c.channel, reached.c.language, func.count()).group_by(
        reached.c.channel, reached.c.language
    )
    return {(row[0], row[1]): row[2] for row in conn.execute(counted)}


def _reached(intent: Intent) -> Select[tuple[object, ...]]:
    """Give one row an address: those the regions choose and, of an update, those reached before."""
    chosen = (
        select(addresses.c.id, addresses.c.channel, recipients.c.language)
        .join(recipients, recipients.c.address_id == addresses.c.id)
        .join(recipient_regions, recipient_regions.c.recipient_id == recipients.c.id)
        .where(
            recipient_regions.c.region.in_(intent.regions),
            recipients.c.ended_at.is_(None),
            recipients.c.exercise.is_(intent.exercise),
        )
    )
    before = (
        select(addresses.c.id, addresses.c.channel, deliveries.c.language)
        .join(deliveries, deliveries.c.address_id == addresses.c.id)
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .where(dispatches.c.alert_id == intent.alert_id, deliveries.c.handed_over)
    )
    usable = addresses.c.suppressed_at.is_(None) & addresses.c.channel.in_(
        set(intent.channels) - {"feed"}
    )
    both = union(chosen.where(usable), before.where(usable)).subquery()
    return select(both.c.channel, func.min(both.c.language).label("language")).group_by(
        both.c.id, both.c.channel
    )


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


def _languages(channel: str, counts: Counts, parts: Mapping[str, int]) -> list[LanguageForecast]:
    return [
        LanguageForecast(
            language=language,
            addresses=count,
            parts_each=parts[best_language(language, tuple(parts))]
            if channel == "sms" and parts
            else None,
        )
        for (name, language), count in sorted(counts.items())
        if name == channel
    ]
