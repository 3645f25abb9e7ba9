"""How far an alert has come: what was sent, what arrived, what failed and why.

Everything comes from counters that each settling keeps: no page counts the ledger.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, text

from alertd import progress
from alertd.console.rendering import Words
from alertd.core.delivery import State
from alertd.core.rendition import Kind
from alertd.shapes import ChannelProgress, DispatchProgress, ProgressView, Tally
from alertd.store.schema import HALTED, deliveries, dispatches, region_progress
from alertd.views import show_progress

TO_PUBLIC = frozenset({Kind.ALERT, Kind.UPDATE, Kind.END, Kind.CORRECTION, Kind.EXPIRY})
CONFIRMED_WITHIN = timedelta(hours=1)  # of the latest: who has not confirmed by then is rare
LOOKED_AT = 20_000  # failures: no page reads the whole ledger
_FAILED = (State.DEAD, State.UNCERTAIN)

ByRegion = Mapping[str, Mapping[str, int]]
"""Deliveries by region and state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One channel of one sending, or one region, in numbers that add up to `planned`."""

    name: str
    planned: int
    delivered: int
    sent: int  # handed over, no confirmation of arrival
    failed: int
    first_at: datetime | None
    last_at: datetime | None

    @property
    def waiting(self) -> int:
        return max(0, self.planned - self.delivered - self.sent - self.failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One message to the public: what kind it is and how far it has come."""

    number: int
    kind: Kind
    variant: str
    occurrence: int
    sent_at: datetime
    expanding: bool  # recipients are still being added
    stopped: bool
    bars: tuple[Bar, ...]
    regions: tuple[Bar, ...]  # the same, over all channels

    @property
    def planned(self) -> int:
        return sum(bar.planned for bar in self.bars)

    @property
    def waiting(self) -> int:
        return sum(bar.waiting for bar in self.bars)

    @property
    def moves(self) -> bool:
        return self.expanding or (self.waiting > 0 and not self.stopped)

    @property
    def unconfirmed(self) -> int:
        return sum(bar.sent for bar in self.bars)

    @property
    def last_at(self) -> datetime:
        return max([self.sent_at, *(bar.last_at for bar in self.bars if bar.last_at)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    channel: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """An alert's sendings, the newest first. `partly`: not every failure was looked at."""

    as_of: datetime
    sendings: tuple[Sending, ...]
    failures: tuple[Failure, ...]
    partly: bool

    @property
    def moves(self) -> bool:
        return any(sending.moves for sending in self.sendings)

    @property
    def changes(self) -> bool:
        """Tell whether its page is to be kept up to date: what was sent is confirmed later."""
        return self.moves or any(
            sending.unconfirmed and self.as_of - sending.last_at < CONFIRMED_WITHIN
            for sending in self.sendings
        )


def read_live(conn: Connection, alert_id: str, now: datetime) -> Live:
    """Give how far an alert has come; costs the same whatever the audience."""
    seen: ProgressView = show_progress(conn, alert_id, now)
    public = [(n, each) for n, each in enumerate(seen.dispatches) if each.kind in TO_PUBLIC]
    regions = _regions(conn, alert_id)
    failures = _failures(conn, alert_id)
    return Live(
        as_of=now,
        sendings=tuple(
            _sending(number, each, regions.get(each.identifier, {}))
            for number, each in reversed(public)
        ),
        failures=failures,
        partly=sum(each.count for each in failures) == LOOKED_AT,
    )


def _sending(number: int, dispatch: DispatchProgress, regions: ByRegion) -> Sending:
    return Sending(
        number=number,
        kind=dispatch.kind,
        variant=dispatch.variant,
        occurrence=dispatch.occurrence,
        sent_at=dispatch.sent_at,
        expanding=dispatch.expanded_at is None and dispatch.stopped_at is None,
        stopped=dispatch.stopped_at is not None,
        bars=tuple(_bar(progress.row(channel)) for channel in dispatch.channels),
        regions=tuple(
            _bar(progress.row(_as_channel(region, states)))
            for region, states in sorted(regions.items())
        ),
    )


def _bar(row: progress.Row) -> Bar:
    return Bar(
        name=row.channel,
        planned=row.planned,
        delivered=row.delivered,
        sent=row.sent - row.delivered,
        failed=row.failed,
        first_at=row.first_at,
        last_at=row.last_at,
    )


def _regions(conn: Connection, alert_id: str) -> Mapping[str, ByRegion]:
    """Count by dispatch, region and state."""
    counts = region_progress.c
    query = (
        select(dispatches.c.identifier, counts.region, counts.state, counts.count)
        .join(dispatches, dispatches.c.id == counts.dispatch_id)
        .where(dispatches.c.alert_id == alert_id)
    )
    found: dict[str, dict[str, dict[str, int]]] = {}
    for identifier, region, state, count in conn.execute(query):
        found.setdefault(identifier, {}).setdefault(region, {})[state] = count
    return found


def _as_channel(region: str, states: Mapping[str, int]) -> ChannelProgress:
    tallies = {
        state: Tally(count=count, first_at=None, last_at=None) for state, count in states.items()
    }
    return ChannelProgress(channel=region, planned=sum(states.values()), states=tallies)


def _failures(conn: Connection, alert_id: str) -> tuple[Failure, ...]:
    """Count what failed of what went to the public, from the index of the halted alone."""
    halted = (
        select(deliveries.c.channel, deliveries.c.reason)
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .where(
            dispatches.c.alert_id == alert_id,
            dispatches.c.kind.in_(TO_PUBLIC),
            text(f"deliveries.{HALTED}"),
            deliveries.c.state.in_(_FAILED),
        )
        .limit(LOOKED_AT)
        .subquery()
    )
    alike = (halted.c.channel, halted.c.reason)
    query = select(*alike, func.count()).group_by(*alike).order_by(func.count().desc(), *alike)
    return tuple(
        Failure(channel=channel, reason=reason or "", count=count)
        for channel, reason, count in conn.execute(query)
    )


def as_event(live: Live, words: Words) -> dict[str, Any]:
    """Give what the bars need to move, and the words beside them, as JSON-ready values."""
    return {
        "as_of": words.clock(live.as_of, seconds=True),
        "moves": live.changes,
        "bars": {
            f"{sending.number}.{bar.name}": _drawn(bar, words)
            for sending in live.sendings
            for bar in (*sending.bars, *sending.regions)
        },
    }


def _drawn(bar: Bar, words: Words) -> dict[str, Any]:
    arrived = bar.delivered or bar.sent  # nobody confirms a mail: it would seem to go nowhere
    part, whole = words.number(arrived), words.number(bar.planned)
    if bar.sent and not bar.delivered:
        said = words.say("Sent %(part)s of %(whole)s", part=part, whole=whole)
    else:
        said = words.say("Delivered %(part)s of %(whole)s", part=part, whole=whole)
    return {
        "planned": bar.planned,
        "delivered": bar.delivered,
        "sent": bar.sent,
        "failed": bar.failed,
        "waiting": bar.waiting,
        "label": f"{said} ({words.percent(arrived, bar.planned)})",
        "times": times(bar, words),
    }


def times(bar: Bar, words: Words) -> str:
    """Tell when the first and the last delivery were."""
    if bar.first_at is None or bar.last_at is None:
        return words.say("none has arrived yet")
    first, last = (words.clock(at, seconds=True) for at in (bar.first_at, bar.last_at))
    return f"{words.say('first')} {first} · {words.say('last')} {last}"
