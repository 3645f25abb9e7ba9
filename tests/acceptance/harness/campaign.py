"""kill -9 at random moments, over and over, and the reckoning afterwards."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from alertd.pipeline.expand import pending
from tests.acceptance.harness.account import Account, account, in_hand, verified
from tests.acceptance.harness.daemon import Daemon
from tests.acceptance.harness.sinks import sinks
from tests.acceptance.harness.town import Town, settings, town

FIRST_STARTS = 2  # kills of an install that is still making its secrets and its tables
MOMENTS = ("start", "expand", "send", "send")
EXPANDING_S, SENDING_S = 0.15, 1.0
COMMITTED_S = 0.1  # for a server to finish what the dead had asked of it


@dataclass
class Campaign:
    """One install, killed `kills` times."""

    folder: Path
    database: str
    seed: int
    kills: int
    workers: int = 1
    recipients: int = 600  # on each of three channels
    tell: Callable[[str], None] = print
    hit: Counter[str] = field(default_factory=Counter)
    window: set[tuple[int, str]] = field(default_factory=set)
    killed: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    async def run(self) -> Account:
        async with sinks(self.folder / "sinks", delay_ms=5) as peers:
            own = settings(self.folder / "data", self.database, peers)
            daemon = Daemon(self.folder, own)
            try:
                await self._kill_first_starts(daemon)
                async with town(own, peers) as here:
                    await here.populate(self.recipients)
                    while self.killed < self.kills:
                        await self._kill_once(daemon, here)
                    result = await self._reckon(daemon, here)
            finally:
                await daemon.close()
        await verified(daemon)
        return result

    async def _kill_first_starts(self, daemon: Daemon) -> None:
        for _ in range(min(FIRST_STARTS, self.kills)):
            await daemon.start(self.workers, ready=False)
            await asyncio.sleep(self._rng.uniform(0.8, 2.5))
            await daemon.kill()
            self._note("first start", "all", 0)

    async def _kill_once(self, daemon: Daemon, here: Town) -> None:
        moment = MOMENTS[self.killed % len(MOMENTS)]
        starting = not daemon.alive
        if starting:
            await daemon.start(self.workers, ready=False)
        if moment == "start" and starting:
            await asyncio.sleep(self._rng.uniform(0.1, daemon.readied_after_s or 2.0))
        else:
            await daemon.ready()
            queued = (await here.counts())["queued"]  # what the dead hold is nobody's for a while
            if moment == "expand" or queued < self.recipients:  # a third of an alert
                await here.send()
            most = EXPANDING_S if moment == "expand" else SENDING_S
            await asyncio.sleep(self._rng.uniform(0, most))
        whom = await self._kill(daemon)
        await asyncio.sleep(COMMITTED_S)
        taken = await in_hand(here) - self.window
        self.window |= taken
        expanding = await here.tools.store.read(_expanding)
        now = "expanding" if expanding else "sending" if taken else "idle"
        self._note("starting" if moment == "start" and starting else now, whom, len(taken))

    async def _kill(self, daemon: Daemon) -> str:
        """Kill all, or with several processes sometimes one of them."""
        helpers = daemon.helpers()
        whom = self._rng.choice(("all", "parent", "helper")) if helpers else "all"
        if whom == "all":
            await daemon.kill()
        elif whom == "parent":
            await daemon.kill_parent()
        else:
            os.kill(self._rng.choice(helpers), signal.SIGKILL)
        return whom

    def _note(self, hit: str, whom: str, held: int) -> None:
        self.killed += 1
        self.hit[hit] += 1
        self.tell(f"kill {self.killed}/{self.kills}: {whom} while {hit}, {held} in hand")

    async def _reckon(self, daemon: Daemon, here: Town) -> Account:
        if not daemon.alive:
            await daemon.start(self.workers)
        await here.settled()
        status = await daemon.stop()
        result = await account(here, bound=len(self.window))
        if status != 0:
            result.faults.append(f"stopped with status {status}")
        kind = self.database.partition(":")[0]
        moments = ", ".join(f"{count} {name}" for name, count in sorted(self.hit.items()))
        self.tell(f"{kind}: {self.killed} kills ({moments}), seed {self.seed}: {result}")
        return result


def _expanding(conn: Connection) -> bool:
    return bool(pending(conn))
