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


class Steps:
    """Compares the clock that tells the time with the one that only goes on."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._ahead = self._difference()

    async def look(self) -> None:
        """Let what was put off by a clock that ran ahead be due now, if it was set back since."""
        before, self._ahead = self._ahead, self._difference()
        if before - self._ahead < LEAST:
            return
        now = self._tools.clock()
        count = await self._tools.store.write(
            bring_forward, now=to_micros(now), beyond=to_micros(now + LONGEST_PAUSE)
        )
        back_s = (before - self._ahead).total_seconds()
        log.warning("clock.set_back", seconds=round(back_s), due_again=count)

    def _difference(self) -> timedelta:
        since_epoch = timedelta(microseconds=to_micros(self._tools.clock()))
        return since_epoch - timedelta(seconds=time.monotonic())
