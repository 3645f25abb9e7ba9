"""Counts attempts as they are written, whichever process or node made them.

The ledger is the one place that knows them all. Attempts are numbered in the order in which
they become visible, for the audit chain has one writer at a time: reading on from the last one
seen misses nothing and counts nothing twice. Counting begins when the process does.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import (
    BigInteger,
    Case,
    ColumnElement,
    Connection,
    case,
    func,
    select,
    type_coerce,
)

from alertd.core.delivery import Result
from alertd.store.schema import attempts, deliveries, dispatches
from alertd.tools import Tools

CHUNK = 20_000  # attempts that one query looks at
SECOND = 1_000_000  # microseconds
TOOK_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
DELAY_S = (1, 5, 15, 30, 60, 120, 300, 900, 3600, 14_400)
REPORTED = 0  # the number of what is no attempt but a provider's later report
FAILED = frozenset({Result.UNSENT, Result.UNCERTAIN, Result.UNDELIVERABLE, Result.CHANNEL_DOWN})
ARRIVED = (Result.SENT, Result.DELIVERED)


@dataclass(slots=True)
class Spread:
    """A histogram: how many fell into each bucket, the last one without a bound."""

    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    total_s: float = 0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def add(self, bucket: int, count: int, total_s: float) -> None:
        self.counts[bucket] += count
        self.total_s += total_s


@dataclass(slots=True)
class Tallies:
    """What was counted since this process began."""

    attempts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    took: dict[str, Spread] = field(default_factory=dict)
    delay: dict[str, Spread] = field(default_factory=dict)
    _last: int | None = None
    _failures: deque[tuple[float, str, int]] = field(default_factory=deque)

    async def follow(self, tools: Tools) -> None:
        """Read on to the newest attempt."""
        if self._last is None:
            self._last = await tools.store.read(_newest)
        while True:
            end, rows = await tools.store.read(_read, self._last)
            now = tools.clock().timestamp()
            for row in rows:
                self._add(row, now)
            done = end - self._last < CHUNK
            self._last = end
            if done:
                return

    def failures(self, channel: str, now: float, window_s: float = 60) -> int:
        """Give how many attempts failed on a channel within the window."""
        while self._failures and self._failures[0][0] < now - window_s:
            self._failures.popleft()
        return sum(count for _, name, count in self._failures if name == channel)

    def _add(self, row: "_Row", now: float) -> None:
        self.attempts[row.channel, row.result, row.reason] += row.count
        if row.tried:
            took = self.took.setdefault(row.channel, Spread(TOOK_S))
            took.add(row.took_bucket, row.count, float(row.took_us) / SECOND)
        if row.result in ARRIVED:
            delay = self.delay.setdefault(row.channel, Spread(DELAY_S))
            delay.add(row.delay_bucket, row.count, float(row.delay_us) / SECOND)
        if row.result in FAILED:
            self._failures.append((now, row.channel, row.count))


@dataclass(frozen=True, slots=True)
class _Row:
    channel: str
    result: str
    reason: str
    tried: bool
    took_bucket: int
    delay_bucket: int
    count: int
    took_us: int
    delay_us: int


def _newest(conn: Connection) -> int:
    return conn.scalar(select(func.max(attempts.c.id))) or 0


def _read(conn: Connection, after: int) -> tuple[int, list[_Row]]:
    """Give how far was read, and the counts of what is new."""
    chunk = select(attempts.c.id).where(attempts.c.id > after).order_by(attempts.c.id).limit(CHUNK)
    end = conn.scalar(select(func.max(chunk.subquery().c.id)))
    if end is None:
        return after, []
    took = attempts.c.finished_at - attempts.c.started_at
    delay = attempts.c.finished_at - type_coerce(dispatches.c.sent_at, BigInteger)
    new = (
        select(
            deliveries.c.channel,
            attempts.c.result,
            attempts.c.reason,
            (attempts.c.number != REPORTED).label("tried"),
            _bucket(took, TOOK_S).label("took_bucket"),
            _bucket(delay, DELAY_S).label("delay_bucket"),
            took.label("took"),
            delay.label("delay"),
        )
        .join(deliveries, deliveries.c.id == attempts.c.delivery_id)
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .where(attempts.c.id > after, attempts.c.id <= end)
        .subquery()
        .c
    )
    keys = (new.channel, new.result, new.reason, new.tried, new.took_bucket, new.delay_bucket)
    query = select(*keys, func.count(), func.sum(new.took), func.sum(new.delay)).group_by(*keys)
    return int(end), [_Row(*row) for row in conn.execute(query)]


def _bucket(span: ColumnElement[int], bounds: Sequence[float]) -> Case[int]:
    """Give the number of the first bucket that `span`, in microseconds, fits into."""
    fits = [(span <= int(bound * SECOND), n) for n, bound in enumerate(bounds)]
    return case(*fits, else_=len(bounds))
