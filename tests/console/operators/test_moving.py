"""What moves by itself goes on moving, whatever becomes of the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from alertd.console.officials import running
from alertd.core.delivery import State
from alertd.pipeline import lanes
from alertd.tools import Tools
from tests.console.conftest import COOKIE, Browser, Desk, desk_at
from tests.web.conftest import Deliver

MARK = "window.untouched = true"
MAIL = "[data-bar$='.email'] .stack"
WHOLE = "1000"


@dataclass
class Wire:
    """What lies between browser and console: it may be cut, or swallow what a stream says."""

    to: int
    port: int = 0
    silent: bool = False
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Refuse new connections, and drop those that there are."""
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            beyond = await asyncio.open_connection("127.0.0.1", self.to)
            if self._server is None or not self._server.is_serving():  # cut meanwhile
                writer.transport.abort()
                beyond[1].transport.abort()
                return
            self._open |= {writer, beyond[1]}
            await asyncio.gather(self._ask(reader, beyond[1]), self._answer(beyond[0], writer))

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        streams = False
        with suppress(OSError):
            while data := await reader.read(65536):
                streams = streams or b"text/event-stream" in data
                if not (streams and self.silent):
                    writer.write(data)
        writer.close()


@pytest.fixture
async def wire(tools: Tools, operator: Browser) -> AsyncIterator[tuple[Wire, Desk]]:
    async with desk_at(tools) as desk:
        between = Wire(urlsplit(desk.url).port or 0)
        await between.mend()
        desk.url = f"http://127.0.0.1:{between.port}"
        desk.token = operator.cookies[COOKIE]
        yield between, desk
        await between.cut()


@pytest.fixture
async def live_page(
    wire: tuple[Wire, Desk], alert_id: str, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> Page:
    """Show an exercise that is going out, with one mail that waits."""
    monkeypatch.setattr(running, "EVERY_S", 0.1)
    await deliver("feed")
    page = await wire[1].open()
    await page.clock.install()
    await page.goto(f"/alerts/{alert_id}")
    await expect(page.locator(MAIL)).to_have_count(1)
    await page.evaluate(MARK)
    return page


async def follow(page: Page, deliver: Deliver, state: State, was: State = State.QUEUED) -> None:
    """Let the mail come to a state, and see the bar that says so fill."""
    await deliver("email", state, was)
    part = page.locator(f"{MAIL} .{state}")
    for _ in range(40):
        if await part.count() and await part.get_attribute("width") == WHOLE:
            break
        await page.clock.run_for(500)
        await asyncio.sleep(0.25)
    await expect(part).to_have_attribute("width", WHOLE)


async def is_at_rest(page: Page) -> None:
    """The page was never loaded anew, and asks for nothing any more."""
    await expect(page.locator("[data-live][data-moves]")).to_have_count(0)
    assert await page.evaluate("window.untouched")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.clock.run_for(20_000)
    await asyncio.sleep(0.5)
    assert asked == []


async def test_bars_move_by_a_stream_until_all_is_confirmed(
    live_page: Page, deliver: Deliver
) -> None:
    asked: list[str] = []
    live_page.on("request", lambda request: asked.append(request.url))
    await follow(live_page, deliver, State.SENT)
    for _ in range(3):  # nothing changes, and yet the stream is heard of
        await asyncio.sleep(2)
        await live_page.clock.run_for(15_000)
    assert not [each for each in asked if each.endswith("/progress")]
    await follow(live_page, deliver, State.DELIVERED, State.SENT)
    await is_at_rest(live_page)


@pytest.mark.timeout(60)
async def test_bars_move_on_once_a_lost_connection_is_back(
    live_page: Page, wire: tuple[Wire, Desk], deliver: Deliver
) -> None:
    await follow(live_page, deliver, State.SENT)
    await wire[0].cut()
    await asyncio.sleep(1)
    await wire[0].mend()
    await follow(live_page, deliver, State.DELIVERED, State.SENT)
    await is_at_rest(live_page)


async def test_bars_are_asked_for_where_a_stream_is_refused(
    live_page: Page, deliver: Deliver
) -> None:
    """As a proxy does whose daemon is starting anew: browsers give such a stream up for good."""
    await live_page.route("**/events", lambda route: route.fulfill(status=502))
    await live_page.reload()
    await live_page.evaluate(MARK)
    await follow(live_page, deliver, State.SENT)
    await follow(live_page, deliver, State.DELIVERED, State.SENT)
    await is_at_rest(live_page)


async def test_bars_are_asked_for_once_a_stream_has_fallen_silent(
    live_page: Page, wire: tuple[Wire, Desk], deliver: Deliver
) -> None:
    await follow(live_page, deliver, State.SENT)
    wire[0].silent = True
    await asyncio.sleep(1)
    await live_page.clock.run_for(31_000)
    await follow(live_page, deliver, State.DELIVERED, State.SENT)


async def test_the_board_renews_itself_after_a_lost_connection(
    tools: Tools, wire: tuple[Wire, Desk]
) -> None:
    page = await wire[1].open()
    await page.clock.install()
    await page.goto("/board")
    await page.evaluate(MARK)
    await wire[0].cut()
    async with page.expect_event("requestfailed"):
        await page.clock.run_for(6000)
    await wire[0].mend()
    await tools.store.write(lanes.set_state, "sms", "sms", lanes.CLOSED)
    await page.clock.run_for(6000)
    await expect(page.get_by_text("Paused by an operator")).to_be_visible()
    assert await page.evaluate("window.untouched")
