"""The public listener in a process of its own, and the mirror beside the one that sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from alertd.app import App
from alertd.settings import Settings, embedded


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return embedded(
        {
            "data_dir": str(tmp_path / "var"),
            "api": {"port": 0},
            "public": {"port": 0},
            "mirror": {"folder": str(tmp_path / "www")},
            "channels": {"feed": {}},
        }
    )


@asynccontextmanager
async def running(app: App, run: Callable[[asyncio.Event], Any]) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(run(stop))
    try:
        async with asyncio.timeout(30):
            await app.ready.wait()
            yield
    finally:
        stop.set()
        await task


async def test_one_process_sends_and_another_publishes(settings: Settings, tmp_path: Path) -> None:
    files = tmp_path / "www"
    async with (
        App.open(settings) as sender,
        App.open(settings) as public,
        running(sender, lambda stop: sender.serve(stop, public=False)),
        running(public, public.publish),
        aiohttp.ClientSession() as session,
    ):
        assert set(sender.ports) == {"api"}
        assert set(public.ports) == {"public"}
        here = f"http://127.0.0.1:{public.ports['public']}"
        for path in ("/", "/feeds/rss.xml", "/state.json", "/readyz"):
            async with session.get(here + path) as answer:
                assert answer.status == 200
        while not (files / "state.json").exists():
            await asyncio.sleep(0.05)
    assert "ειδοποιήσεις" in (files / "index.html").read_text()
