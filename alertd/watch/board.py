"""The state of sending at one glance, read from counters: nothing here grows with the audience."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Row,
    func,
    literal,
    select,
    text,
    union_all,
)

from alertd.core.delivery import Priority, State
from alertd.pipeline import lanes as lane_rules
from alertd.pipeline.jurisdiction import Eyes, Sight
from alertd.pipeline.proposals import Proposal, open_proposals
from alertd.pipeline.record import read_head
from alertd.store.schema import (
    deliveries,
    dispatches,
    from_micros,
    lanes,
    marks,
    progress,
    to_micros,
)
from alertd.watch.links import LinkTest, latest_tests

# As the index of what is due says it: SQLite takes a partial index for no other spelling.
QUEUED = text("deliveries.state = 'queued'")
COUNTED = (State.QUEUED, State.DEAD, State.UNCERTAIN)
DRAINING = "draining"
DRAIN = "drain:"  # a mark so named: the channel pauses as soon as nothing waits


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """One lane that is not simply open."""

    lane: str
    state: str
    reason: str
    until: datetime | None
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """One channel now. `lag_s` is how long what is due has been due, and nobody has taken it."""

    channel: str
    state: str  # open, draining, paused (by us, for a while), closed (by an operator)
    reason: str
    until: datetime | None
    rate_per_s: float | None  # as it is allowed now, less after a 429
    queued: int
    dead: int
    uncertain: int
    oldest_at: datetime | None  # when the oldest of what waits was activated
    lag_s: float
    lanes: tuple[LaneState, ...] = ()  # its endpoints in trouble
    last_test: LinkTest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    as_of: datetime
    held: bool  # an old copy of the ledger waits for an operator
    head: int  # the audit chain's
    channels: tuple[ChannelState, ...] = field(default=())
    proposals: tuple[Proposal, ...] = ()  # of rules: two administrators have not decided


def read_board(
    conn: Connection, rates: Mapping[str, float | None], now: datetime, sees: Sight | None = None
) -> Board:
    """Give the state of the channels named in `rates`; with `sees`, it counts whose alerts."""
    own = _own(conn, sees)
    counts = _counts(conn, own)
    oldest = _oldest(conn, own)
    states, draining = _states(conn), _draining(conn)
    tests = latest_tests(conn, tuple(rates))
    lags = _lags(conn, tuple(rates), to_micros(now))
    channels = []
    for name, rate in sorted(rates.items()):
        lane = _lane(states.get(name), now)
        pace = states[name].pace if name in states else lane_rules.FULL_PACE
        channels.append(
            ChannelState(
                channel=name,
                state=_told(name, lane, draining),
                reason=lane.reason,
                until=lane.until,
                rate_per_s=rate * pace / lane_rules.FULL_PACE if rate else None,
                queued=counts[name][State.QUEUED],
                dead=counts[name][State.DEAD],
                uncertain=counts[name][State.UNCERTAIN],
                oldest_at=oldest.get(name),
                lag_s=lags.get(name, 0),
                lanes=tuple(_endpoints(states.values(), name, now)),
                last_test=tests.get(name),
            )
        )
    return Board(
        as_of=now,
        held=lane_rules.is_held(conn),
        head=read_head(conn).seq,
        channels=tuple(channels),
        proposals=tuple(open_proposals(conn)),
    )


def not_open(conn: Connection, channels: Collection[str], now: datetime) -> list[str]:
    """Give those that are paused, closed or being emptied."""
    states, draining = _states(conn), _draining(conn)
    told = {name: _told(name, _lane(states.get(name), now), draining) for name in channels}
    return sorted(name for name, state in told.items() if state != lane_rules.OPEN)


def _states(conn: Connection) -> dict[str, Row[Any]]:
    return {row.lane: row for row in conn.execute(select(lanes))}


def _draining(conn: Connection) -> set[str]:
    return set(conn.scalars(select(marks.c.name).where(marks.c.name.startswith(DRAIN))))


def _told(name: str, lane: LaneState, draining: Collection[str]) -> str:
    waits = DRAIN + name in draining and lane.state == lane_rules.OPEN
    return DRAINING if waits else lane.state


def _own(conn: Connection, sees: Sight | None) -> list[ColumnElement[bool]]:
    """Give what keeps to the dispatches of alerts that are seen."""
    if sees is None:
        return []
    standing = progress.c.state.in_(COUNTED) & (progress.c.count > 0)
    numbers = conn.scalars(select(progress.c.dispatch_id).where(standing).distinct()).all()
    return [progress.c.dispatch_id.in_(Eyes(conn, sees).choose_dispatches(numbers))]


def _counts(conn: Connection, own: Sequence[ColumnElement[bool]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    rows = conn.execute(
        select(progress.c.channel, progress.c.state, func.sum(progress.c.count))
        .where(progress.c.state.in_(COUNTED), *own)
        .group_by(progress.c.channel, progress.c.state)
    )
    for channel, state, count in rows:
        found[channel][state] = int(count)
    return found


def _oldest(conn: Connection, own: Sequence[ColumnElement[bool]]) -> dict[str, datetime]:
    rows = conn.execute(
        select(progress.c.channel, func.min(dispatches.c.sent_at))
        .join(dispatches, dispatches.c.id == progress.c.dispatch_id)
        .where(
            progress.c.state == State.QUEUED,
            progress.c.count > 0,
            dispatches.c.stopped_at.is_(None),
            *own,
        )
        .group_by(progress.c.channel)
    )
    return dict(map(tuple, rows))


def _lags(conn: Connection, channels: tuple[str, ...], now: int) -> dict[str, float]:
    """Give how long the longest due delivery of a channel has been due."""
    found: dict[str, float] = {}
    for channel, first in conn.execute(_first_due(channels)) if channels else ():
        if first is not None and first < now:
            found[channel] = max(found.get(channel, 0), (now - first) / 1_000_000)
    return found


@cache
def _first_due(channels: tuple[str, ...]) -> CompoundSelect[Any]:
    """Ask for all channels at once what is due first of each priority: a seek each."""
    return union_all(
        *(
            select(literal(channel), func.min(deliveries.c.next_at)).where(
                QUEUED, deliveries.c.channel == channel, deliveries.c.priority == priority
            )
            for channel in channels
            for priority in Priority.ALL
        )
    )


def _lane(row: Row[Any] | None, now: datetime) -> LaneState:
    if row is None:
        return LaneState(lane="", state=lane_rules.OPEN, reason="", until=None, failures=0)
    over = row.state == lane_rules.PAUSED and row.until <= to_micros(now)
    return LaneState(
        lane=row.lane,
        state=lane_rules.OPEN if over else row.state,
        reason="" if over else row.reason,
        until=from_micros(row.until) if row.until and not over else None,
        failures=row.failures,
    )


def _endpoints(rows: Collection[Row[Any]], channel: str, now: datetime) -> list[LaneState]:
    mine = [_lane(row, now) for row in rows if row.channel == channel and row.lane != channel]
    return sorted((lane for lane in mine if lane.state != lane_rules.OPEN), key=lambda x: x.lane)
