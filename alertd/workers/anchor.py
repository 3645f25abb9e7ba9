"""Writes anchors: after state changes, at intervals, and never in anybody's way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NoReturn

import structlog

from alertd.anchors import Anchor, Signer, Target
from alertd.clock import Clock
from alertd.core.audit import GENESIS, Head
from alertd.core.errors import ChainBroken, StoreBusy
from alertd.pipeline.hold import note_loss
from alertd.pipeline.record import STATE_CHANGED
from alertd.pipeline.replay import advance, newest_kept
from alertd.store.store import Store
from alertd.watch.chain import ChainState

log = structlog.get_logger()

PAUSE_S = 1.0  # between two anchors, however many state changes there are
REMEMBERED = 1000  # ends of the chain, one of which a ledger that went back still has


class Anchoring:
    """Signs the head of the chain and hands it to every target that has not got it yet.

    It signs nothing but what follows from what it signed before: from `since` on, the last
    anchor known at start, it replays the chain. A ledger whose chain ends earlier than is known
    has lost something: that is put on record, and the chain is followed from what it kept.
    """

    def __init__(
        self,
        store: Store,
        signer: Signer,
        targets: Sequence[Target],
        *,
        install: str,
        clock: Clock,
        since: Head = GENESIS,
    ) -> None:
        self._store = store
        self._signer = signer
        self._targets = targets
        self._install = install
        self._clock = clock
        self._verified = since
        self._heads = deque([since], maxlen=REMEMBERED)
        self._change = since  # the latest entry known that was more than a settled batch
        self._written: dict[str, Head] = {}
        self._one_at_a_time = asyncio.Lock()
        self.state = ChainState(verified=since.seq)

    @property
    def broken(self) -> bool:
        """Tell whether the chain does not verify: then nothing is issued."""
        return self.state.broken

    async def write(self) -> None:
        """Anchor the head as it stands; a target that fails is tried again next time."""
        async with self._one_at_a_time:
            if not await self._catch_up():
                return
            head = self._verified
            late = [t for t in self._targets if self._written.get(t.name, GENESIS) != head]
            if late:
                anchor = self._signer.sign(self._install, head, self._clock())
                await asyncio.gather(*(self._put(target, anchor) for target in late))
            self.state.late = sum(self._written.get(t.name) != head for t in self._targets)
            self.state.anchored_at = self._clock()

    async def look(self) -> None:
        """Learn the chain's end without signing it: what is known of it cannot get lost unseen."""
        async with self._one_at_a_time:
            await self._catch_up()

    async def _catch_up(self) -> bool:
        """Follow the chain to its end; tells whether that could be done."""
        try:
            read = await self._store.read(advance, self._verified)
        except ChainBroken as error:
            if await self._went_back():
                return await self._catch_up()
            self.state.broken = True
            log.critical("audit.chain_broken", reason=str(error))
            return False
        except StoreBusy as error:
            log.warning("anchor.postponed", reason=str(error))
            return False
        if read.head != self._verified:
            self._heads.append(read.head)
        self._verified, self._change = read.head, read.change or self._change
        self.state.broken, self.state.verified = False, read.head.seq
        return True

    async def _went_back(self) -> bool:
        """Tell whether the ledger only lost its latest entries; then go back with it."""
        known = self._verified
        heads = sorted({*self._heads, self._change}, key=lambda head: head.seq, reverse=True)
        kept = await self._store.read(newest_kept, heads)
        if kept in (None, known):
            return False
        hold = self._change.seq > kept.seq
        await self._store.write(note_loss, kept, known, at=self._clock(), hold=hold)
        log.critical("ledger.went_back", kept=kept.seq, known=known.seq, held=hold)
        self._heads = deque((h for h in self._heads if h.seq <= kept.seq), maxlen=REMEMBERED)
        self._verified = kept
        self._change = min(self._change, kept, key=lambda head: head.seq)
        return True

    async def follow(self, pause_s: float = PAUSE_S) -> NoReturn:
        """Write an anchor after each state change, at most one in `pause_s`."""
        changed = self._store.listen(STATE_CHANGED)
        while True:
            await changed.wait()
            changed.clear()
            await self.write()
            await asyncio.sleep(pause_s)

    async def _put(self, target: Target, anchor: Anchor) -> None:
        try:
            await target.put(anchor)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            kind = type(error).__name__
            log.error("anchor.target_failed", target=target.name, seq=anchor.seq, error=kind)
            return
        self._written[target.name] = anchor.head
