"""Whom a version would reach now: how many addresses, by channel, language and region.

Counting goes through everybody in the regions, about a second for a million. So a count is used
again for a while, by everybody who looks at the same alert; it carries its time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Select, func, select, union_all

from alertd.core.delivery import State
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

FRESH = timedelta(minutes=5)
KEPT = 64  # counts, of the newest intents
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


_Marks = tuple[int, int]
_counted: WeakKeyDictionary[Store, dict[tuple[Intent, _Marks], Audience]] = WeakKeyDictionary()


async def audience(tools: Tools, intent: Intent) -> Audience:
    """Give whom an expansion would take, each address once, as counted within FRESH.

    It is counted anew as soon as a recipient is entered or more of the alert arrived; whoever left
    the list meanwhile is still in it.
    """
    now = tools.clock()
    known = _counted.setdefault(tools.store, {})
    key = (intent, await tools.store.read(_marks, intent.alert_id))
    found = known.get(key)
    if found is None or now - found.counted_at >= FRESH:
        found = Audience(now, await tools.store.read(_count, intent))
        known.pop(key, None)
        known[key] = found
        while len(known) > KEPT:
            del known[next(iter(known))]
    return found


def _marks(conn: Connection, alert_id: str) -> _Marks:
    """Give what grows when a recipient is entered, and when more of the alert has arrived."""
    newest = conn.scalar(select(func.max(recipients.c.id)))
    arrived = conn.scalar(
        select(func.sum(progress.c.count))
        .join(dispatches, dispatches.c.id == progress.c.dispatch_id)
        .where(dispatches.c.alert_id == alert_id, progress.c.state.in_(_ARRIVED))
    )
    return int(newest or 0), int(arrived or 0)


def _count(conn: Connection, intent: Intent) -> list[Share]:
    reached = _reached(intent).subquery()
    alike = (reached.c.channel, reached.c.language, reached.c.region)
    query = select(*alike, func.count()).group_by(*alike).order_by(*alike)
    return [Share(*row) for row in conn.execute(query)]


def _reached(intent: Intent) -> Select[tuple[object, ...]]:
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
            recipient_regions.c.region.in_(intent.regions),
            recipients.c.ended_at.is_(None),
            recipients.c.exercise.is_(intent.exercise),
        )
    )
    told_for = func.nullif(deliveries.c.region, "")
    before = (
        select(addresses.c.id, addresses.c.channel, deliveries.c.language, told_for)
        .join(deliveries, deliveries.c.address_id == addresses.c.id)
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .where(dispatches.c.alert_id == intent.alert_id, deliveries.c.handed_over)
    )
    usable = addresses.c.suppressed_at.is_(None) & addresses.c.channel.in_(
        intent.channels - {"feed"}
    )
    both = union_all(chosen.where(usable), before.where(usable)).subquery()
    return select(
        both.c.channel,
        func.min(both.c.language).label("language"),
        func.min(both.c.region).label("region"),
    ).group_by(both.c.id, both.c.channel)
