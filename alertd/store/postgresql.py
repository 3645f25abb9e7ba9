"""PostgreSQL: a pooled connection a transaction, wake-ups by NOTIFY."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self

import asyncpg
import structlog
from sqlalchemy import Connection, func, make_url, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from alertd.core.errors import StoreBusy
from alertd.store.migrate import upgrade
from alertd.store.store import P, T, Topics, Work, take_topics

CHANNEL = "alertd"
POOL = 8
KEEPALIVE_S = 10  # a dead LISTEN connection says nothing: ask it

log = structlog.get_logger()


class PostgresStore:
    """A ledger that any number of nodes share."""

    def __init__(self, engine: AsyncEngine, dsn: str) -> None:
        self._engine = engine
        self._dsn = dsn
        self._topics = Topics(asyncio.get_running_loop())
        self._listener = asyncio.create_task(self._listen_always(), name="alertd-listen")

    @classmethod
    async def open(cls, url: str) -> Self:
        parsed = make_url(url)
        engine = create_async_engine(
            parsed.set(drivername="postgresql+asyncpg"),
            pool_size=POOL,
            max_overflow=POOL,
            pool_timeout=10,
            pool_pre_ping=True,
            hide_parameters=True,  # a row may hold an address
            connect_args={"command_timeout": 60, "server_settings": {"timezone": "UTC"}},
        )
        dsn = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
        return cls(engine, dsn)

    async def write(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            async with self._engine.begin() as conn:
                result, topics = await conn.run_sync(
                    lambda sync: _run_and_notify(sync, lambda conn: work(conn, *args, **kwargs))
                )
        except Exception as error:
            raise _busy(error) from error
        self._topics.wake(topics)  # this process need not wait for the notification
        return result

    async def read(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            async with self._engine.connect() as plain:
                conn = await plain.execution_options(isolation_level="REPEATABLE READ")
                return await conn.run_sync(work, *args, **kwargs)
        except Exception as error:
            raise _busy(error) from error

    def listen(self, topic: str, *, watch: bool = False) -> asyncio.Event:
        return self._topics.listen(topic, watch=watch)

    async def migrate(self) -> None:
        await self.write(upgrade)

    async def close(self) -> None:
        self._listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listener
        await self._engine.dispose()

    async def _listen_always(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                log.warning("store.listen_lost", error=type(error).__name__)
            await asyncio.sleep(1)

    async def _listen_once(self) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=10)
        try:
            await connection.add_listener(CHANNEL, lambda *call: self._topics.wake({call[3]}))
            self._topics.wake_all()  # whatever was said while nobody listened
            while True:
                await asyncio.sleep(KEEPALIVE_S)
                await connection.fetchval("SELECT 1", timeout=5)
        finally:
            connection.terminate()


def _run_and_notify(conn: Connection, work: Callable[[Connection], T]) -> tuple[T, set[str]]:
    take_topics(conn)  # a rolled back transaction may have left some
    result = work(conn)
    topics = take_topics(conn)
    for topic in sorted(topics):
        conn.execute(select(func.pg_notify(CHANNEL, topic)))
    return result, topics


def _busy(error: Exception) -> Exception:
    """Give StoreBusy for whatever may pass: no connection, overload, deadlock, failover."""
    if isinstance(error, OSError | TimeoutError):
        return StoreBusy(f"the database is out of reach ({type(error).__name__})")
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        # 08 connection, 40 rollback, 53 resources, 55 locks, 57 shutdown, 25006 read-only standby
        if error.connection_invalidated or state[:2] in {"08", "40", "53", "55", "57"}:
            return StoreBusy(f"the database is out of reach ({state or 'connection lost'})")
        if state == "25006":
            return StoreBusy("the database is read-only: a standby answers")
    return error


# How the ledger's statements say what only PostgreSQL says so (see store.ledger).
SQL = {
    "skip_locked": "FOR UPDATE OF d SKIP LOCKED",
    "share": "FOR SHARE",
    "alone": "pg_try_advisory_xact_lock(hashtextextended(:name, 0))",
    "false": "FALSE",
    "channels": "(SELECT value FROM jsonb_array_elements_text(CAST(:names AS jsonb)) AS t(value))",
    "ids": "(SELECT value::bigint FROM jsonb_array_elements_text(CAST(:ids AS jsonb)) AS t(value))",
    "rows": "jsonb_array_elements(CAST(:rows AS jsonb)) AS t(value)",
    "int": "(value->>{n})::bigint",
    "text": "(value->>{n})",
    "bool": "(value->>{n})::boolean",
}
