"""Keeps the mirror going: follows the public sequence, and tries again until it is done."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

from alertd.core.errors import Busy, StoreError
from alertd.pipeline.dispatch import DISPATCHES
from alertd.publishing.mirror import Mirror
from alertd.publishing.press import Press
from alertd.publishing.purges import HookFailed
from alertd.store.store import Store

log = structlog.get_logger(__name__)

LOOK_S = 1.0  # between two looks at the sequence
LONGEST_S = 30.0  # between two tries of what fails


class MirrorWorker:
    """Two loops: files, and what the purge hook is told."""

    def __init__(self, store: Store, press: Press, mirror: Mirror) -> None:
        self._store = store
        self._press = press
        self._mirror = mirror
        self._done = -1  # the sequence that the folder shows

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._files())
            tasks.create_task(self._purges())

    async def _files(self) -> NoReturn:
        woken = self._store.listen(DISPATCHES, watch=True)
        pause = LOOK_S
        while True:
            done = await self._tried("files", self._follow)
            pause = LOOK_S if done else min(2 * pause, LONGEST_S)
            woken.clear()
            await _first(woken, self._mirror.changed, within=pause)

    async def _purges(self) -> NoReturn:
        pause = LOOK_S
        await self._tried("purge", self._mirror.purges.send)  # what a crash left behind
        while True:
            await self._mirror.purges.waiting.wait()
            if await self._tried("purge", self._mirror.purges.send):
                pause = LOOK_S
                continue
            self._mirror.purges.waiting.set()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_S)

    async def _follow(self) -> None:
        if self._mirror.changed.is_set():
            self._mirror.changed.clear()
            self._done = -1
        sequence = await self._press.sequence()
        if sequence == self._done:
            await self._mirror.follow_time()
            return
        await self._mirror.follow()
        self._done = sequence

    async def _tried(self, what: str, do: Callable[[], Awaitable[None]]) -> bool:
        try:
            await do()
            await self._mirror.succeed(what, *(["takedown"] if what == "files" else []))
        except (Busy, StoreError) as error:
            log.warning("mirror.postponed", what=what, error=type(error).__name__)
            return False
        except (OSError, HookFailed) as error:
            await self._alarm(what, error)
            return False
        return True

    async def _alarm(self, what: str, error: Exception) -> None:
        try:
            await self._mirror.fail(what, error)
        except StoreError as away:
            log.warning("mirror.postponed", what=what, error=type(away).__name__)


async def _first(*events: asyncio.Event, within: float) -> None:
    """Wait until one of the events is set, or the time is over."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
