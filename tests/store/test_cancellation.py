"""Whoever gives up waiting for a write takes nobody else down."""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection, insert, select

from alertd.store.schema import marks
from alertd.store.store import Store


def put(conn: Connection, name: str) -> str:
    conn.execute(insert(marks).values(name=name, value="x"))
    return name


def there(conn: Connection, name: str) -> bool:
    return conn.scalar(select(marks.c.value).where(marks.c.name == name)) is not None


async def test_cancelled_writes_leave_the_store_at_work(store: Store) -> None:
    waiting = [asyncio.create_task(store.write(put, f"n{n}")) for n in range(20)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    given_up = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in given_up} <= {asyncio.CancelledError, str}
    async with asyncio.timeout(10):
        assert await store.write(put, "after") == "after"
    assert await store.read(there, "after")
