"""SIGTERM ends what is in flight within the deadline and gives the rest back, untried."""

from __future__ import annotations

import asyncio
import os
import time

from sqlalchemy import Connection, func, select

from alertd.store.schema import attempts, deliveries
from tests.acceptance.conftest import Scenes
from tests.acceptance.harness.account import CHANNELS, in_hand
from tests.acceptance.harness.postgres import Postgres

DRAIN_S, CLOSING_S = 2, 8  # as the settings say; what Python and two shared cores may add


async def test_a_stopped_daemon_repeats_nothing_and_goes_on_where_it_was(
    scenes: Scenes, database: str
) -> None:
    scene = await scenes.make(database, people=300, delay_ms=60)
    await scene.daemon.start()
    await scene.here.send()
    await scene.here.until_done(60)
    assert await scene.daemon.stop() == 0
    counts = await scene.here.counts()
    arrived = sum(len(scene.peers.lines(channel)) for channel in CHANNELS)
    assert counts["leased"] == 0
    assert 0 < counts["queued"] == 900 - arrived
    assert await scene.here.tools.store.read(_tried_and_queued) == 0
    assert '"status": 503' not in scene.daemon.logged()  # a provider's report got its answer
    await scene.daemon.start()
    await scene.reckon(bound=0)


async def test_a_peer_that_hangs_keeps_no_daemon_from_stopping(scenes: Scenes) -> None:
    scene = await scenes.make(people=100, delay_ms=20)
    await scene.daemon.start()
    await scene.here.send()
    await scene.here.until_done(20)
    scene.peers.suspend()
    began = time.monotonic()
    status = await scene.daemon.stop()
    took_s = time.monotonic() - began
    scene.peers.resume()
    assert status == 0
    assert took_s < DRAIN_S + CLOSING_S
    held = await in_hand(scene.here)
    await scene.daemon.start()
    await scene.reckon(bound=len(held))


async def test_a_database_that_is_away_keeps_no_daemon_from_stopping(
    scenes: Scenes, postgres: Postgres
) -> None:
    scene = await scenes.make(postgres.url(), people=100, delay_ms=20)
    await scene.daemon.start()
    await scene.here.send()
    await scene.here.until_done(20)
    await postgres.stop()
    await asyncio.sleep(0.5)
    began = time.monotonic()
    await scene.daemon.stop()
    assert time.monotonic() - began < DRAIN_S + CLOSING_S
    await postgres.start()
    held = await in_hand(scene.here)
    await scene.daemon.start()
    await scene.reckon(bound=len(held))


async def test_a_helping_process_drains_and_ends_with_its_parent(scenes: Scenes) -> None:
    scene = await scenes.make(people=300, delay_ms=30)
    await scene.daemon.start(workers=2)
    async with asyncio.timeout(20):
        while "alertd.sending" not in scene.daemon.logged():
            await asyncio.sleep(0.05)
    await scene.here.send()
    await scene.here.until_done(60)
    helpers = scene.daemon.helpers()
    await scene.daemon.kill_parent()
    held = await in_hand(scene.here)
    async with asyncio.timeout(DRAIN_S + CLOSING_S):
        while any(_lives(pid) for pid in helpers):
            await asyncio.sleep(0.05)
    assert len(helpers) == 1
    await scene.daemon.start()
    await scene.reckon(bound=len(held))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _tried_and_queued(conn: Connection) -> int:
    """Count attempts at what is still queued: giving back is no attempt."""
    query = (
        select(func.count())
        .select_from(deliveries.outerjoin(attempts, attempts.c.delivery_id == deliveries.c.id))
        .where(
            deliveries.c.state == "queued",
            (deliveries.c.attempts > 0) | attempts.c.id.is_not(None),
        )
    )
    return int(conn.scalar(query) or 0)
