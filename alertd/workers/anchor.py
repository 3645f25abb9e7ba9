"""Writes anchors: after state changes, at intervals, and never in anybody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NoReturn

import structlog

from alertd.anchors import Anchor, Signer, Target
from alertd.clock import Clock
from alertd.core.audit import GENESIS, Head
from alertd.core.errors import ChainBroken, StoreBusy
from alertd.pipeline.record import STATE_CHANGED
from alertd.pipeline.replay import advance
from alertd.store.store import Store
from alertd.watch.chain import ChainState

log = structlog.get_logger()

PAUSE_S = 1.0  # between two anchors, however many state changes there are


class Anchoring:
    """Signs the head of the chain and hands it to every target that has not got it yet.

    It signs nothing but what follows from what it signed before: from `since` on, the last
    anchor known at start, it replays the chain.
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
            try:
                head = await self._store.read(advance, self._verified)
            except ChainBroken as error:
                self.state.broken = True
                log.critical("audit.chain_broken", reason=str(error))
                return
            except StoreBusy as error:
                log.warning("anchor.postponed", reason=str(error))
                return
            self._verified = head
            self.state.broken, self.state.verified = False, head.seq
            late = [t for t in self._targets if self._written.get(t.name, GENESIS) != head]
            if late:
                anchor = self._signer.sign(self._install, head, self._clock())
                await asyncio.gather(*(self._put(target, anchor) for target in late))
            self.state.late = sum(self._written.get(t.name) != head for t in self._targets)
            self.state.anchored_at = self._clock()

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
