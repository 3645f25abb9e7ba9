"""`alertd serve` as an operator runs it: processes that can be killed, stopped and suspended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from alertd.demo.daemon import scrubbed, tail, write_config

READY_S = 60.0


class Daemon:
    """One `alertd serve` with its helping processes, all in a process group of their own."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], name: str = "alertd") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / f"{name}.toml"
        self.log = folder / f"{name}.log"
        write_config(self.config, settings)
        self.url = f"http://127.0.0.1:{settings['api']['port']}"
        self._process: asyncio.subprocess.Process | None = None
        self.readied_after_s = 0.0
        self._started = 0.0
        self._began_at = 0  # where its latest run begins in the log

    async def start(self, workers: int = 1, *, ready: bool = True) -> None:
        with self.log.open("ab") as log:
            self._began_at = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "alertd", "--config", str(self.config)),
                *("serve", "--workers", str(workers)),
                env=scrubbed(os.environ) | {"ALERTD_LOG__LEVEL": "info"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started = time.monotonic()
        if ready:
            await self.ready()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def ready(self) -> None:
        """Return once it serves; raises AssertionError with the end of its log if it cannot."""
        async with asyncio.timeout(READY_S):
            while self.alive:
                if '"alertd.serving"' in self.logged(since=self._began_at):
                    self.readied_after_s = time.monotonic() - self._started
                    return
                await asyncio.sleep(0.03)
        raise AssertionError(f"alertd did not start:\n{tail(self.log)}")

    async def kill(self) -> None:
        """kill -9, helping processes included: the machine died."""
        os.killpg(self.pid, signal.SIGKILL)
        await self.ended()

    async def kill_parent(self) -> None:
        """kill -9 the process that serves; those that help it are left to notice."""
        os.kill(self.pid, signal.SIGKILL)
        await self.ended()

    async def stop(self, patience_s: float = 30) -> int:
        """SIGTERM; gives the exit status."""
        os.kill(self.pid, signal.SIGTERM)
        async with asyncio.timeout(patience_s):
            return await self.ended()

    def suspend(self) -> None:
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.killpg(self.pid, signal.SIGCONT)

    async def close(self) -> None:
        """Leave nothing running, whatever the test did."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            await self.ended()

    async def ended(self) -> int:
        """Return once it has ended; gives the exit status."""
        assert self._process is not None
        return await self._process.wait()

    def helpers(self) -> list[int]:
        """Give the pids of its helping processes."""
        return [pid for pid in _group(self.pid) if pid != self.pid and _sends(pid)]

    def logged(self, since: int = 0) -> str:
        return self.log.read_bytes()[since:].decode(errors="replace")


def _group(leader: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if os.getpgid(int(entry.name)) == leader:
                found.append(int(entry.name))
    return found


def _sends(pid: int) -> bool:
    """Tell a helping process from the one that cleans up after multiprocessing."""
    with suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
