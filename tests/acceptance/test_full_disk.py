"""A disk that takes nothing more: refused clearly, nothing broken, and on it goes afterwards."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import aiohttp

from alertd.pipeline import persons
from alertd.tools import CONSOLE
from tests.acceptance.conftest import Scenes
from tests.acceptance.harness.account import in_hand
from tests.acceptance.harness.daemon import Daemon
from tests.factories import alert_facts, child_facts


@contextmanager
def full_disk(daemon: Daemon) -> Iterator[None]:
    """Let no file of this process grow, its log included."""
    free, most = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (1, most))
    try:
        yield
    finally:
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (free, most))


async def test_a_full_disk_refuses_alerts_and_loses_none(scenes: Scenes) -> None:
    scene = await scenes.make(people=150, delay_ms=30)
    person_id = scene.here.officials["submitter"].person_id
    minted = await persons.mint(
        scene.here.tools, CONSOLE, person_id, label="test", lifetime=timedelta(days=1)
    )
    await scene.daemon.start()
    await scene.here.send()
    await scene.here.until_done(30)
    with full_disk(scene.daemon):
        status, problem = await _submit(scene.daemon.url, minted.token)
        await asyncio.sleep(1)
        held = await in_hand(scene.here)
    assert (status, problem["title"]) == (507, "The disk is full: call the operator")
    await scene.reckon(bound=len(held))


async def _submit(url: str, token: str) -> tuple[int, dict[str, str]]:
    facts = alert_facts(
        datetime.now(UTC),
        case_reference="EX-2026-9999",
        children=[child_facts(name="Example Another")],
        vehicle=None,
    )
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{url}/api/v1/alerts", json=facts) as response,
    ):
        return response.status, await response.json(content_type=None)
