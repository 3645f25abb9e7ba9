"""A restored ledger sends nothing until an operator lets it."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest

from alertd.core.errors import ConfigError
from alertd.demo.peer import Fault
from alertd.pipeline.hold import held, release
from alertd.pipeline.lanes import is_held
from alertd.settings import Settings
from alertd.store.backup import backup
from alertd.tools import CONSOLE
from tests.dispatch.conftest import Peers, Town, make_officials, running


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


async def test_a_copy_made_at_work_is_whole_and_private(town: Town, tmp_path: Path) -> None:
    await town.populate(3)
    sending = asyncio.create_task(town.send())
    copy = tmp_path / "copy.db"
    await backup(f"sqlite:///{tmp_path}/alertd.db", copy)
    await sending
    assert copy.stat().st_mode & 0o077 == 0
    assert sqlite3.connect(copy).execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_copy_never_overwrites_a_file(town: Town, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.touch()
    with pytest.raises(ConfigError, match="stands already"):
        await backup(f"sqlite:///{tmp_path}/alertd.db", copy)


async def test_an_old_copy_is_held_and_names_what_it_would_send(
    settings: Settings, peers: Peers, tmp_path: Path
) -> None:
    ledger, copy = tmp_path / "alertd.db", tmp_path / "copy.db"
    async with running(settings) as app:
        town = Town(app, app.tools, peers, await make_officials(app.tools))
        await town.populate(1)
        peers.webhooks.next(Fault(status=503, headers={"Retry-After": "30"}))
        alert_id = await town.send()
        await peers.smtp.wait_for(1)
        await backup(settings.database.url, copy)
        await town.submit(case_reference="EX-2026-0002", not_a_duplicate_because="a test")
    _restore(copy, ledger)
    arrived = peers.webhooks.inbox.count

    async with running(settings) as app:
        tools = app.tools
        assert await tools.store.read(is_held)
        waiting = await tools.store.read(held, tools.clock())
        assert [(row.alert_id, row.kind) for row in waiting] == [(alert_id, "alert")]
        await asyncio.sleep(0.3)
        assert peers.webhooks.inbox.count == arrived
        await release(tools, CONSOLE)
        assert not await tools.store.read(is_held)


async def test_an_ordinary_restart_holds_nothing(settings: Settings, peers: Peers) -> None:
    for _ in range(2):
        async with running(settings) as app:
            assert not await app.tools.store.read(is_held)


async def test_a_crash_before_any_anchor_holds_nothing(settings: Settings, peers: Peers) -> None:
    from alertd.app import App  # noqa: PLC0415

    async with App.open(settings) as app:
        await make_officials(app.tools)
    async with App.open(settings) as app:
        assert not await app.tools.store.read(is_held)


def _restore(copy: Path, ledger: Path) -> None:
    for left in ledger.parent.glob("alertd.db*"):
        left.unlink()
    shutil.copy(copy, ledger)
