"""Named background tasks whose failure is loud at once."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


def guard(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Start `work` as a task; a failure is logged when it happens, not when it is awaited."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell)
    return task


def _tell(task: asyncio.Task[None]) -> None:
    if task.cancelled():
        return
    if (error := task.exception()) is not None:
        log.critical(
            "task.failed", task=task.get_name(), error=type(error).__name__, exc_info=error
        )


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks and wait until they are gone.

    Asked again until they are: Python 3.11's `asyncio.wait_for`, which libraries use, may lose
    a cancellation that comes at the moment of its result.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1)
