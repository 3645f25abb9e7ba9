"""SQLite: one writer thread a process, several transactions in one commit, readers beside it."""

from __future__ import annotations

import asyncio
import json
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self, cast

from sqlalchemy import ColumnElement, Connection, Engine, Select, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError

from alertd.core.errors import ConfigError, DiskFull, StoreBusy
from alertd.store.migrate import upgrade
from alertd.store.store import P, T, Topics, Work, take_topics

MIN_VERSION = (3, 35)  # RETURNING, UPDATE FROM
MAX_GROUP = 64  # transactions in one commit: bounds how long the first one waits
MAX_WAITING = 10_000  # transactions in the queue: beyond it callers are told to come again
WATCH_S = 0.1  # a look costs some 10 microseconds
TURN_S = 0.001  # between two tries to get the file from another process
BUSY_S = 20  # another process may hold the file this long

Job = tuple[Callable[[Connection], Any], Future[Any]]


class SqliteStore:
    """A ledger in one file, which several processes of one machine may share."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self._engine = engine
        self._topics = Topics(loop)
        self._jobs: queue.Queue[Job | None] = queue.Queue(MAX_WAITING)
        self._look_at = 0.0  # when other processes' commits are looked for again
        self._seen: int | None = None
        self._writer = threading.Thread(target=self._write_all, name="alertd-writer", daemon=True)
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="alertd-reader")

    @classmethod
    async def open(cls, url: str) -> Self:
        if sqlite3.sqlite_version_info < MIN_VERSION:
            need = ".".join(map(str, MIN_VERSION))
            raise ConfigError(f"SQLite {sqlite3.sqlite_version} is too old: {need} is needed")
        engine = create_engine(url, connect_args={"timeout": BUSY_S, "check_same_thread": False})
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        store = cls(engine, asyncio.get_running_loop())
        store._writer.start()
        return store

    async def write(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        done: Future[T] = Future()

        def run(conn: Connection) -> T:
            return work(conn, *args, **kwargs)

        try:
            self._jobs.put_nowait((run, done))
        except queue.Full:
            raise StoreBusy("too many writes are waiting for the disk") from None
        return await asyncio.wrap_future(done)

    async def read(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run() -> T:
            with self._engine.connect() as conn:
                return work(conn, *args, **kwargs)

        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._readers, run)
        except OperationalError as error:
            raise _busy(error) from error

    def listen(self, topic: str, *, watch: bool = False) -> asyncio.Event:
        return self._topics.listen(topic, watch=watch)

    async def migrate(self) -> None:
        await self.write(upgrade)

    async def close(self) -> None:
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        self._jobs.put(None)
        self._writer.join()
        self._readers.shutdown()
        self._engine.dispose()

    def _write_all(self) -> None:
        # One connection for good: what it sees of `data_version` are the others' commits alone.
        with self._engine.connect().execution_options(alertd_writes=True) as conn:
            while (job := self._next(conn)) is not None:
                group = [job]
                while len(group) < MAX_GROUP and not self._jobs.empty():
                    if (more := self._jobs.get()) is None:
                        self._jobs.put(None)
                        break
                    group.append(more)
                # Whoever gave up waiting is passed over; from here on they cannot any more.
                wanted = [job for job in group if job[1].set_running_or_notify_cancel()]
                if wanted:
                    self._write_group(conn, wanted)

    def _next(self, conn: Connection) -> Job | None:
        """Give the next transaction; meanwhile notice what other processes commit."""
        while True:
            if time.monotonic() >= self._look_at:
                self._look(conn)
            try:
                return self._jobs.get(timeout=WATCH_S)
            except queue.Empty:
                continue

    def _look(self, conn: Connection) -> None:
        self._look_at = time.monotonic() + WATCH_S
        try:
            raw = cast("sqlite3.Connection", conn.connection.driver_connection)
            (version,) = raw.execute("PRAGMA data_version").fetchone()
        except (sqlite3.Error, DBAPIError):
            return  # whoever writes next is told
        if self._seen not in (None, version):
            self._topics.wake_watching()
        self._seen = version

    def _write_group(self, conn: Connection, group: list[Job]) -> None:
        """Commit all of `group` at once; if one fails, run each again in its own commit.

        SQLite may roll the whole transaction back on an error (a full disk), so there is
        no keeping of the others by savepoints.
        """
        results, error = self._commit(conn, [work for work, _ in group])
        if error is None:
            for (_, done), result in zip(group, results, strict=True):
                done.set_result(result)
        elif len(group) == 1:
            group[0][1].set_exception(_busy(error))
        else:
            for job in group:
                self._write_group(conn, [job])

    def _commit(
        self, conn: Connection, works: list[Callable[[Connection], Any]]
    ) -> tuple[list[Any], Exception | None]:
        try:
            try:
                with conn.begin():
                    results = [work(conn) for work in works]
                topics = take_topics(conn)
            except BaseException:
                _discard(conn)
                raise
        except Exception as error:  # noqa: BLE001 - goes to whoever asked
            return [], error
        self._topics.wake(topics)
        return results, None


def _discard(conn: Connection) -> None:
    """Throw the connection away after a failure.

    The traceback keeps cursors alive, and a RETURNING that was not read to its end would make
    the next COMMIT fail.
    """
    take_topics(conn)
    raw = conn.connection.dbapi_connection
    if raw is not None:
        raw.rollback()
    conn.invalidate()


def _busy(error: Exception) -> Exception:
    if isinstance(error, OperationalError):
        code = getattr(error.orig, "sqlite_errorname", "")
        if code in DiskFull.CODES:
            return DiskFull(DiskFull.__doc__)
        if code.startswith(("SQLITE_BUSY", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")):
            busy = StoreBusy(f"the database cannot be written now ({code})")
            busy.__cause__ = error
            return busy
    if isinstance(error, DBAPIError):
        error.hide_parameters = True  # a row may hold an address
    return error


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's BEGIN is the only one
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",  # an erased address is overwritten, not only forgotten
        f"busy_timeout={BUSY_S * 1000}",
        "temp_store=MEMORY",
        "cache_size=-2000",  # KiB, of each connection; what is more is in the kernel's cache
        "journal_size_limit=67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(conn: Connection) -> None:
    # A write that began as a read can fail half-way with SQLITE_BUSY, whatever the timeout.
    if conn.get_execution_options().get("alertd_writes", False):
        _begin_write(conn)
    else:
        conn.exec_driver_sql("BEGIN")


def _begin_write(conn: Connection) -> None:
    """Wait for our turn at the file in short steps: SQLite's own grow to a tenth of a second."""
    conn.exec_driver_sql("PRAGMA busy_timeout = 0")
    until = time.monotonic() + BUSY_S
    while True:
        try:
            conn.exec_driver_sql("BEGIN IMMEDIATE")
            break
        except OperationalError as error:
            code = getattr(error.orig, "sqlite_errorname", "")
            if not code.startswith("SQLITE_BUSY") or time.monotonic() > until:
                raise
        time.sleep(TURN_S)
    conn.exec_driver_sql(f"PRAGMA busy_timeout = {BUSY_S * 1000}")


# How the ledger's statements say what only SQLite says so (see store.ledger).
SQL = {
    "skip_locked": "",  # the writer has the whole file
    "share": "",
    "alone": "1 WHERE :name IS NOT NULL",
    "false": "0",
    "channels": "(SELECT value FROM json_each(:names))",
    "classes": "(SELECT value FROM json_each(:classes))",
    "among": "IN (SELECT value FROM json_each(:ids))",
    "rows": "json_each(:rows)",
    "column": "",
    "field": "json_extract(value, '$[{n}]')",
    "int": "",
    "text": "",
    "bool": "",
}


def as_rows(rows: Sequence[Sequence[object]]) -> dict[str, object]:
    """Give the parameters that a batch travels in."""
    return {"rows": json.dumps(rows)}


def as_ids(ids: Sequence[int]) -> object:
    return json.dumps(ids)


def found_in(column: ColumnElement[int], wanted: Select[Any]) -> ColumnElement[bool]:
    return column.in_(wanted)
