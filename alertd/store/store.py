"""The one way to the database: a transaction is a plain function of a connection.

    seq = await store.write(submit, request, now)      # def submit(conn, request, now): ...

The same function runs on both databases. It cannot await, so no transaction is ever held
across I/O. On SQLite one writer thread runs all writes of the process, several in one commit;
on PostgreSQL each write has a connection of the pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

from alertd.core.errors import ConfigError

P = ParamSpec("P")
T = TypeVar("T")
Work = Callable[Concatenate[Connection, P], T]


class Store(Protocol):
    """What both databases offer."""

    async def write(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in one durable transaction and give what it returns.

        Raises what `work` raises (nothing of it is kept), StoreBusy when the database is away.
        `work` may be run a second time when it shared a commit with one that failed.
        """
        ...

    async def read(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work`, which only reads, against a consistent snapshot."""
        ...

    def listen(self, topic: str, *, watch: bool = False) -> asyncio.Event:
        """Give an event that is set after each commit that called `wake(conn, topic)`.

        On SQLite, what other processes commit is noticed too where `watch` is set, whatever its
        topic. Wake-ups may be lost (a dead connection): poll behind it.
        """
        ...

    async def migrate(self) -> None:
        """Bring the schema to this version; raises ConfigError when it is newer than this code."""
        ...

    async def close(self) -> None: ...


_TOPICS = "alertd.topics"  # key in Connection.info: what to wake once committed


def wake(conn: Connection, topic: str) -> None:
    """Wake the listeners of `topic` once this transaction is durable."""
    conn.info.setdefault(_TOPICS, set()).add(topic)


def take_topics(conn: Connection) -> set[str]:
    """Give, and forget, what this transaction wants to wake."""
    topics: set[str] = conn.info.pop(_TOPICS, set())
    return topics


class Topics:
    """The events of one process's listeners; they may be woken from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._events: dict[str, list[asyncio.Event]] = {}
        self._watching: list[asyncio.Event] = []

    def listen(self, topic: str, *, watch: bool) -> asyncio.Event:
        event = asyncio.Event()
        self._events.setdefault(topic, []).append(event)
        if watch:
            self._watching.append(event)
        return event

    def wake(self, topics: Iterable[str]) -> None:
        for topic in topics:
            self._set(self._events.get(topic, ()))

    def wake_all(self) -> None:
        self.wake(list(self._events))

    def wake_watching(self) -> None:
        self._set(self._watching)

    def _set(self, events: Iterable[asyncio.Event]) -> None:
        for event in events:
            self._loop.call_soon_threadsafe(event.set)


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[Store]:
    """Open `sqlite:///path` or `postgresql://...`; raises ConfigError for anything else."""
    store: Store
    match url.partition("://")[0]:  # each imports this module, and one is enough to carry
        case "sqlite":
            from alertd.store.sqlite import SqliteStore  # noqa: PLC0415

            store = await SqliteStore.open(url)
        case "postgresql":
            from alertd.store.postgresql import PostgresStore  # noqa: PLC0415

            store = await PostgresStore.open(url)
        case _:
            raise ConfigError("database.url: give sqlite:///PATH or postgresql://...")
    try:
        yield store
    finally:
        await store.close()
