"""No page reads a big table from end to end: told by the databases' own plans."""

from __future__ import annotations

from alertd.tools import Tools
from tests.benchmarks.console import wrong_plans
from tests.benchmarks.scene import played
from tests.console.conftest import *  # noqa: F403 - the same ledger
from tests.web.conftest import both_databases

COUNT = 8_000


@both_databases
async def test_no_page_of_anybody_reads_a_big_table_whole(tools: Tools) -> None:
    async with played(tools, COUNT, entries=500, past=100) as scene:
        assert await wrong_plans(scene) == {}
