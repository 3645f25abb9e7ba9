"""How a process of the daemon runs: its loop, its place beside others, its garbage.

A process that only sends imports this module and `alertd.node`, and none of the doors.
"""

import asyncio
import contextlib
import ctypes
import gc
import os
import sys
from collections.abc import Callable, Coroutine

from alertd import log
from alertd.node import Node
from alertd.settings import Settings
from alertd.workers.processes import stop_signal

NICE = 10  # of 19
M_MMAP_THRESHOLD = -3  # malloc.h
LARGE_BYTES = 128 * 1024


def run(job: Callable[[Settings], Coroutine[None, None, None]], settings: Settings) -> None:
    log.configure(settings.log)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(job(settings))


def give_way() -> None:
    """Let whoever sends on this machine go first: a rush of readers must not delay an alert."""
    os.nice(NICE)
    if sys.platform == "linux":  # and when it wakes, it takes the processor from nobody
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def send_along(settings: Settings) -> None:
    """Be one more process that sends; runs in a process of its own."""
    run(_send_along, settings)


async def _send_along(settings: Settings) -> None:
    stop = stop_signal()
    async with Node.open(settings) as node:
        settle_in()
        await node.work(stop)


def settle_in() -> None:
    """Take what start-up made out of the garbage collector's rounds: it stays for good.

    Half a million objects, gone through again for every few thousand deliveries, took a sixth
    of a sender's CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    with contextlib.suppress(AttributeError, OSError):  # no glibc: its heap does not grow so
        # Left alone, it takes the largest block ever freed as the measure of what to keep: 15 MiB
        # of holes after a hundred thousand deliveries.
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not there on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop
