"""PostgreSQL restarted, killed, paused, replaced; nodes suspended and cut off from it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy import Connection, func, select, text

from alertd.app import WITNESS_S
from alertd.core.errors import StoreBusy
from alertd.pipeline.lanes import is_held
from alertd.pipeline.record import Entry, record
from alertd.store.postgresql import POOL
from alertd.store.schema import attempts
from alertd.store.store import open_store
from tests.acceptance.conftest import Scene, Scenes
from tests.acceptance.harness.account import in_hand
from tests.acceptance.harness.daemon import Daemon
from tests.acceptance.harness.postgres import Postgres
from tests.acceptance.harness.proxy import Cable
from tests.acceptance.harness.town import LEASE_S

PAST_LEASE_S = LEASE_S + 2
DONE = "SELECT count(*) FROM deliveries WHERE handed_over AND channel <> 'feed'"


async def underway(scene: Scene) -> None:
    """Send an alert and return in the middle of it."""
    await scene.here.send()
    await scene.here.until_done(await scene.here.done() + 30)


@pytest.mark.parametrize(
    "how", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL], ids=["fast", "immediate", "killed"]
)
async def test_a_database_that_comes_back_finds_everything_kept(
    scenes: Scenes, postgres: Postgres, how: signal.Signals
) -> None:
    scene = await scenes.make(postgres.url(), people=150, delay_ms=20)
    await scene.daemon.start()
    await underway(scene)
    held = await in_hand(scene.here)
    await postgres.restart(how)
    await scene.reckon(bound=len(held))


async def test_a_database_that_pauses_for_longer_than_a_lease_loses_nothing(
    scenes: Scenes, postgres: Postgres
) -> None:
    scene = await scenes.make(postgres.url(), people=150, delay_ms=20)
    await scene.daemon.start()
    await underway(scene)
    held = await in_hand(scene.here)
    postgres.pause()
    await asyncio.sleep(PAST_LEASE_S)
    postgres.go_on()
    await scene.reckon(bound=len(held))


@pytest.fixture
async def standby(postgres: Postgres) -> AsyncIterator[Postgres]:
    """A synchronous one: what was committed is on both."""
    server = Postgres("127.0.0.2")
    try:
        await server.follow(postgres)
        await postgres.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await postgres.execute("SELECT pg_reload_conf()")
        yield server
    finally:
        await server.close()


async def test_dispatch_goes_on_at_the_standby_that_took_over(
    scenes: Scenes, postgres: Postgres, standby: Postgres
) -> None:
    both = f"{postgres.host}:{postgres.port},{standby.host}:{standby.port}"
    url = f"postgresql://postgres@{both}/alertd?target_session_attrs=primary"
    scene = await scenes.make(url, people=150, delay_ms=20)
    await scene.daemon.start()
    await underway(scene)
    held = await in_hand(scene.here)
    await postgres.stop(signal.SIGKILL)
    await standby.promote()
    await scene.reckon(bound=len(held))


@pytest.fixture
async def lagging(postgres: Postgres) -> AsyncIterator[Postgres]:
    """An asynchronous standby."""
    server = Postgres("127.0.0.2")
    try:
        await server.follow(postgres)
        yield server
    finally:
        await server.close()


async def test_outcomes_that_the_standby_lacked_are_found_missing_and_written_again(
    scenes: Scenes, postgres: Postgres, lagging: Postgres
) -> None:
    both = f"{postgres.host}:{postgres.port},{lagging.host}:{lagging.port}"
    url = f"postgresql://postgres@{both}/alertd?target_session_attrs=primary"
    scene = await scenes.make(url, people=200, delay_ms=100)
    await scene.daemon.start()
    await underway(scene)
    await lagging.execute("ALTER SYSTEM SET primary_conninfo = ''")
    await lagging.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(WITNESS_S + 1)
    done, held = await scene.here.done(), await in_hand(scene.here)
    assert done > int(str(await lagging.value(DONE)))
    await postgres.stop(signal.SIGKILL)
    await lagging.promote()
    await scene.reckon(bound=len(held), went_back=True)
    said = scene.daemon.logged()
    assert "deliveries.settled_again" in said
    assert "ledger.went_back" in said
    assert not await scene.here.tools.store.read(is_held)


async def test_a_server_without_a_free_connection_is_waited_for(scenes: Scenes) -> None:
    postgres = Postgres(options=["max_connections=7", "max_wal_senders=0"])
    try:
        await postgres.create()
        admin = await asyncpg.connect(postgres.url("postgres"))
        scene = await scenes.make(postgres.url(), people=100)
        await scene.daemon.start()
        await underway(scene)
        held = await in_hand(scene.here)
        taken = await _take_every_connection(postgres, admin)
        await asyncio.sleep(2)
        for connection in taken:
            await connection.close()
        await scene.reckon(bound=len(held))
        assert "TooManyConnections" in scene.daemon.logged()
    finally:
        await postgres.close()


@pytest.mark.chaos
async def test_a_node_that_has_every_connection_in_use_says_so_and_goes_on(
    postgres: Postgres,
) -> None:
    async with open_store(postgres.url()) as store:
        await store.migrate()
        busy = [asyncio.create_task(store.write(_sleep)) for _ in range(2 * POOL)]
        await asyncio.sleep(1)  # until each of them has its connection
        with pytest.raises(StoreBusy, match="every connection to the database is in use"):
            await store.write(_sleep)
        await asyncio.gather(*busy)
        assert await store.read(_attempts) == 0


@pytest.mark.chaos
async def test_a_session_that_no_timeout_ends_loses_its_locks_to_those_who_wait(
    postgres: Postgres,
) -> None:
    """As of a node that was cut off in the middle of a message."""
    async with open_store(postgres.url()) as store:
        await store.migrate()
        await store.write(_move_the_head)
        settings = {"application_name": "alertd"}
        cut_off = await asyncpg.connect(postgres.url(), server_settings=settings)
        await cut_off.execute("BEGIN")
        await cut_off.execute("SELECT * FROM marks FOR UPDATE")
        with pytest.raises(StoreBusy):
            await store.write(_move_the_head)
        await store.write(_move_the_head)
        assert cut_off.is_closed()


async def test_a_lone_node_that_slept_past_its_leases_counts_each_attempt_once(
    scenes: Scenes, postgres: Postgres
) -> None:
    scene = await scenes.make(postgres.url(), people=150, delay_ms=200)
    await scene.daemon.start()
    await underway(scene)
    scene.daemon.suspend()
    held = await in_hand(scene.here)
    await asyncio.sleep(PAST_LEASE_S)
    scene.daemon.resume()
    await scene.reckon(bound=len(held))


async def test_a_node_that_slept_past_its_leases_writes_nothing_late(
    scenes: Scenes, postgres: Postgres
) -> None:
    scene = await scenes.make(postgres.url(), people=300, delay_ms=40)
    sleeper = scene.node("sleeper")
    await _start_both(scene, sleeper)
    await underway(scene)
    sleeper.suspend()
    held = await in_hand(scene.here)
    await scene.here.settled()  # the other one took over
    written = await scene.here.tools.store.read(_attempts)
    sleeper.resume()
    await asyncio.sleep(2)
    assert await scene.here.tools.store.read(_attempts) == written
    assert await sleeper.stop() == 0
    await scene.reckon(bound=len(held))


async def test_a_node_cut_off_from_the_database_is_replaced_and_comes_back(
    scenes: Scenes, postgres: Postgres
) -> None:
    async with Cable(postgres.host, postgres.port) as cable:
        scene = await scenes.make(postgres.url(), people=300, delay_ms=40)
        far = f"postgresql://postgres@127.0.0.1:{cable.port}/alertd"
        cut_off = scene.node("cut-off", far)
        await _start_both(scene, cut_off)
        await underway(scene)
        cable.cut()
        held = await in_hand(scene.here)
        await scene.here.settled()
        cable.mend()
        await asyncio.sleep(1)
        before = len(cut_off.logged())
        await scene.here.send()
        await scene.here.settled()
        assert "deliveries.settled" in cut_off.logged(since=before)
        assert await cut_off.stop() == 0
        await scene.reckon(bound=len(held))


async def _take_every_connection(
    postgres: Postgres, admin: asyncpg.Connection
) -> list[asyncpg.Connection]:
    """Break every other connection, and be there first."""
    taken = [admin]
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    while True:
        try:
            taken.append(await asyncpg.connect(postgres.url("postgres")))
        except asyncpg.TooManyConnectionsError:
            return taken


async def _start_both(scene: Scene, other: Daemon) -> None:
    await asyncio.gather(scene.daemon.start(), other.start())


def _move_the_head(conn: Connection) -> None:
    record(conn, Entry("person:1", "alert.edited"), at=datetime.now(UTC))


def _sleep(conn: Connection) -> None:
    conn.execute(text("SELECT pg_sleep(12)"))  # longer than a connection is waited for


def _attempts(conn: Connection) -> int:
    """Count what nodes wrote, besides what providers reported."""
    query = select(func.count()).select_from(attempts).where(attempts.c.number > 0)
    return int(conn.scalar(query) or 0)
