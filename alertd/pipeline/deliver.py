"""The two transactions of dispatch: lease what is due, and settle what came of it.

Between them the message is sent, outside any transaction (workers.delivery).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product

from sqlalchemy import Connection, func, select, update

from alertd.core.audit import AttemptRow
from alertd.core.delivery import (
    LONGEST_PAUSE,
    PATIENCE,
    Next,
    Outcome,
    Priority,
    Result,
    Standing,
    State,
    UncertainPolicy,
    decide,
)
from alertd.core.errors import Reason
from alertd.pipeline import lanes
from alertd.pipeline.dispatch import DELIVERIES
from alertd.pipeline.record import Entry, record, record_batch
from alertd.store import ledger
from alertd.store.ledger import Change, Leased
from alertd.store.schema import addresses, deliveries, dispatches, from_micros, to_micros
from alertd.store.store import wake

PROBATION = 2  # deliveries that a lane gets while its circuit is half open
RECLAIM_CHUNK = 1_000
UNTRIED = frozenset({Result.RETURNED, Result.CHANNEL_DOWN, Result.EXPIRED})
SIFT_ROUNDS = 20  # bounds one transaction when much of what is due has been stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What a process wants to lease."""

    channel: str
    lease: str
    now: int
    until: int
    limit: int
    rate: float | None = None  # messages a second, over all nodes


@dataclass(slots=True, kw_only=True)
class Settled:
    """One attempt and what becomes of its delivery."""

    leased: Leased
    change: Change
    attempt: AttemptRow | None  # None: given back untried
    result: Result
    suppress: bool = False
    retry_after_s: float | None = None


def lease(conn: Connection, want: Want) -> list[Leased]:
    """Take up to `want.limit` deliveries into this process's hands, urgent ones first."""
    troubled = lanes.troubled(conn, want.channel)
    if lanes.EVERYTHING in troubled:
        return []
    channel_lane = troubled.get(want.channel)
    if channel_lane and channel_lane.barred_until(want.now):
        return []
    limit = PROBATION if channel_lane and channel_lane.on_probation else want.limit
    limit = lanes.take_tokens(conn, want.channel, want.rate, min(limit, want.limit), want.now)
    if not limit:
        return []
    taken: list[Leased] = []
    for priority in ledger.priorities_due(conn, channel=want.channel, now=want.now):
        for _ in range(SIFT_ROUNDS):
            room = limit - len(taken)
            if room <= 0:
                break
            found = ledger.due(
                conn, channel=want.channel, priority=priority, now=want.now, limit=room
            )
            kept = _sift(conn, found, troubled, want.now)
            ledger.take(conn, [row.id for row in kept], lease=want.lease, until=want.until)
            taken += kept
            if len(found) < room:
                break
    if want.rate is not None:
        lanes.give_back(conn, want.channel, limit - len(taken))
    return taken


def _sift(
    conn: Connection, found: Sequence[Leased], troubled: Mapping[str, lanes.Lane], now: int
) -> list[Leased]:
    """Keep what may be sent now; close what was stopped, put off what its lane bars."""
    if not found:
        return []
    still_open = ledger.still_open(conn, [row.dispatch_id for row in found])
    kept: list[Leased] = []
    closed: list[Change] = []
    counts: Counter[ledger.ProgressKey] = Counter()
    tried: Counter[str] = Counter()
    for row in found:
        verdict = _verdict(row, still_open, troubled.get(row.lane), tried[row.lane], now)
        if verdict is None:
            tried[row.lane] += 1
            kept.append(row)
            continue
        closed.append(verdict)
        ledger.moved(counts, row.place, State.QUEUED, verdict.state)
    if closed:
        ledger.change(conn, closed)
        ledger.add_progress(conn, counts, now)
    _thread(conn, [row for row in kept if still_open[row.dispatch_id].follows])
    return kept


def _thread(conn: Connection, rows: Sequence[Leased]) -> None:
    if rows:
        first = ledger.first_messages(conn, [row.id for row in rows])
        for row in rows:
            row.first_id = first.get(row.id)


def _verdict(
    row: Leased,
    still_open: Mapping[int, ledger.OpenDispatch],
    lane: lanes.Lane | None,
    tried: int,
    now: int,
) -> Change | None:
    """Give None for what may be sent now, else what becomes of it."""
    if row.dispatch_id not in still_open:
        return _close(row, State.CANCELLED, Reason.SUPERSEDED, now)
    if row.suppressed and not still_open[row.dispatch_id].tell_opted_out:
        return _close(row, State.CANCELLED, Reason.OPTED_OUT, now)
    later = _barred(lane, tried, now)
    if later is None:
        return None
    asked = later - now > LONGEST_PAUSE // timedelta(microseconds=1)  # only a peer asks so much
    return _close(row, State.QUEUED, Reason.THROTTLED if asked else None, later)


def _barred(lane: lanes.Lane | None, tried: int, now: int) -> int | None:
    if lane is None:
        return None
    if (until := lane.barred_until(now)) is not None:
        return until
    if lane.on_probation and tried >= PROBATION:
        return now + lanes.PAUSE_FIRST_S * lanes.SECOND
    return None


def _close(row: Leased, state: State, reason: Reason | None, next_at: int) -> Change:
    return Change(
        id=row.id,
        was=State.QUEUED,
        state=state,
        next_at=next_at,
        attempts=row.attempts,
        repeat=row.repeat,
        reason=reason,
    )


def settle(conn: Connection, batch: Sequence[Settled], *, node: str, now: int) -> int:
    """Write a batch of outcomes; gives how many were written.

    Attempts, states, counters, lanes and the audit entry stand or fall together. A delivery
    whose lease was lost meanwhile is left to its new owner.
    """
    states = ledger.change(conn, [settled.change for settled in batch], lease=node)
    written = [settled for settled in batch if settled.change.id in states]
    came = Counter((settled.leased.place, states[settled.change.id]) for settled in written)
    counts: Counter[ledger.ProgressKey] = Counter()
    for (place, state), count in came.items():
        ledger.moved(counts, place, State.LEASED, state, count)
    ledger.add_progress(conn, counts, now)
    _suppress(conn, written, now)
    paused = lanes.learn(conn, _worth_noting(conn, _news(written)), now)
    attempts = [settled.attempt for settled in written if settled.attempt is not None]
    if attempts:
        seq = record_batch(
            conn, at=from_micros(now), node=node, rows=attempts, counts=_results(written)
        )
        ledger.add_attempts(conn, attempts, seq)
    for lane, why, until in paused:
        data = {"lane": lane, "reason": why, "until": from_micros(until).isoformat()}
        record(conn, Entry(f"node:{node}", "lane.paused", data=data), at=from_micros(now))
    return len(written)


