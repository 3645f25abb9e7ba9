"""Sends what is due on one channel: lease a batch, send many at once, settle in groups.

Leasing and settling share one transaction. What is leased, in flight or unsettled is bounded;
a lane that is slow or dead fills its own places and no others.
"""

import asyncio
import contextlib
import itertools
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import structlog
from sqlalchemy import Connection

from alertd.channel import Channel
from alertd.core.delivery import Next, Outcome, Result, State
from alertd.core.errors import StoreError
from alertd.pipeline.deliver import Settled, Want, changed, lease, settle, settle_again
from alertd.pipeline.dispatch import DELIVERIES
from alertd.store.ledger import Leased
from alertd.store.schema import to_micros
from alertd.tools import Tools
from alertd.workers.attempt import Sender
from alertd.workers.latest import Latest
from alertd.workers.running import NotApproved, RunningDispatches

log = structlog.get_logger(__name__)

POLL_S = 1.0  # a wake-up may be lost
GROUP_S = 0.1  # how long the last outcomes of a burst wait for company
STORE_PAUSE_S = 1.0  # between tries while the database is away
SLOW_S = 1.0  # after which what is in flight leaves its place to others
STUCK_S = 0.1  # how long what waits for a full lane may fill our hands
BUSY_LANE_S = 1  # how long it is put off then
MANY_LANES = 10_000  # whose windows are remembered
BLOCKED_S = 60  # how long a dispatch whose bytes were not approved is put off


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one process may hold of one channel."""

    batch: int = 1000
    lease_s: float = 60
    drain_s: float = 20


@dataclass(slots=True)
class InHand:
    """A delivery and the moment after which somebody else may have taken it over."""

    leased: Leased
    lost_at: float  # on the monotonic clock
    begun_at: float = 0


class DeliveryWorker:
    """One channel's sending in one process."""

    def __init__(
        self, tools: Tools, channel: Channel, running: RunningDispatches, node: str, limits: Limits
    ) -> None:
        self._tools = tools
        self._channel = channel
        self._pace = channel.pace
        self._running = running
        self._node = node
        self._limits = limits
        self._sender = Sender(tools, channel, node)
        self._ready: deque[InHand] = deque()
        self._busy: Counter[str] = Counter()  # in flight per lane
        self._windows: dict[str, int] = {}  # places per lane: one, doubled by each success
        self._parked: dict[str, deque[InHand]] = {}  # wait for a place in their lane
        self._moved_at: dict[str, float] = {}  # when the last of them got one
        self._in_flight = 0
        self._begun: dict[int, InHand] = {}  # what is in flight, the longest first
        self._slow = 0  # how much of it takes long, so that others have its places
        self._senders: set[asyncio.Task[None]] = set()
        self._outcomes: list[Settled] = []
        self._latest = Latest()
        self._turn = tools.store.listen(DELIVERIES, watch=True)
        self._more = asyncio.Condition()
        self._stopping = False

    async def run(self) -> None:
        """Work until `stop`; then wait for what is in flight and give the rest back."""
        self._man_the_places()
        try:
            while not self._stopping:
                await self._cycle()
            await self._drain()
        finally:
            for sender in self._senders:
                sender.cancel()
            await asyncio.gather(*self._senders, return_exceptions=True)

    def stop(self) -> None:
        self._stopping = True
        self._turn.set()

    # --- leasing and settling ----------------------------------------------------------------

    async def _cycle(self) -> None:
        self._turn.clear()
        self._relieve()
        self._man_the_places()
        outcomes, self._outcomes = self._outcomes, []
        room = self._room()
        if outcomes or room:
            taken = await self._settle_and_lease(outcomes, room)
            if taken:
                await self._take_in(taken)
            if len(taken) == room and self._room():
                return  # more may be due, and there is room for it
        await self._wait()

    def _room(self) -> int:
        """Give how many more to lease: none until half of the batch is through."""
        held = len(self._ready) + self._in_flight - self._slow + self._waiting()
        room = max(self._limits.batch, 2 * self._pace.concurrency) - held
        return room if room >= self._limits.batch // 2 else 0

    async def _wait(self) -> None:
        """Until there is a reason for a transaction: a group to settle, a wake-up, a poll."""
        patience = GROUP_S if self._outcomes or self._in_flight else POLL_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._turn.wait()
                while not (self._stopping or self._room() or self._group_is_full()):
                    self._turn.clear()  # others have work: we have our hands full
                    await self._turn.wait()

    def _group_is_full(self) -> bool:
        through = not (self._ready or self._in_flight)
        return through or len(self._outcomes) >= self._limits.batch // 2

    async def _settle_and_lease(self, outcomes: Sequence[Settled], room: int) -> list[InHand]:
        """Write the group and take the next one; while the database is away, keep it and wait."""
        while True:
            now = self._tools.clock()
            began = time.monotonic()
            want = Want(
                channel=self._channel.name,
                lease=self._node,
                now=to_micros(now),
                until=to_micros(now + timedelta(seconds=self._limits.lease_s)),
                limit=0 if self._stopping else room,
                rate=self._pace.rate_per_s,
            )
            write = asyncio.ensure_future(
                self._tools.store.write(_settle_and_lease, outcomes, want, self._latest.doubted())
            )
            try:
                written, taken = await asyncio.shield(write)
            except StoreError as error:
                self._latest.doubtful = True
                log.error(
                    "ledger.away", channel=self._channel.name, held=len(outcomes), why=str(error)
                )
                if self._stopping:
                    self._outcomes[:0] = outcomes  # draining has a deadline, this has none
                    return []
                await asyncio.sleep(STORE_PAUSE_S)
                continue
            except Exception as error:
                # A defect: these leases run out and count as uncertain, the others go on.
                log.exception(
                    "deliveries.unsettled", held=len(outcomes), error=type(error).__name__
                )
                await asyncio.sleep(STORE_PAUSE_S)
                return []
            doubtful = self._latest.doubtful or written < len(outcomes)
            self._latest.doubtful = written < len(outcomes)
            self._latest.add(outcomes)
            if outcomes:
                self._tell(outcomes, written)
            if doubtful:
                ours = {hand.leased.id for hand in self._unbegun()}
                ours |= {settled.change.id for settled in self._outcomes}  # come in meanwhile
                taken = [leased for leased in taken if leased.id not in ours]
            lost_at = began + self._limits.lease_s
            return [InHand(leased, lost_at) for leased in taken if not self._knows_better(leased)]

    def _knows_better(self, leased: Leased) -> bool:
        """Tell whether the database gave out, as untried, what is in flight or has left."""
        begun = self._begun.get(leased.id)
        if (known := self._latest.forgotten(leased)) is not None:
            self._outcomes.append(known)
        elif begun is None or begun.leased.attempts != leased.attempts:
            return False
        self._latest.doubtful = True
        return True

    def _unbegun(self) -> list[InHand]:
        return [*self._ready, *(hand for lane in self._parked.values() for hand in lane)]

    def _tell(self, outcomes: Sequence[Settled], written: int) -> None:
        results = Counter(str(settled.result) for settled in outcomes)
        log.info(
            "deliveries.settled",
            channel=self._channel.name,
            node=self._node,
            lost=len(outcomes) - written,
            **results,
        )

    async def _take_in(self, taken: Sequence[InHand]) -> None:
        async with self._more:
            self._ready.extend(taken)
            self._more.notify(len(taken))

    async def _drain(self) -> None:
        """Let what is in flight end, within the deadline; give back what was not begun."""
        self._return(self._unbegun())
        self._ready.clear()
        self._parked.clear()
        self._moved_at.clear()
        deadline = time.monotonic() + self._limits.drain_s
        while self._in_flight and (left := deadline - time.monotonic()) > 0:
            self._turn.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, GROUP_S)):
                    await self._turn.wait()
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), 1)):
                await self._settle_the_last()
        except TimeoutError:
            log.critical("deliveries.unsettled", held=len(self._outcomes), error="TimeoutError")

    async def _settle_the_last(self) -> None:
        while self._outcomes:
            outcomes, self._outcomes = self._outcomes, []
            await self._settle_and_lease(outcomes, 0)
            if self._outcomes:
                await asyncio.sleep(STORE_PAUSE_S)

    # --- sending -----------------------------------------------------------------------------

    def _man_the_places(self) -> None:
        """Give the place of what hangs to somebody else, within the channel's bound."""
        late = time.monotonic() - SLOW_S
        begun = itertools.islice(self._begun.values(), self._pace.slow)
        self._slow = sum(1 for _ in itertools.takewhile(lambda hand: hand.begun_at < late, begun))
        while len(self._senders) < self._pace.concurrency + self._slow:
            sender = asyncio.create_task(self._send_always(), name=f"send-{self._channel.name}")
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)

    async def _send_always(self) -> None:
        while True:
            if len(self._senders) > self._pace.concurrency + self._slow:
                self._senders.discard(cast("asyncio.Task[None]", asyncio.current_task()))
                return  # what hung has ended: one place too many
            hand = await self._next()
            lane = hand.leased.lane
            try:
                settled = await self._attempt(hand)
            finally:
                self._begun.pop(hand.leased.id, None)
                self._in_flight -= 1
                self._busy[lane] -= 1
            if settled is not None:
                self._learn(lane, settled.result)
                self._outcomes.append(settled)
            await self._unpark(lane)
            if self._group_is_full():
                self._turn.set()

    async def _next(self) -> InHand:
        while True:
            while not self._ready:
                async with self._more:
                    await self._more.wait_for(lambda: bool(self._ready))
            hand = self._ready.popleft()
            lane = hand.leased.lane
            if self._busy[lane] < self._window(lane):
                self._busy[lane] += 1
                self._in_flight += 1
                hand.begun_at = time.monotonic()
                self._begun[hand.leased.id] = hand
                return hand
            self._park(hand)

    def _park(self, hand: InHand) -> None:
        """Let it wait for its lane."""
        lane = hand.leased.lane
        if lane not in self._parked:
            self._parked[lane] = deque()
            self._moved_at[lane] = time.monotonic()
        self._parked[lane].append(hand)

    def _relieve(self) -> None:
        """Give back to the queue what would only fill our hands: its lane does not move."""
        late = time.monotonic() - STUCK_S
        for lane, parked in self._parked.items():
            if self._moved_at[lane] < late and self._waiting() > self._limits.batch // 4:
                hands = [parked.pop() for _ in range(len(parked) - 1)]
                self._return(hands, after_s=BUSY_LANE_S)

    def _waiting(self) -> int:
        return sum(map(len, self._parked.values()))

    def _window(self, lane: str) -> int:
        """Give a lane's places: endpoints that hang must not hold every place together."""
        alone = lane == self._channel.name  # nobody else is kept from sending
        return self._pace.per_lane if alone else self._windows.get(lane, 1)

    def _learn(self, lane: str, result: Result) -> None:
        if result in (Result.UNSENT, Result.UNCERTAIN):
            self._windows.pop(lane, None)
        elif result in (Result.SENT, Result.DELIVERED):
            if len(self._windows) > MANY_LANES:
                self._windows.clear()
            self._windows[lane] = min(2 * self._window(lane), self._pace.per_lane)

    async def _unpark(self, lane: str) -> None:
        """Fill the lane's free places from what waits for them."""
        if parked := self._parked.get(lane):
            free = min(self._window(lane) - self._busy[lane], len(parked))
            self._ready.extendleft([parked.popleft() for _ in range(free)][::-1])
            self._moved_at[lane] = time.monotonic()
            if not parked:
                del self._parked[lane], self._moved_at[lane]
            async with self._more:
                self._more.notify(free)
        elif not self._busy[lane]:
            del self._busy[lane]

    def _return(self, hands: Sequence[InHand], after_s: float = 0) -> None:
        outcome = Outcome(Result.RETURNED)
        now = self._tools.clock()
        following = Next(State.QUEUED, now + timedelta(seconds=after_s))
        for hand in hands:
            change = changed(hand.leased, outcome, following, to_micros(now))
            self._outcomes.append(
                Settled(leased=hand.leased, change=change, attempt=None, result=outcome.result)
            )

    async def _attempt(self, hand: InHand) -> Settled | None:
        """Try one delivery; None when its lease is lost: whoever has it now accounts for it."""
        leased = hand.leased
        try:
            running = await self._running.get(leased.dispatch_id)
        except NotApproved as error:
            log.critical("dispatch.not_approved", dispatch=leased.dispatch_id, why=str(error))
            self._return([hand], after_s=BLOCKED_S)
            return None
        except StoreError:
            self._return([hand], after_s=STORE_PAUSE_S)
            return None
        except Exception as error:  # a sender that dies would be missed by nobody
            log.exception(
                "dispatch.defect", dispatch=leased.dispatch_id, error=type(error).__name__
            )
            self._return([hand], after_s=BLOCKED_S)
            return None
        if time.monotonic() > hand.lost_at - self._limits.lease_s / 2:
            self._return([hand])  # it waited too long in our hands to be begun now
            return None
        return await self._sender.attempt(leased, running)


def _settle_and_lease(
    conn: Connection, outcomes: Sequence[Settled], want: Want, doubted: Sequence[Settled]
) -> tuple[int, list[Leased]]:
    if doubted and (again := settle_again(conn, doubted, node=want.lease, now=want.now)):
        log.warning("deliveries.settled_again", channel=want.channel, count=again)
    written = settle(conn, outcomes, node=want.lease, now=want.now) if outcomes else 0
    return written, lease(conn, want) if want.limit else []
