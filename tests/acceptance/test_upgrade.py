"""A newer node joins while an alert goes out: it brings the schema along, the older one goes on."""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection, text

from tests.acceptance.conftest import Scenes
from tests.acceptance.harness.account import account

NEWER = "9999"
CONFIG_ERROR = 78


async def test_an_older_node_goes_on_under_a_newer_schema_and_does_not_start_anew(
    scenes: Scenes, database: str
) -> None:
    scene = await scenes.make(database, people=150, delay_ms=20)
    await scene.daemon.start()
    await scene.here.send()
    await scene.here.until_done(30)
    own = await scene.here.tools.store.write(_upgrade)
    assert (await scene.here.counts())["queued"] > 0
    await scene.here.settled()
    assert await scene.daemon.stop() == 0
    await scene.daemon.start(ready=False)
    async with asyncio.timeout(20):
        assert await scene.daemon.ended() == CONFIG_ERROR
    assert "upgrade alertd first" in scene.daemon.logged()
    await scene.here.tools.store.write(_stamp, own)
    (await account(scene.here, bound=0)).check()


def _upgrade(conn: Connection) -> str:
    """Do what a later alertd may do to the busiest table; gives the schema that was there."""
    conn.execute(text("ALTER TABLE deliveries ADD COLUMN later INTEGER"))
    conn.execute(text("CREATE INDEX ix_deliveries_later ON deliveries (later)"))
    before: str = conn.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    _stamp(conn, NEWER)
    return before


def _stamp(conn: Connection, version: str) -> None:
    conn.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": version})
