"""How far an alert has come: what was sent, what arrived, what failed and why."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from alertd import progress
from alertd.core.delivery import State
from alertd.core.rendition import Kind
from alertd.shapes import DispatchProgress, ProgressView
from alertd.store.schema import deliveries, dispatches
from alertd.views import show_progress

TO_PUBLIC = frozenset({Kind.ALERT, Kind.UPDATE, Kind.END, Kind.CORRECTION, Kind.EXPIRY})
LOOKED_AT = 2_000  # failures, the newest: no page reads the whole ledger
_FAILED = (State.DEAD, State.UNCERTAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One channel of one sending, in numbers that add up to `planned`."""

    channel: str
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

    @property
    def planned(self) -> int:
        return sum(bar.planned for bar in self.bars)

    @property
    def waiting(self) -> int:
        return sum(bar.waiting for bar in self.bars)

    @property
    def moves(self) -> bool:
        return self.expanding or (self.waiting > 0 and not self.stopped)


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


def read_live(conn: Connection, alert_id: str, now: datetime) -> Live:
    """Give how far an alert has come; costs the same whatever the audience."""
    seen: ProgressView = show_progress(conn, alert_id, now)
    public = [(n, each) for n, each in enumerate(seen.dispatches) if each.kind in TO_PUBLIC]
    rows = _failed(conn, alert_id)
    counts = Counter((row.channel, row.reason or "") for row in rows)
    return Live(
        as_of=now,
        sendings=tuple(_sending(number, each) for number, each in reversed(public)),
        failures=tuple(
            Failure(channel=channel, reason=reason, count=count)
            for (channel, reason), count in counts.most_common()
        ),
        partly=len(rows) == LOOKED_AT,
    )


def _sending(number: int, dispatch: DispatchProgress) -> Sending:
    return Sending(
        number=number,
        kind=dispatch.kind,
        variant=dispatch.variant,
        occurrence=dispatch.occurrence,
        sent_at=dispatch.sent_at,
        expanding=dispatch.expanded_at is None and dispatch.stopped_at is None,
        stopped=dispatch.stopped_at is not None,
        bars=tuple(_bar(progress.row(channel)) for channel in dispatch.channels),
    )


def _bar(row: progress.Row) -> Bar:
    return Bar(
        channel=row.channel,
        planned=row.planned,
        delivered=row.delivered,
        sent=row.sent - row.delivered,
        failed=row.failed,
        first_at=row.first_at,
        last_at=row.last_at,
    )


def _failed(conn: Connection, alert_id: str) -> Sequence[Any]:
    """Give the newest failures of what went to the public."""
    mine = select(dispatches.c.id).where(
        dispatches.c.alert_id == alert_id, dispatches.c.kind.in_(TO_PUBLIC)
    )
    query = (
        select(deliveries.c.channel, deliveries.c.reason)
        .where(deliveries.c.state.in_(_FAILED), deliveries.c.dispatch_id.in_(mine))
        .limit(LOOKED_AT)
    )
    return conn.execute(query).all()


def as_event(live: Live) -> dict[str, Any]:
    """Give what the bars need to move, as JSON-ready values."""
    return {
        "as_of": live.as_of.isoformat(),
        "moves": live.moves,
        "bars": {
            f"{sending.number}.{bar.channel}": _numbers(bar)
            for sending in live.sendings
            for bar in sending.bars
        },
    }


def _numbers(bar: Bar) -> dict[str, Any]:
    return asdict(bar) | {
        "waiting": bar.waiting,
        "first_at": bar.first_at and bar.first_at.isoformat(),
        "last_at": bar.last_at and bar.last_at.isoformat(),
    }
