"""A clock that jumps in the middle of a dispatch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, select

from alertd.app import App
from alertd.core.errors import Reason
from alertd.settings import embedded
from alertd.store.schema import attempts, versions
from tests.acceptance.conftest import Scene, Scenes
from tests.acceptance.harness.account import account, in_hand, verified

JUMP = timedelta(minutes=10)  # many leases, and twice what receivers of webhooks take


class JumpingClock:
    def __init__(self) -> None:
        self.off = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.off


@asynccontextmanager
async def serving(scene: Scene, clock: JumpingClock) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with App.open(embedded(scene.here.settings), clock) as app:
        task = asyncio.create_task(app.serve(stop))
        try:
            await app.ready.wait()
            yield
        finally:
            stop.set()
            await task


@pytest.mark.parametrize("jump", [JUMP, -JUMP], ids=["forward", "back"])
async def test_a_clock_that_jumps_loses_nobody_and_ends_nothing_early(
    scenes: Scenes, jump: timedelta
) -> None:
    scene = await scenes.make(people=150, delay_ms=30)
    clock = JumpingClock()
    async with serving(scene, clock):
        await scene.here.send()
        await scene.here.until_done(30)
        clock.off = jump
        held = await in_hand(scene.here)
        await _refused(scene)
        assert await scene.here.tools.store.read(_states) == ["active"]
        clock.off = timedelta(0)
        await scene.here.settled()
    result = await account(scene.here, bound=len(held))
    print(result)  # noqa: T201 - the figure is what this is for
    result.check()
    await verified(scene.daemon)


async def _refused(scene: Scene) -> None:
    """Wait until an endpoint has refused a signature for its time."""
    query = select(attempts.c.id).where(attempts.c.reason == Reason.CLOCK)
    async with asyncio.timeout(20):
        while not await scene.here.tools.store.read(lambda conn: conn.scalar(query)):
            await asyncio.sleep(0.1)


def _states(conn: Connection) -> list[str]:
    return list(conn.execute(select(versions.c.state)).scalars())
