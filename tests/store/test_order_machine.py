"""In which order one alert's messages reach an address, whatever happens between them.

Real statements on a real ledger, real decisions of the core; the machine plays officials, two
sending processes that may die or answer anything, recipients who come and go, and the clock. It
keeps what only the outside can know: who was handed what, and in which order.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import defaultdict
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlalchemy import Connection, update

from alertd.core.delivery import Outcome, Result, Standing, UncertainPolicy, decide
from alertd.core.errors import Reason
from alertd.core.rendition import Kind
from alertd.pipeline.activate import PUBLIC
from alertd.pipeline.deliver import Settled, changed, reclaim, settle
from alertd.pipeline.dispatch import REVOCABLE, stop
from alertd.pipeline.expand import expand, pending, sweep, to_sweep
from alertd.store.ledger import Leased
from alertd.store.schema import recipients, to_micros
from alertd.store.store import open_store
from tests.conftest import FakeClock
from tests.store.conftest import LEASE, Ledger, add_version, lay_ground

PROCESSES = ("a", "b")
MAYBE = {Result.SENT, Result.DELIVERED, Result.UNCERTAIN}  # the address has it, or may have it
ANSWERS = st.sampled_from(
    [
        Outcome(Result.DELIVERED),
        Outcome(Result.SENT),
        Outcome(Result.UNSENT, Reason.SERVER_ERROR),
        Outcome(Result.UNSENT, Reason.THROTTLED, retry_after_s=1),
        Outcome(Result.UNCERTAIN, Reason.TIMEOUT),
        Outcome(Result.UNDELIVERABLE, Reason.REJECTED),
        Outcome(Result.RETURNED),
    ]
)


@cache
def template() -> Path:
    """Give a migrated ledger with its ground laid, made once."""
    path = Path(tempfile.mkdtemp(prefix="alertd-order-")) / "template.db"

    async def make() -> None:
        async with open_store(f"sqlite:///{path}") as store:
            await store.migrate()
            await store.write(lay_ground, datetime(2026, 11, 24, 2, tzinfo=UTC))

    asyncio.run(make())
    return path


class Order(RuleBasedStateMachine):
    """One alert, its updates, rebroadcasts and ends, to a handful of addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="alertd-order-"))
        self.clock = FakeClock(datetime(2026, 11, 24, 2, tzinfo=UTC))
        self.rank: dict[int, int] = {}  # dispatch to how new it is; a rebroadcast is no newer
        self.kinds: dict[int, Kind] = {}
        self.current: int | None = None  # version in force
        self.occurrence = 0
        self.versions = 0
        self.in_hand: list[tuple[str, Leased, int]] = []  # process, delivery, lost after
        self.heard: dict[int, list[int]] = defaultdict(list)  # address to ranks, as they came
        self.refused: set[tuple[int, int]] = set()  # address and rank of what it would not take
        self.alerted: set[int] = set()  # addresses that have an appeal, or may have it

    @initialize(people=st.integers(1, 4))
    def begin(self, people: int) -> None:
        path = self.folder / "alertd.db"
        shutil.copyfile(template(), path)
        opened = self.stack.enter_async_context(open_store(f"sqlite:///{path}"))
        self.ledger = Ledger(self.run(opened), self.clock)
        self.run(self.ledger.recipients(people))
        self.alert_id, self.version_id = self.run(self.ledger.alert())
        self.versions = 1
        self._open(Kind.ALERT)

    def run(self, doing: Any) -> Any:
        return self.runner.run(doing)

    def write(self, work: Any, *args: Any, **kwargs: Any) -> Any:
        return self.run(self.ledger.store.write(work, *args, **kwargs))

    def read(self, work: Any, *args: Any) -> Any:
        return self.run(self.ledger.store.read(work, *args))

    # --- what officials do ----------------------------------------------------------------------

    @rule(act=st.sampled_from(("update", "end", "repeat")))
    def act(self, act: str) -> None:
        if act == "update":
            self._update()
        elif self.current is not None and act == "end":
            self._end()
        elif self.current is not None:
            self._open(self.kinds[max(self.kinds)], occurrence=self.occurrence + 1)

    def _update(self) -> None:
        """As activate does: whatever was public stops, a wrong end too."""
        self.write(stop, self.alert_id, self.clock(), kinds=PUBLIC)
        self.versions += 1
        given = (self.alert_id, self.versions, Kind.UPDATE, self.clock())
        self.version_id = self.write(add_version, *given)
        self._open(Kind.UPDATE)

    def _end(self) -> None:
        self.write(stop, self.alert_id, self.clock(), kinds=REVOCABLE)
        self._open(Kind.END)
        self.current = None

    def _open(self, kind: Kind, *, occurrence: int = 0) -> None:
        alert = (self.alert_id, self.version_id)
        follows = {"references": "earlier"} if self.rank else {}
        number = self.run(self.ledger.dispatch(alert, kind=kind, occurrence=occurrence, **follows))
        newest = max(self.rank.values(), default=0)
        self.rank[number] = newest if occurrence else newest + 1
        self.kinds[number] = kind
        self.current = self.version_id
        self.occurrence = occurrence

    # --- what alertd does -----------------------------------------------------------------------

    @rule(pick=st.integers(0, 9), chunk=st.integers(1, 3))
    def expand_some(self, pick: int, chunk: int) -> None:
        if todo := self.read(pending):
            self.write(expand, todo[pick % len(todo)], now=self.clock(), chunk=chunk)

    @rule(by=st.sampled_from(PROCESSES), limit=st.integers(1, 4))
    def expand_all_and_lease(self, by: str, limit: int) -> None:
        self._expand_all()
        self.lease_some(by, limit)

    def _expand_all(self) -> None:
        """Add all that can be added; what waits for something in flight goes on waiting."""
        for number in self.read(pending):
            step = None
            while step is None or not (step.done or step.waiting):
                step = self.write(expand, number, now=self.clock(), chunk=3)

    @precondition(lambda self: self.read(to_sweep))
    @rule(pick=st.integers(0, 9))
    def sweep_some(self, pick: int) -> None:
        todo = self.read(to_sweep)
        self.write(sweep, todo[pick % len(todo)], now=self.clock(), chunk=1)

    @rule(by=st.sampled_from(PROCESSES), limit=st.integers(1, 4))
    def lease_some(self, by: str, limit: int) -> None:
        """Take what is due; from here on it is being handed over."""
        for row in self.run(self.ledger.lease(limit, by=by)):
            rank, address = self.rank[row.dispatch_id], row.address_id
            assert rank >= max(self.heard[address], default=0), "older after newer"
            others = {
                self.rank[o.dispatch_id] for _, o, _ in self.in_hand if o.address_id == address
            }
            assert others <= {rank}, "an earlier attempt is still in flight"
            self.in_hand.append((by, row, to_micros(self.clock() + LEASE)))

    @precondition(lambda self: self.in_hand)
    @rule(pick=st.integers(0, 9), outcome=ANSWERS)
    def answer(self, pick: int, outcome: Outcome) -> None:
        by, row, _ = self.in_hand.pop(pick % len(self.in_hand))
        now = to_micros(self.clock())
        tried = outcome.result is not Result.RETURNED
        standing = Standing(
            attempts=row.attempts + tried,
            repeat=row.repeat,
            deadline_at=self.clock() + timedelta(hours=1),
            now=self.clock(),
            jitter=0.5,
        )
        following = decide(outcome, standing, UncertainPolicy.RETRY)
        settled = Settled(
            leased=row,
            change=changed(row, outcome, following, now),
            attempt=(row.id, row.attempts + 1, now, now, outcome.result, "", "", "", by),
            result=outcome.result,
        )
        assert self.write(settle, [settled], node=by, now=now) == 1
        if outcome.result in MAYBE:
            self._hear(row)
        elif outcome.result is Result.UNDELIVERABLE:
            self.refused.add((row.address_id, self.rank[row.dispatch_id]))

    @precondition(lambda self: self.in_hand)
    @rule(pick=st.integers(0, 9), by=st.sampled_from(PROCESSES))
    def no_answer_and_try_again(self, pick: int, by: str) -> None:
        self.answer(pick, Outcome(Result.UNCERTAIN, Reason.TIMEOUT))
        self.wait(2)
        self.lease_some(by, 4)

    def _reclaim(self) -> None:
        """Take back what dead processes had in hand; nobody knows what was sent."""
        now = to_micros(self.clock())
        self.write(reclaim, {"webhook": UncertainPolicy.RETRY}, node="c", now=now)
        for _, row, lost_after in self.in_hand:
            if lost_after < now:
                self._hear(row)
        self.in_hand = [held for held in self.in_hand if held[2] >= now]

    def _hear(self, row: Leased) -> None:
        self.heard[row.address_id].append(self.rank[row.dispatch_id])
        if self.kinds[row.dispatch_id] in REVOCABLE:
            self.alerted.add(row.address_id)

    # --- what others do -------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((1, 2, LEASE.total_seconds() + 1)))
    def wait(self, seconds: float) -> None:
        """Let time pass; whoever holds a lease for too long is taken for dead."""
        self.clock.tick(seconds=seconds)
        self._reclaim()

    @rule(which=st.integers(0, 4))
    def somebody_comes_or_leaves(self, which: int) -> None:
        if which:
            self.write(_leave, which, self.clock())
        else:
            self.run(self.ledger.recipients(1))

    # --- and in the end -------------------------------------------------------------------------

    def teardown(self) -> None:
        if self.versions:
            self._let_it_run_out()
        self.runner.run(self.stack.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)

    def _let_it_run_out(self) -> None:
        """End it and let everything arrive: all who had an appeal hear of the end, last."""
        if self.current is not None:
            self._end()
        end = max(self.rank.values())
        for _ in range(60):
            self._expand_all()  # with what is in hand still in hand
            while self.in_hand:
                self.answer(0, Outcome(Result.DELIVERED))
            self.clock.tick(minutes=5)
            self._reclaim()
            self.lease_some("a", 4)
            if not (self.in_hand or self.read(pending)):
                break
        assert not self.in_hand
        told = {who for who, ranks in self.heard.items() if end in ranks}
        assert told | {who for who, rank in self.refused if rank == end} == self.alerted
        assert all(self.heard[who][-1] == end for who in told)


def _leave(conn: Connection, address_id: int, at: datetime) -> None:
    theirs = recipients.c.address_id == address_id
    conn.execute(update(recipients).where(theirs).values(ended_at=at))


TestOrder = Order.TestCase
TestOrder.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to make it shorter takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)
