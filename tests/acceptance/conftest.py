"""Installs with real processes, between sinks in a process of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.harness.account import Account, account, verified
from tests.acceptance.harness.daemon import Daemon
from tests.acceptance.harness.postgres import Postgres
from tests.acceptance.harness.sinks import Sinks, sinks
from tests.acceptance.harness.town import Town, settings, town


@dataclass
class Scene:
    """A town, the daemons that serve it, and the way to account for all of it at the end."""

    here: Town
    peers: Sinks
    daemon: Daemon
    node: Callable[..., Daemon]  # makes another one

    async def reckon(self, bound: int, *, went_back: bool = False) -> Account:
        """Wait until all is settled, stop the daemon, and hold everything against everything.

        Of a ledger that `went_back`, anchors may tell of entries that are gone.
        """
        await self.here.settled()
        assert await self.daemon.stop() == 0
        result = await account(self.here, bound)
        print(result)  # noqa: T201 - the figure is what this is for
        result.check()
        await verified(self.daemon, went_back=went_back)
        return result


class Scenes:
    """Makes scenes, and clears them away in the end."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self._folder = folder
        self._stack = stack

    async def make(
        self, database: str = "", *, people: int = 100, delay_ms: int = 5, **changes: Any
    ) -> Scene:
        folder, stack = self._folder, self._stack
        url = database or f"sqlite:///{folder}/alertd.db"
        peers = await stack.enter_async_context(sinks(folder / "sinks", delay_ms))

        def node(name: str, database: str = url) -> Daemon:
            own = settings(folder / "data", database, peers, **changes)
            made = Daemon(folder, own, name)
            stack.push_async_callback(made.close)
            return made

        daemon = node("alertd")
        here = await stack.enter_async_context(
            town(settings(folder / "data", url, peers, **changes), peers)
        )
        await here.populate(people)
        return Scene(here, peers, daemon, node)


@pytest.fixture
async def scenes(tmp_path: Path) -> AsyncIterator[Scenes]:
    async with AsyncExitStack() as stack:
        yield Scenes(tmp_path, stack)


@pytest.fixture
async def postgres() -> AsyncIterator[Postgres]:
    server = Postgres()
    try:
        await server.create()
        yield server
    finally:
        await server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/alertd.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.url()
