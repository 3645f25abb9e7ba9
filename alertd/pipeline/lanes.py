"""Lanes: a channel, and within it each endpoint host, with its rate and its circuit.

One dead or slow lane delays nobody else. What is known of a lane stands in the database, so
it holds over all processes and nodes together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, select, update

from alertd.core.errors import Reason
from alertd.store.ledger import statement
from alertd.store.schema import lanes

SECOND = 1_000_000  # microseconds
EVERYTHING = "*"  # the lane over all lanes: closed after a restore, until an operator releases it
OPEN, PAUSED, CLOSED = "open", "paused", "closed"  # paused: by us, for a while; closed: by hand
TRIP_AFTER = 20  # failures in a row, without a success between
PAUSE_FIRST_S, PAUSE_MAX_S = 5, 60  # the circuit's pause, doubled each time it trips again
DOWN_FIRST_S, DOWN_MAX_S = 30, 300  # when our own credentials or quota are at fault
FULL_PACE, LEAST_PACE, PACE_STEP = 100, 5, 5  # halved by a 429, then regained step by step
BURST_S = 1  # a lane that was idle may send this much at once


@dataclass(frozen=True, slots=True)
class Lane:
    state: str
    until: int
    failures: int

    def barred_until(self, now: int) -> int | None:
        """Give when this lane may be tried again, or None when it may be now."""
        if self.state == CLOSED:
            return now + 30 * SECOND
        return self.until if self.state == PAUSED and self.until > now else None

    @property
    def on_probation(self) -> bool:
        """Its circuit was open and no send has succeeded since: try it with a few."""
        return self.failures >= TRIP_AFTER


@dataclass(slots=True)
class LaneNews:
    """What a batch of outcomes says about one lane."""

    channel: str
    succeeded: bool = False
    failures: int = 0  # since the last success
    down: Reason | None = None
    throttled_s: float | None = None  # the peer asked to wait so long


_TROUBLED = select(lanes.c.lane, lanes.c.state, lanes.c.until, lanes.c.failures).where(
    lanes.c.channel.in_([bindparam("wanted"), EVERYTHING]),
    (lanes.c.state != OPEN) | (lanes.c.failures > 0) | (lanes.c.pace < FULL_PACE),
)


def troubled(conn: Connection, channel: str) -> dict[str, Lane]:
    """Give the lanes of a channel that are not simply open, and the one over all."""
    rows = conn.execute(_TROUBLED, {"wanted": channel})
    return {row.lane: Lane(row.state, row.until, row.failures) for row in rows}


_ENSURE = """
INSERT INTO lanes (lane, channel, state, reason, until, failures, pace, tokens, tokens_at)
VALUES (:lane, :channel, 'open', '', 0, 0, 100, 0, 0) ON CONFLICT (lane) DO NOTHING
"""


def _ensure(conn: Connection, lane: str, channel: str) -> None:
    conn.execute(statement(conn, _ENSURE), {"lane": lane, "channel": channel})


def take_tokens(conn: Connection, channel: str, rate: float | None, wanted: int, now: int) -> int:
    """Give how many of `wanted` the channel's rate (messages a second) allows now.

    A token bucket in the channel's own row, locked to the end of the transaction: the rate
    holds over all nodes together.
    """
    if rate is None or not wanted:
        return wanted
    row = _bucket(conn, channel, now)
    rate = rate * row.pace / FULL_PACE
    full = int(max(rate * BURST_S, 1) * 1000)
    earned = int((now - row.tokens_at) * rate / 1000)  # microseconds to thousandths of a message
    tokens: int = min(full, row.tokens + max(earned, 0))
    granted: int = min(wanted, tokens // 1000)
    conn.execute(
        update(lanes)
        .where(lanes.c.lane == channel)
        .values(tokens=tokens - granted * 1000, tokens_at=now)
    )
    return granted


def give_back(conn: Connection, channel: str, count: int) -> None:
    """Return tokens that were granted but not needed."""
    if count:
        conn.execute(
            update(lanes)
            .where(lanes.c.lane == channel)
            .values(tokens=lanes.c.tokens + count * 1000)
        )


@dataclass(frozen=True, slots=True)
class _Bucket:
    pace: int
    tokens: int
    tokens_at: int


def _bucket(conn: Connection, channel: str, now: int) -> _Bucket:
    columns = (lanes.c.pace, lanes.c.tokens, lanes.c.tokens_at)
    query = select(*columns).where(lanes.c.lane == channel).with_for_update()
    row = conn.execute(query).one_or_none()
    if row is None:
        _ensure(conn, channel, channel)
        row = conn.execute(query).one()
    return _Bucket(row.pace, row.tokens, row.tokens_at or now - SECOND)


def learn(
    conn: Connection, news: Mapping[str, LaneNews], now: int
) -> list[tuple[str, Reason, int]]:
    """Take in what a batch said of its lanes; gives those paused now: lane, why, until when."""
    paused = []
    for lane in sorted(news):
        query = select(lanes).where(lanes.c.lane == lane).with_for_update()
        row = conn.execute(query).mappings().one_or_none()
        if row is None:
            _ensure(conn, lane, news[lane].channel)
            row = conn.execute(query).mappings().one()
        if row["state"] == CLOSED:
            continue
        values = _learned(row, news[lane], now)
        conn.execute(update(lanes).where(lanes.c.lane == lane).values(values))
        was_open = row["state"] != PAUSED or row["until"] <= now
        if values["state"] == PAUSED and was_open:
            paused.append((lane, Reason(values["reason"]), int(values["until"])))
    return paused


def _learned(row: RowMapping, heard: LaneNews, now: int) -> dict[str, Any]:
    failures = heard.failures if heard.succeeded else row["failures"] + heard.failures
    values: dict[str, Any] = {"failures": failures, "state": OPEN, "reason": "", "until": 0}
    pause_s, why = _pause(failures, heard)
    if pause_s:
        until = max(row["until"], now + int(pause_s * SECOND))
        values |= {"state": PAUSED, "reason": why, "until": until}
    if heard.throttled_s is not None:
        values["pace"] = max(LEAST_PACE, row["pace"] // 2)
    elif heard.succeeded:
        values["pace"] = min(FULL_PACE, row["pace"] + PACE_STEP)
    return values


def _pause(failures: int, heard: LaneNews) -> tuple[float, Reason]:
    """Give for how many seconds a lane is to be left alone, and why; 0 for not at all."""
    trips = failures // TRIP_AFTER
    if heard.down:
        return min(DOWN_MAX_S, DOWN_FIRST_S << min(trips, 10)), heard.down
    if trips and not heard.succeeded:
        return min(PAUSE_MAX_S, PAUSE_FIRST_S << min(trips - 1, 10)), Reason.SERVER_ERROR
    return heard.throttled_s or 0, Reason.THROTTLED


def set_state(conn: Connection, lane: str, channel: str, state: str) -> None:
    """Close a lane by hand, or open it again with a clean record."""
    _ensure(conn, lane, channel)
    conn.execute(
        update(lanes)
        .where(lanes.c.lane == lane)
        .values(state=state, reason="", until=0, failures=0)
    )


def is_held(conn: Connection) -> bool:
    """Tell whether everything waits for an operator (see pipeline.hold)."""
    query = select(lanes.c.lane).where(lanes.c.lane == EVERYTHING, lanes.c.state == CLOSED)
    return conn.execute(query).first() is not None
