"""More sending processes on one machine: each leases its own work, so nothing is divided up."""

import asyncio
import contextlib
import multiprocessing
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from multiprocessing.process import BaseProcess

import structlog

log = structlog.get_logger(__name__)

RESTART_S = 1.0  # between the death of a process and its successor
_SPAWN = multiprocessing.get_context("spawn")  # a fork would share database connections


@asynccontextmanager
async def helped_by(count: int, work: Callable[[], None], patience_s: float) -> AsyncIterator[None]:
    """Keep `count` processes at `work` (picklable); at the end stop them and wait."""
    keepers = [asyncio.create_task(_keep(work, n, patience_s)) for n in range(count)]
    try:
        yield
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)


async def _keep(work: Callable[[], None], number: int, patience_s: float) -> None:
    while True:
        process = _SPAWN.Process(target=work, name=f"alertd-send-{number}", daemon=True)
        process.start()
        try:
            await _ended(process)
        finally:
            await asyncio.shield(_stop(process, patience_s))
        log.critical("process.died", number=number, status=process.exitcode)
        await asyncio.sleep(RESTART_S)


async def _ended(process: BaseProcess) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(process.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process.sentinel)


async def _stop(process: BaseProcess, patience_s: float) -> None:
    process.terminate()
    await asyncio.to_thread(process.join, patience_s)
    if process.is_alive():
        process.kill()
        await asyncio.to_thread(process.join)


def stop_signal() -> asyncio.Event:
    """Give the event of a helping process: set on SIGTERM, and when its parent is gone."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which tells us
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            parent.join()
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                loop.call_soon_threadsafe(stop.set)

        threading.Thread(target=watch, name="alertd-parent", daemon=True).start()
    return stop