def _results(written: Sequence[Settled]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for settled in written:
        if settled.attempt is not None:
            channel = counts.setdefault(settled.leased.channel, {})
            channel[settled.result] = channel.get(settled.result, 0) + 1
    return counts


_FAULT_OF_LANE = frozenset(
    {
        Reason.REFUSED_CONNECTION,
        Reason.TIMEOUT,
        Reason.DROPPED,
        Reason.DNS,
        Reason.TLS,
        Reason.SERVER_ERROR,
        Reason.BAD_ANSWER,
    }
)


def _news(written: Sequence[Settled]) -> dict[str, lanes.LaneNews]:
    """Sum up per lane what a batch of outcomes says about it."""
    news: dict[str, lanes.LaneNews] = {}
    for settled in written:
        row, result = settled.leased, settled.result
        if result is Result.CHANNEL_DOWN:
            heard = news.setdefault(row.channel, lanes.LaneNews(row.channel))
            heard.down = Reason(settled.change.reason or Reason.CREDENTIALS)
            heard.failures += 1
        elif result in (Result.UNSENT, Result.UNCERTAIN):
            heard = news.setdefault(row.lane, lanes.LaneNews(row.channel))
            if settled.change.reason in _FAULT_OF_LANE:
                heard.failures += 1
            elif settled.change.reason == Reason.THROTTLED and row.lane == row.channel:
                # A provider that throttles us throttles all; one endpoint speaks for itself.
                heard.throttled_s = max(heard.throttled_s or 0, settled.retry_after_s or 1)
        elif result in (Result.SENT, Result.DELIVERED, Result.UNDELIVERABLE):
            heard = news.setdefault(row.lane, lanes.LaneNews(row.channel))
            heard.succeeded, heard.failures = True, 0
    return news


def _worth_noting(
    conn: Connection, news: Mapping[str, lanes.LaneNews]
) -> dict[str, lanes.LaneNews]:
    """Leave out lanes that only succeeded and were in no trouble: nearly all, nearly always."""
    known: set[str] = set()
    for channel in {heard.channel for heard in news.values()}:
        known |= lanes.troubled(conn, channel).keys()
    return {
        lane: heard for lane, heard in news.items() if heard.failures or heard.down or lane in known
    }


def _suppress(conn: Connection, written: Sequence[Settled], now: int) -> None:
    ids = [settled.leased.address_id for settled in written if settled.suppress]
    if ids:
        reason = next(s.change.reason for s in written if s.suppress) or Reason.GONE
        conn.execute(
            update(addresses)
            .where(addresses.c.id.in_(ids), addresses.c.suppressed_at.is_(None))
            .values(suppressed_at=from_micros(now), suppressed_reason=reason)
        )


def reclaim(
    conn: Connection, policies: Mapping[str, UncertainPolicy], *, node: str, now: int
) -> int:
    """Take back what was in the hands of a process that died or hangs; gives how many.

    Each counts as an attempt of uncertain result: it may have been sent. The process that
    wakes late finds its lease gone and writes nothing.
    """
    lost = ledger.reclaim(conn, now, RECLAIM_CHUNK)
    if not lost:
        return 0
    deadlines = _deadlines(conn, {row.dispatch_id for row in lost})
    outcome = Outcome(Result.UNCERTAIN, Reason.LEASE_EXPIRED)
    changes, attempts = [], []
    counts: Counter[ledger.ProgressKey] = Counter()
    for row in lost:
        standing = Standing(
            attempts=row.attempts + 1,
            repeat=row.repeat,
            deadline_at=deadlines[row.dispatch_id],
            now=from_micros(now) - PATIENCE,  # the lease was patience enough
            jitter=0,
        )
        following = decide(outcome, standing, policies.get(row.channel, UncertainPolicy.RESEND))
        changes.append(changed(row, outcome, following, now))
        ledger.moved(counts, row.place, State.LEASED, following.state)
        result, reason = outcome.result, Reason.LEASE_EXPIRED
        attempts.append((row.id, row.attempts + 1, now, now, result, reason, "", "", node))
    ledger.change(conn, changes)
    ledger.add_progress(conn, counts, now)
    results = {"lost": {str(Result.UNCERTAIN): len(attempts)}}
    seq = record_batch(conn, at=from_micros(now), node=node, rows=attempts, counts=results)
    ledger.add_attempts(conn, attempts, seq)
    wake(conn, DELIVERIES)
    return len(lost)


def changed(row: Leased, outcome: Outcome, following: Next, now: int) -> Change:
    """Give the change that `following` means for a delivery in hand."""
    handed_over = outcome.result in (Result.SENT, Result.DELIVERED, Result.UNCERTAIN)
    tried = outcome.result not in UNTRIED
    return Change(
        id=row.id,
        was=State.LEASED,
        state=following.state,
        next_at=to_micros(following.next_at) if following.next_at else now,
        attempts=row.attempts + tried,
        handed_over=handed_over,
        repeat=row.repeat or outcome.result is Result.UNCERTAIN,
        provider_ref=outcome.provider_ref or None,
        reason=following.reason,
        sent_at=now if handed_over else None,
        delivered_at=now if outcome.result is Result.DELIVERED else None,
        held=row.attempts,
    )


def _deadlines(conn: Connection, ids: AbstractSet[int]) -> dict[int, datetime]:
    query = select(dispatches.c.id, dispatches.c.deadline_at).where(dispatches.c.id.in_(ids))
    return dict(map(tuple, conn.execute(query)))


def settle_again(conn: Connection, batch: Sequence[Settled], *, node: str, now: int) -> int:
    """Write outcomes that a database which went back has forgotten; gives how many those were.

    A standby may have taken over before it had them. Without this their recipients would be
    sent the same again, and an end would not reach them.
    """
    lost = ledger.forgotten(conn, [settled.change.id for settled in batch], lease=node)
    attempts = {row.id: row.attempts for row in lost}
    ledger.take(conn, attempts, lease=node, until=now)
    again = [each for each in batch if attempts.get(each.change.id) == each.change.held]
    if again:
        data = {"count": settle(conn, again, node=node, now=now)}
        entry = Entry(f"node:{node}", "deliveries.settled_again", data=data)
        record(conn, entry, at=from_micros(now))
    return len(again)


def put_off_too_far(conn: Connection, channels: Iterable[str], beyond: int) -> list[int]:
    """Give what waits for longer than any pause of ours: the clock was ahead when it was put off.

    Where a peer asked for so long, or a lane rests, that is not our clock's doing.
    """
    query = select(deliveries.c.id).where(
        deliveries.c.state == State.QUEUED,
        deliveries.c.next_at > beyond,
        func.coalesce(deliveries.c.reason, "") != Reason.THROTTLED,
    )
    found: list[int] = []
    for channel, priority in product(channels, Priority.ALL):  # by index: mostly, there is nothing
        mine = (deliveries.c.channel == channel) & (deliveries.c.priority == priority)
        found += conn.scalars(query.where(mine).limit(RECLAIM_CHUNK))
    return found


def bring_forward(conn: Connection, ids: Iterable[int], now: int) -> None:
    """Make these due, where they still wait."""
    mine = deliveries.c.id.in_(list(ids)) & (deliveries.c.state == State.QUEUED)
    conn.execute(update(deliveries).where(mine).values(next_at=now))
    wake(conn, DELIVERIES)


def give_up(conn: Connection, *, node: str, now: int) -> int:
    """Close what stayed uncertain to its deadline, as a dead letter that may have arrived."""
    rows = conn.execute(
        select(deliveries)
        .where(deliveries.c.state == State.UNCERTAIN, deliveries.c.next_at <= now)
        .limit(RECLAIM_CHUNK)
    ).all()
    counts: Counter[ledger.ProgressKey] = Counter()
    changes = []
    for row in rows:
        place = (row.dispatch_id, row.channel, row.region)
        ledger.moved(counts, place, State.UNCERTAIN, State.DEAD)
        changes.append(
            Change(
                id=row.id,
                was=State.UNCERTAIN,
                state=State.DEAD,
                next_at=now,
                attempts=row.attempts,
                repeat=bool(row.repeat),
                reason=row.reason,
            )
        )
    if changes:
        ledger.change(conn, changes)
        ledger.add_progress(conn, counts, now)
        data = {"count": len(changes)}
        record(conn, Entry(f"node:{node}", "deliveries.gave_up", data=data), at=from_micros(now))
    return len(changes)
