"""What providers say later: settled in groups, only ever forward."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from alertd.channel import Report
from alertd.core.audit import AttemptRow
from alertd.core.delivery import Outcome, Result, Standing, State, UncertainPolicy, decide
from alertd.core.errors import Reason
from alertd.pipeline.record import record_batch
from alertd.store import ledger
from alertd.store.ledger import Change
from alertd.store.schema import addresses, deliveries, dispatches, from_micros, to_micros


def delivery_ref(alert_id: str, delivery_id: int) -> str:
    """Give the name by which the outside knows a delivery: webhook-id, Message-ID."""
    return f"{alert_id}-{delivery_id}"


@dataclass(slots=True)
class _Standing:
    """A delivery while its reports are folded in, one by one."""

    id: int
    alert_id: str
    dispatch_id: int
    address_id: int
    channel: str
    region: str
    was: State
    state: State
    attempts: int
    repeat: bool
    stopped: bool
    deadline_at: datetime
    next_at: int
    reason: str | None = None
    provider_ref: str | None = None
    delivered_at: int | None = None
    suppress: bool = False

    @property
    def place(self) -> ledger.Place:
        return (self.dispatch_id, self.channel, self.region)


def settle_reports(
    conn: Connection, reports: Sequence[Report], *, node: str, now: int
) -> list[Report]:
    """Apply what providers reported; gives those that came too early, to be put again.

    A report may come before the send was settled, twice, or late: a delivery that arrived
    stays delivered, and a report never opens what was ended. Reports about deliveries that
    are not ours are dropped.
    """
    standings = _standings(conn, reports)
    early: list[Report] = []
    attempts: list[AttemptRow] = []
    results: dict[str, Counter[str]] = {}
    for report in reports:
        standing = standings.get(report.delivery_id)
        if standing is None:
            continue
        if standing.was is State.LEASED and report.state == "failed":
            early.append(report)
            continue
        result = _fold(standing, report, now)
        results.setdefault(standing.channel, Counter())[result] += 1
        code, ref = report.detail[:100], report.provider_ref[:100]
        attempts.append((standing.id, 0, now, now, result, report.reason, code, ref, node))
    if attempts:
        _write(conn, list(standings.values()), now)
        counts = {channel: dict(counter) for channel, counter in results.items()}
        seq = record_batch(conn, at=from_micros(now), node=node, rows=attempts, counts=counts)
        ledger.add_attempts(conn, attempts, seq)
    return early


def _standings(conn: Connection, reports: Sequence[Report]) -> dict[str, _Standing]:
    ids = {int(n) for r in reports if (n := r.delivery_id.rpartition("-")[2]).isdecimal()}
    rows = conn.execute(
        select(
            deliveries.c.id,
            dispatches.c.alert_id,
            deliveries.c.dispatch_id,
            deliveries.c.address_id,
            deliveries.c.channel,
            deliveries.c.region,
            deliveries.c.state,
            deliveries.c.attempts,
            deliveries.c.repeat,
            dispatches.c.stopped_at,
            dispatches.c.deadline_at,
            deliveries.c.next_at,
        )
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .where(deliveries.c.id.in_(ids))
        .order_by(deliveries.c.id)
        .with_for_update(of=deliveries)
    )
    return {delivery_ref(row.alert_id, row.id): _standing(row) for row in rows}


def _standing(row: Any) -> _Standing:
    return _Standing(
        id=row.id,
        alert_id=row.alert_id,
        dispatch_id=row.dispatch_id,
        address_id=row.address_id,
        channel=row.channel,
        region=row.region,
        was=State(row.state),
        state=State(row.state),
        attempts=row.attempts,
        repeat=bool(row.repeat),
        stopped=row.stopped_at is not None,
        deadline_at=row.deadline_at,
        next_at=row.next_at,
    )


_MAY_ARRIVE = frozenset({State.SENT, State.UNCERTAIN, State.QUEUED, State.DEAD, State.EXPIRED})
_MAY_FAIL = frozenset({State.SENT, State.UNCERTAIN})
_REASONS = {str(reason): reason for reason in Reason}


def _fold(standing: _Standing, report: Report, now: int) -> Result:
    standing.provider_ref = report.provider_ref or standing.provider_ref
    standing.suppress |= report.suppress
    if report.state == "delivered":
        standing.delivered_at = now
        # A queued delivery that was never tried cannot have arrived.
        if standing.state in _MAY_ARRIVE and standing.attempts:
            standing.state, standing.reason = State.DELIVERED, None
        return Result.DELIVERED
    if report.state == "sent":
        if standing.state is State.UNCERTAIN:
            standing.state, standing.reason = State.SENT, None
        return Result.SENT
    if standing.state in _MAY_FAIL:
        _fail(standing, report, now)
    return Result.UNSENT if report.retry else Result.UNDELIVERABLE


def _fail(standing: _Standing, report: Report, now: int) -> None:
    """It did not arrive: try again while that makes sense, else a dead letter."""
    result = Result.UNSENT if report.retry else Result.UNDELIVERABLE
    tried = Standing(
        attempts=standing.attempts,
        repeat=standing.repeat,
        deadline_at=standing.deadline_at,
        now=from_micros(now),
        jitter=0.5,
    )
    outcome = Outcome(result, _REASONS.get(report.reason, Reason.REJECTED))
    following = decide(outcome, tried, UncertainPolicy.HOLD)
    standing.state, standing.reason = following.state, following.reason
    if following.next_at is not None and standing.stopped:
        standing.state = State.CANCELLED
    elif following.next_at is not None:
        standing.next_at = to_micros(following.next_at)


def _write(conn: Connection, standings: Sequence[_Standing], now: int) -> None:
    counts: Counter[ledger.ProgressKey] = Counter()
    changes = []
    for standing in standings:
        if standing.was is State.LEASED:
            continue
        ledger.moved(counts, standing.place, standing.was, standing.state)
        changes.append(
            Change(
                id=standing.id,
                was=standing.was,
                state=standing.state,
                next_at=standing.next_at,
                attempts=standing.attempts,
                handed_over=standing.state in (State.SENT, State.DELIVERED),
                repeat=standing.repeat,
                provider_ref=standing.provider_ref,
                reason=standing.reason,
                delivered_at=standing.delivered_at,
            )
        )
    ledger.change(conn, changes)
    ledger.add_progress(conn, counts, now)
    _note_early_arrivals(conn, standings, now)
    _suppress(conn, standings, now)


def _note_early_arrivals(conn: Connection, standings: Sequence[_Standing], now: int) -> None:
    """The worker that holds it will settle it as sent, which then counts as delivered."""
    ids = [s.id for s in standings if s.was is State.LEASED and s.delivered_at is not None]
    if ids:
        conn.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(delivered_at=now))


def _suppress(conn: Connection, standings: Sequence[_Standing], now: int) -> None:
    ids = [standing.address_id for standing in standings if standing.suppress]
    if ids:
        conn.execute(
            update(addresses)
            .where(addresses.c.id.in_(ids), addresses.c.suppressed_at.is_(None))
            .values(suppressed_at=from_micros(now), suppressed_reason=Reason.OPTED_OUT)
        )
