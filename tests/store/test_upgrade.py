"""The schema is brought up to date while an alert is going out: nothing of it is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from alembic import command
from sqlalchemy import Connection, text

from alertd.store.migrate import config
from alertd.store.store import Store, open_store
from tests.store.conftest import Ledger

OLDER = "0005"  # a schema that installs had


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """Give a ledger as an older alertd left it."""
    async with open_store(store_url) as opened:
        await opened.write(_make_older)
        yield opened


def _make_older(conn: Connection) -> None:
    if conn.dialect.name == "postgresql":  # whose databases are copies of one that is up to date
        conn.execute(text("DROP SCHEMA public CASCADE"))
        conn.execute(text("CREATE SCHEMA public"))
    command.upgrade(config(conn), OLDER)


async def test_what_an_older_node_has_in_hand_is_settled_after_a_newer_one_upgraded(
    ledger: Ledger, store_url: str
) -> None:
    await ledger.recipients(5)
    dispatch = await ledger.dispatch(await ledger.alert())
    await ledger.expand(chunk=3)
    in_hand = await ledger.lease(2, by="older")
    async with open_store(store_url) as newer:
        await newer.migrate()
    assert await ledger.settle(in_hand, by="older") == 2
    rest = await ledger.lease(by="newer")
    assert len(rest) == 3
    await ledger.settle(rest, by="newer")
    assert await ledger.states(dispatch) == {"delivered": 5}
