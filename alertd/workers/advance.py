"""Moves dispatches on: adds their recipients in chunks, closes what was stopped."""

import asyncio
import contextlib

import structlog

from alertd.core.errors import StoreError
from alertd.pipeline.dispatch import DISPATCHES
from alertd.pipeline.expand import expand, pending, sweep, to_sweep
from alertd.tools import Tools

log = structlog.get_logger(__name__)

POLL_S = 1.0  # a wake-up may be lost
WAIT_S = 0.1  # for what is in flight


class AdvanceWorker:
    """Expansion and sweeping in one process; any number of processes may do it at once."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._turn = tools.store.listen(DISPATCHES, watch=True)

    async def run(self) -> None:
        while True:
            self._turn.clear()
            try:
                waiting = await self.advance()
            except StoreError as error:
                log.warning("ledger.away", worker="advance", why=str(error))
                waiting = False
            except Exception as error:  # a worker that dies would be missed by nobody
                log.exception("advance.failed", error=type(error).__name__)
                waiting = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WAIT_S if waiting else POLL_S):
                    await self._turn.wait()

    async def advance(self) -> bool:
        """Go on until nothing can be done now; tells whether something waits for a lease."""
        store, clock = self._tools.store, self._tools.clock
        blocked: set[int] = set()
        while todo := [id_ for id_ in await store.read(pending) if id_ not in blocked]:
            # One chunk, then look again: a more urgent dispatch may have come.
            expansion = await store.write(expand, todo[0], now=clock())
            if expansion.waiting:
                blocked.add(todo[0])
        for dispatch_id in await store.read(to_sweep):
            swept = await store.write(sweep, dispatch_id, now=clock())
            while swept.closed:
                swept = await store.write(sweep, dispatch_id, now=clock())
            if not swept.done:
                blocked.add(dispatch_id)
        return bool(blocked)
