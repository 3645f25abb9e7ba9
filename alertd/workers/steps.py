"""Notices that this machine's clock was set back, and mends what waits for a time that is not."""

import time
from datetime import timedelta

import structlog

from alertd.core.delivery import LONGEST_PAUSE
from alertd.pipeline.deliver import bring_forward
from alertd.store.schema import to_micros
from alertd.tools import Tools

log = structlog.get_logger(__name__)

LEAST = timedelta(seconds=5)  # smaller steps are what keeps a clock right
AFTERMATH_S = 30.0  # in which outcomes may still be written that were decided before the step


class Steps:
    """Compares the clock that tells the time with the one that only goes on."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._ahead = self._difference()
        self._until = 0.0  # on the monotonic clock

    async def look(self) -> None:
        """Let what was put off by a clock that ran ahead be due now, if it was set back since."""
        before, self._ahead = self._ahead, self._difference()
        if before - self._ahead >= LEAST:
            log.warning("clock.set_back", seconds=round((before - self._ahead).total_seconds()))
            self._until = time.monotonic() + AFTERMATH_S
        if time.monotonic() > self._until:
            return
        now = self._tools.clock()
        count = await self._tools.store.write(
            bring_forward, now=to_micros(now), beyond=to_micros(now + LONGEST_PAUSE)
        )
        if count:
            log.warning("clock.brought_forward", count=count)

    def _difference(self) -> timedelta:
        since_epoch = timedelta(microseconds=to_micros(self._tools.clock()))
        return since_epoch - timedelta(seconds=time.monotonic())
