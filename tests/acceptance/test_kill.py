"""What a machine that dies at any moment leaves behind: nobody missed, nothing unaccounted."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.harness.campaign import Campaign
from tests.acceptance.harness.postgres import Postgres

CAMPAIGNS, KILLS = 6, 26  # of the long form, on each database: more than 300 in all


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/alertd.db"
        return
    server = Postgres()
    try:
        await server.create()
        yield server.url()
    finally:
        await server.close()


def a_seed() -> int:
    """Give another one each time; ALERTD_TEST_SEED repeats what was printed."""
    return int(os.environ.get("ALERTD_TEST_SEED") or random.randrange(1_000_000))


@pytest.mark.timeout(180)
async def test_ten_kills_lose_nobody_and_repeat_no_more_than_was_in_hand(
    tmp_path: Path, database: str
) -> None:
    campaign = Campaign(tmp_path, database, a_seed(), kills=10, recipients=200)
    result = await campaign.run()
    result.check()


@pytest.mark.chaos
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(CAMPAIGNS))
async def test_hundreds_of_kills_lose_nobody_and_repeat_no_more_than_was_in_hand(
    tmp_path: Path, database: str, number: int
) -> None:
    """In every other campaign two processes send, and sometimes only one of them is killed."""
    workers = 1 + number % 2
    campaign = Campaign(tmp_path, database, a_seed(), kills=KILLS, workers=workers)
    result = await campaign.run()
    result.check()
