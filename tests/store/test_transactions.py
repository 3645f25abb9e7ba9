"""The store's promises, on both databases."""

import asyncio
import secrets

import pytest
from sqlalchemy import Connection, insert, select

from alertd.core.errors import ConfigError
from alertd.store.schema import marks
from alertd.store.store import Store, open_store, wake


def put(conn: Connection, name: str, *, fail: bool = False) -> str:
    conn.execute(insert(marks).values(name=name, value="x"))
    if fail:
        raise ValueError(name)
    return name


def names(conn: Connection) -> list[str]:
    return list(
        conn.scalars(select(marks.c.name).where(marks.c.value == "x").order_by(marks.c.name))
    )


async def test_a_write_gives_what_its_function_returns_and_is_read_afterwards(store: Store) -> None:
    assert await store.write(put, "a") == "a"
    assert await store.read(names) == ["a"]


async def test_one_failing_write_of_many_takes_only_itself_down(store: Store) -> None:
    writes = [store.write(put, f"n{i:02}", fail=i == 7) for i in range(30)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [i for i, r in enumerate(results) if isinstance(r, ValueError)] == [7]
    assert await store.read(names) == [f"n{i:02}" for i in range(30) if i != 7]


async def until_it_listens(store: Store, store_url: str) -> None:
    """Wait for the connection that hears of other nodes: its beginning wakes everybody."""
    ready = store.listen("ready", watch=True)
    async with open_store(store_url) as elsewhere, asyncio.timeout(5):
        while not ready.is_set():
            await elsewhere.write(wake, "ready")
            await elsewhere.write(put, secrets.token_hex(4))
            await asyncio.sleep(0.02)


async def test_a_commit_wakes_the_listeners_of_its_topic_alone(
    store: Store, store_url: str
) -> None:
    await until_it_listens(store, store_url)
    mine, other = store.listen("mine"), store.listen("other")

    def work(conn: Connection) -> None:
        put(conn, "a")
        wake(conn, "mine")

    await store.write(work)
    await asyncio.wait_for(mine.wait(), 5)
    assert not other.is_set()


async def test_a_failed_write_wakes_nobody(store: Store, store_url: str) -> None:
    await until_it_listens(store, store_url)
    event = store.listen("mine")

    def work(conn: Connection) -> None:
        wake(conn, "mine")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await store.write(work)
    await store.write(put, "a")
    assert not event.is_set()


async def test_another_process_hears_of_a_commit_on_postgresql(postgres_url: str) -> None:
    async with open_store(postgres_url) as here, open_store(postgres_url) as there:
        event = there.listen("mine")
        await here.write(lambda conn: wake(conn, "mine"))
        await asyncio.wait_for(event.wait(), 5)


async def test_a_newer_schema_is_refused(store: Store) -> None:
    await store.write(
        lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    )
    with pytest.raises(ConfigError, match="newer"):
        await store.migrate()


async def test_an_unknown_database_is_refused_by_name_of_the_key() -> None:
    with pytest.raises(ConfigError, match=r"database\.url"):
        async with open_store("mysql://x"):
            pass
