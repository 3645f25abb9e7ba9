"""PostgreSQL: a pooled connection a transaction, wake-ups by NOTIFY."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import asyncpg
import structlog
from sqlalchemy import ColumnElement, Connection, Select, any_, event, func, select, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from alertd.core.errors import DiskFull, StoreBusy
from alertd.store.migrate import upgrade
from alertd.store.store import P, T, Topics, Work, take_topics

CHANNEL = "alertd"
POOL = 8
CONNECT_S = 10
KEEPALIVE_S = 10  # a dead LISTEN connection says nothing: ask it
IDLE_S = 1.0  # a connection that lay idle for so long is asked before it is used: three journeys
PREPARED = 300  # statements that a connection keeps ready: those of all pages and of the workers
# A node that hangs in the middle of a transaction must not keep its locks from the others
# for long. In the middle of a message it counts as busy, so idling is not all to be bounded.
_SESSION = {
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "4s",  # less than the shortest lease
    "statement_timeout": "20s",
    "lock_timeout": "5s",
    "application_name": "alertd",
    # All that we ask goes by key. Left to itself the planner reads all of a table that has filled
    # up within seconds, for it has no statistics of it yet, and all of the deliveries for an alert
    # of a few: it takes every dispatch to be of the average size.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # A node whose machine or network is gone without a word is noticed within 15 seconds.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
}
# Ends what no timeout of a session does: one that waits for the rest of a message.
_FENCE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND application_name = 'alertd'
  AND wait_event_type = 'Client' AND xact_start < clock_timestamp() - interval '4 seconds'
"""
LOCKED = "55P03"
_USED = "alertd.used"  # key of a pooled connection's info: when it was given back
_UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

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
        def connect() -> Any:  # as SQLAlchemy has it done where a statement cache has its own size
            driver: Any = engine.dialect.dbapi
            return driver.connect(
                async_creator_fn=partial(_connect, url), prepared_statement_cache_size=PREPARED
            )

        engine = create_async_engine(
            "postgresql+asyncpg://",
            creator=connect,
            pool_size=POOL,
            max_overflow=POOL,
            pool_timeout=10,
            pool_use_lifo=True,  # what was used last has its statements ready
            hide_parameters=True,  # a row may hold an address
        )
        event.listen(engine.sync_engine, "checkin", _stamp)
        event.listen(engine.sync_engine, "checkout", _require_alive)
        return cls(engine, url)

    async def write(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            async with self._engine.begin() as conn:
                result, topics = await conn.run_sync(
                    lambda sync: _run_and_notify(sync, lambda conn: work(conn, *args, **kwargs))
                )
        except Exception as error:
            raise await self._understood(error) from error
        self._topics.wake(topics)  # this process need not wait for the notification
        return result

    async def read(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            async with self._engine.connect() as plain:
                conn = await plain.execution_options(isolation_level="REPEATABLE READ")
                return await conn.run_sync(work, *args, **kwargs)
        except Exception as error:
            raise await self._understood(error) from error

    async def _understood(self, error: Exception) -> Exception:
        """Give what `error` means; leaves a server that has become a standby."""
        meaning = _busy(error)
        if isinstance(meaning, StandbyAnswers):
            await self._engine.dispose()
        if isinstance(error, DBAPIError) and _state(error) == LOCKED:
            await self._fence()
        return meaning

    async def _fence(self) -> None:
        """Take their locks from nodes that hang, or are cut off, in a transaction."""
        with contextlib.suppress(DBAPIError, PoolTimeout, *_UNREACHABLE):
            async with self._engine.begin() as conn:
                ended = await conn.scalar(text(_FENCE))
            log.warning("store.fenced", sessions=ended)

    def listen(self, topic: str, *, watch: bool = False) -> asyncio.Event:
        return self._topics.listen(topic, watch=watch)

    async def migrate(self) -> None:
        await self.write(_upgrade)

    async def close(self) -> None:
        self._listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listener
        await self._engine.dispose()

    async def _listen_always(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (*_UNREACHABLE, StoreBusy) as error:
                log.warning("store.listen_lost", error=type(error).__name__)
            await asyncio.sleep(1)

    async def _listen_once(self) -> None:
        connection = await _connect(self._dsn)
        try:
            await connection.add_listener(CHANNEL, lambda *call: self._topics.wake({call[3]}))
            self._topics.wake_all()  # whatever was said while nobody listened
            while True:
                await asyncio.sleep(KEEPALIVE_S)
                await connection.fetchval("SELECT 1", timeout=5)
        finally:
            connection.terminate()


def _upgrade(conn: Connection) -> None:
    """Take as long as it takes: another node may be at it, and the tables may be large."""
    for name in ("statement_timeout", "lock_timeout"):
        conn.execute(text(f"SET LOCAL {name} = 0"))
    for way in ("seqscan", "hashjoin", "mergejoin"):
        conn.execute(text(f"SET LOCAL enable_{way} = on"))
    upgrade(conn)


def _run_and_notify(conn: Connection, work: Callable[[Connection], T]) -> tuple[T, set[str]]:
    take_topics(conn)  # a rolled back transaction may have left some
    result = work(conn)
    topics = take_topics(conn)
    for topic in sorted(topics):
        conn.execute(select(func.pg_notify(CHANNEL, topic)))
    return result, topics


async def _connect(url: str) -> asyncpg.Connection:
    """Connect to the first of the URL's hosts that takes writes; raises StoreBusy."""
    try:
        return await asyncpg.connect(
            url,
            timeout=CONNECT_S,
            command_timeout=60,
            server_settings=_SESSION,
            target_session_attrs=None if "target_session_attrs=" in url else "primary",
        )
    except _UNREACHABLE as error:
        raise StoreBusy(f"the database is out of reach ({type(error).__name__})") from error


def _stamp(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info[_USED] = time.monotonic()


def _require_alive(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Have the pool connect anew where what was idle is gone."""
    idle = time.monotonic() - record.info.get(_USED, time.monotonic())
    if idle < IDLE_S and not connection.driver_connection.is_closed():
        return
    try:
        connection.ping()
    except Exception as error:
        raise InvalidatePoolError from error


class StandbyAnswers(StoreBusy):
    """The database is read-only: a standby answers."""


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _busy(error: Exception) -> Exception:
    """Give StoreBusy for whatever may pass: no connection, overload, deadlock, failover."""
    if isinstance(error, PoolTimeout):
        return StoreBusy("every connection to the database is in use")
    if isinstance(error, DBAPIError):
        state = _state(error)
        if state == "25006":
            return StandbyAnswers(StandbyAnswers.__doc__)
        if state in DiskFull.CODES:
            return DiskFull(DiskFull.__doc__)
        # 08 connection, 25P03 idled, 40 rollback, 53 resources, 55 locks, 57 shutdown
        passes = state == "25P03" or state[:2] in {"08", "40", "53", "55", "57"}
        if error.connection_invalidated or passes:
            return StoreBusy(f"the database is out of reach ({state or 'connection lost'})")
    elif isinstance(error, _UNREACHABLE):
        return StoreBusy(f"the database is out of reach ({type(error).__name__})")
    return error


# How the ledger's statements say what only PostgreSQL says so (see store.ledger).
SQL = {
    "skip_locked": "FOR UPDATE OF d SKIP LOCKED",
    "share": "FOR SHARE",
    "alone": "pg_try_advisory_xact_lock(hashtextextended(:name, 0))",
    "false": "FALSE",
    "channels": "(SELECT value FROM jsonb_array_elements_text(CAST(:names AS jsonb)) AS t(value))",
    "classes": "(SELECT value FROM jsonb_array_elements_text(CAST(:classes AS jsonb)) AS t(value))",
    "among": "= ANY(CAST(:ids AS bigint[]))",
    "rows": "unnest({columns}) AS given({names})",
    "column": "CAST(:c{n} AS {kind}[])",
    "field": "given.{name}",
    "int": "bigint",
    "text": "text",
    "bool": "boolean",
}


def as_rows(rows: Sequence[Sequence[object]]) -> dict[str, object]:
    """Give the parameters that a batch travels in."""
    return {f"c{n}": list(column) for n, column in enumerate(zip(*rows, strict=True))}


def as_ids(ids: Sequence[int]) -> object:
    return ids


def found_in(column: ColumnElement[int], wanted: Select[Any]) -> ColumnElement[bool]:
    # By IN it goes through the whole table where few fit.
    return column == any_(func.array(wanted.scalar_subquery()))
