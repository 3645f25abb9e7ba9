"""Whom a version would reach now: how many addresses, by channel, language and region.

Counting goes through everybody in the regions, about a second for a million. So it is begun as
soon as the regions are chosen, and a count is used again for a while, by everybody who looks at
the same regions; it carries its time.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Select, and_, func, select, union_all

from alertd.core.delivery import State
from alertd.pipeline.dispatch import REVOCABLE
from alertd.store.schema import (
    addresses,
    deliveries,
    dispatches,
    progress,
    recipient_regions,
    recipients,
)
from alertd.store.store import Store
from alertd.tools import Tools

FRESH = timedelta(hours=1)
KEPT = 64  # counts, of those asked for last
SOON_S = 0.25  # a page waits so long for a count: that of a small list then stands on it at once
COUNTING_S = 10.0  # a script waits so long before it asks again
_ARRIVED = (State.SENT, State.DELIVERED, State.UNCERTAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Whom a version is for: what its expansion would be told."""

    alert_id: str  # empty for an alert that is not submitted yet
    regions: frozenset[str]  # as the atlas says that they are reached
    exercise: bool
    channels: frozenset[str]


@dataclass(frozen=True, slots=True)
class Share:
    """Addresses alike; `region` is None for those that an earlier message alone had reached."""

    channel: str
    language: str
    region: str | None
    addresses: int


@dataclass(frozen=True, slots=True)
class Audience:
    counted_at: datetime
    shares: Sequence[Share]


@dataclass(frozen=True, slots=True)
class _Crowd:
    """What is counted once, for all who ask: an intent of whatever channels, and when."""

    told: str  # the alert, once it has told anybody: its updates reach them too
    regions: frozenset[str]
    exercise: bool
    newest: int  # grows when a recipient is entered
    arrived: int  # grows when more of the alert has arrived


_counts: WeakKeyDictionary[Store, dict[_Crowd, asyncio.Task[Audience]]] = WeakKeyDictionary()


async def audience(tools: Tools, intent: Intent) -> Audience:
    """Give whom an expansion would take, each address once, as counted within FRESH.

    It is counted anew as soon as a recipient is entered or more of the alert arrived; whoever left
    the list meanwhile is still in it.
    """
    return _by(intent, await asyncio.shield(await count_ahead(tools, intent)))


async def audience_soon(tools: Tools, intent: Intent, within: float = SOON_S) -> Audience | None:
    """Give the same, or None where it is still being counted after so many seconds."""
    count = await count_ahead(tools, intent)
    await asyncio.wait({count}, timeout=within)
    return _by(intent, count.result()) if count.done() else None


def _by(intent: Intent, counted: Audience) -> Audience:
    shares = [each for each in counted.shares if each.channel in intent.channels]
    return Audience(counted.counted_at, shares)


async def count_ahead(tools: Tools, intent: Intent) -> asyncio.Task[Audience]:
    """Begin to count, unless somebody did; whoever asks for the audience then need not wait."""
    crowd = await tools.store.read(_crowd, intent)
    counts = _counts.setdefault(tools.store, {})
    found = counts.pop(crowd, None)
    if found is None or _is_spent(found, tools.clock()):
        found = asyncio.create_task(_count_all(tools, crowd))
    counts[crowd] = found
    while len(counts) > KEPT:
        del counts[next(iter(counts))]
    return found


def _is_spent(count: asyncio.Task[Audience], now: datetime) -> bool:
    if not count.done():
        return False
    failed = count.cancelled() or count.exception() is not None
    return failed or now - count.result().counted_at >= FRESH


def _crowd(conn: Connection, intent: Intent) -> _Crowd:
    newest = conn.scalar(select(func.max(recipients.c.id)))
    ours = and_(dispatches.c.alert_id == intent.alert_id, dispatches.c.kind.in_(REVOCABLE))
    arrived = conn.scalar(
        select(func.sum(progress.c.count))
        .join(dispatches, dispatches.c.id == progress.c.dispatch_id)
        .where(ours, progress.c.state.in_(_ARRIVED))
    )
    told = conn.scalar(select(dispatches.c.alert_id).where(ours).limit(1))
    return _Crowd(told or "", intent.regions, intent.exercise, int(newest or 0), int(arrived or 0))


async def _count_all(tools: Tools, crowd: _Crowd) -> Audience:
    now = tools.clock()
    return Audience(now, await tools.store.read(_count, crowd))


def _count(conn: Connection, crowd: _Crowd) -> list[Share]:
    reached = _reached(crowd).subquery()
    alike = (reached.c.channel, reached.c.language, reached.c.region)
    query = select(*alike, func.count()).group_by(*alike).order_by(*alike)
    return [Share(*row) for row in conn.execute(query)]


def _reached(crowd: _Crowd) -> Select[tuple[object, ...]]:
    """Give one row an address: those the regions choose and, of an update, those reached before.

    Whoever is in several regions counts in the first, as expansion takes them.
    """
    chosen = (
        select(
            addresses.c.id, addresses.c.channel, recipients.c.language, recipient_regions.c.region
        )
        .join(recipients, recipients.c.address_id == addresses.c.id)
        .join(recipient_regions, recipient_regions.c.recipient_id == recipients.c.id)
        .where(
            recipient_regions.c.region.in_(crowd.regions),
            recipients.c.ended_at.is_(None),
            recipients.c.exercise.is_(crowd.exercise),
        )
    )
    told_for = func.nullif(deliveries.c.region, "")
    before = (
        select(addresses.c.id, addresses.c.channel, deliveries.c.language, told_for)
        .join(deliveries, deliveries.c.address_id == addresses.c.id)
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .where(
            dispatches.c.alert_id == crowd.told,
            dispatches.c.kind.in_(REVOCABLE),  # officials who were asked are not its audience
            deliveries.c.handed_over,
        )
    )
    usable = addresses.c.suppressed_at.is_(None) & (addresses.c.channel != "feed")
    both = union_all(chosen.where(usable), before.where(usable)).subquery()
    return select(
        both.c.channel,
        func.min(both.c.language).label("language"),
        func.min(both.c.region).label("region"),
    ).group_by(both.c.id, both.c.channel)
