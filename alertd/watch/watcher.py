"""Looks at everything every few seconds, keeps what it saw, and raises the alarms."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from alertd.pipeline import lanes
from alertd.pipeline.jurisdiction import Sight
from alertd.sections import Watch
from alertd.tools import Tools
from alertd.watch.alarms import Alarm, conditions, judged_here, of_machine, settle, standing
from alertd.watch.board import DRAINING, Board, read_board
from alertd.watch.chain import ChainState
from alertd.watch.clocks import Clocks, StageClock
from alertd.watch.metrics import Measures, exposition
from alertd.watch.notify import tell_operators
from alertd.watch.switch import finish_drains
from alertd.watch.tallies import Tallies

log = structlog.get_logger(__name__)

AGAIN = timedelta(minutes=1)  # between two tries to tell somebody


@dataclass(slots=True)
class Watcher:
    """One process's eye on alertd; what it finds stands in the ledger, for all to see."""

    tools: Tools
    limits: Watch
    chain: ChainState = field(default_factory=ChainState)
    tallies: Tallies = field(default_factory=Tallies)
    clocks: list[StageClock] = field(default_factory=list)
    _clocks: Clocks | None = None
    _tried: dict[int, datetime] = field(default_factory=dict)

    async def look(self) -> None:
        """Take a turn: counters, drains, clocks, alarms, notices."""
        tools = self.tools
        await self.tallies.follow(tools)
        self.clocks = await self.read_clocks()
        board = await self.board()
        if any(channel.state == DRAINING and not channel.queued for channel in board.channels):
            await tools.store.write(finish_drains, board, tools.clock())
        found = await tools.store.read(conditions, board, self.clocks, self.chain, self.limits)
        found += of_machine(tools.channels.values(), board.as_of)
        known = await tools.store.read(standing)
        if self._nothing_new(found, [each for each in known if judged_here(each, board.as_of)]):
            return
        untold = await tools.store.write(settle, found, tools.clock())
        for alarm in untold:
            log.critical("alarm", kind=alarm.kind, subject=alarm.subject, alert=alarm.alert_id)
        if self.limits.notify:
            await tell_operators(tools, self._due(untold))

    async def board(self, sees: Sight | None = None) -> Board:
        rates = {name: each.pace.rate_per_s for name, each in self.tools.channels.items()}
        return await self.tools.store.read(read_board, rates, self.tools.clock(), sees)

    async def read_clocks(self) -> list[StageClock]:
        if self._clocks is None:
            self._clocks = Clocks(self.limits)
        return await self._clocks.read(self.tools)

    async def measures(self) -> bytes:
        """Give the page that Prometheus scrapes, as of now."""
        await self.tallies.follow(self.tools)
        board = await self.board()
        alarms = await self.tools.store.read(standing)
        return exposition(Measures(board, self.tallies, self.chain, alarms))

    async def faults(self) -> list[str]:
        """Give what readyz tells beside being ready."""
        found = []
        if self.chain.broken:
            found.append("the audit chain does not verify: no anchors are signed")
        if await self.tools.store.read(_held):
            found.append("an old copy of the ledger is held: nothing is sent until it is released")
        if of_machine(self.tools.channels.values(), self.tools.clock()):
            found.append("this machine's clock differs from those of its peers")
        return found

    @staticmethod
    def _nothing_new(found: list[Alarm], known: list[Alarm]) -> bool:
        told = all(alarm.told_at for alarm in known)
        return told and {(a.kind, a.subject) for a in found} == {(a.kind, a.subject) for a in known}

    def _due(self, untold: list[Alarm]) -> list[Alarm]:
        now = self.tools.clock()
        due = [x for x in untold if x.id not in self._tried or now - self._tried[x.id] >= AGAIN]
        self._tried = {x.id: now if x in due else self._tried[x.id] for x in untold}
        return due


def _held(conn: Connection) -> bool:
    return lanes.is_held(conn)
