"""Operators at a real browser: what axe-core says, the keyboard alone, zoom."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page, expect
from sqlalchemy import insert, select

from alertd.console.app import add_console
from alertd.core.delivery import State
from alertd.pipeline import lanes, sessions
from alertd.settings import embedded
from alertd.store.schema import alarms, deliveries, link_tests
from alertd.tools import Tools
from alertd.watch.watcher import Watcher
from alertd.web import make_api_app
from tests.console.chromium import (
    DESKTOP,
    chromium,
    faults,
    is_wider_than_its_window,
    open_page,
    shoot,
    views,
)
from tests.console.conftest import COOKIE, Browser
from tests.web.conftest import Deliver


@dataclass
class Desk:
    """Where an operator sits."""

    chromium: Chromium
    url: str
    token: str
    tools: Tools

    async def open(
        self, language: str = "en", size: tuple[int, int] = DESKTOP, **options: Any
    ) -> Page:
        session = await sessions.find(self.tools, self.token)
        assert session is not None
        await sessions.keep(self.tools, session.id, language=language)
        cookie = ("alertd_session", self.token)
        return await open_page(self.chromium, self.url, cookie, language, size, **options)


@pytest.fixture
async def desk(
    tools: Tools, operator: Browser, alert_id: str, deliver: Deliver
) -> AsyncIterator[Desk]:
    """A console over plain HTTP with a failing channel, a dead letter and an alarm."""
    await deliver("feed")
    await deliver("email", State.DEAD)
    await tools.store.write(_trouble, tools.clock())
    app = make_api_app(tools)
    local = replace(tools, console_url="http://127.0.0.1")
    add_console(app, local, {"watcher": Watcher(local, embedded().watch)})
    async with TestServer(app) as server, chromium() as opened:
        yield Desk(opened, f"http://127.0.0.1:{server.port}", operator.cookies[COOKIE], tools)


def _trouble(conn: Any, now: Any) -> None:
    lanes.learn(
        conn,
        {"email": lanes.LaneNews("email", failures=lanes.TRIP_AFTER)},
        int(now.timestamp() * 1_000_000),
    )
    row = {"channel": "email", "at": now, "took_us": 51_000, "detail": ""}
    conn.execute(insert(link_tests).values(**row, passed=False, reason="refused_connection"))
    sound = {**row, "channel": "sms", "detail": "200"}
    conn.execute(insert(link_tests).values(**sound, passed=True, reason=""))
    conn.execute(insert(alarms).values(kind="channel_paused", subject="email", raised_at=now))


@pytest.fixture
async def paths(tools: Tools, alert_id: str) -> dict[str, str]:
    number = await tools.store.read(
        lambda conn: conn.scalar(
            select(deliveries.c.id).where(deliveries.c.channel == "email").limit(1)
        )
    )
    return {
        "board": "/board",
        "channel": "/board/channel?lane=email",
        "log": "/log",
        "log-nothing": "/log?state=expired",
        "delivery": f"/log/{number}",
        "failed": "/dead-letters",
        "recipients": "/recipients",
        "recipient": "/recipients/1",
        "recipient-new": "/recipients/new",
        "audit": "/audit",
        "report": f"/alerts/{alert_id}/report",
        "release": "/release",
    }


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("language", "size"), views())
async def test_axe_finds_nothing_and_nothing_is_cut_off(
    desk: Desk, paths: dict[str, str], language: str, size: tuple[int, int]
) -> None:
    """In the dark nothing but colours is another: only they are looked at again."""
    found: dict[str, Any] = {}
    page = await desk.open(language, size)
    for name, path in paths.items():
        answer = await page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        for scheme, only in (("light", ()), ("dark", ("color-contrast",))):
            await page.emulate_media(color_scheme=scheme)
            await shoot(page, f"operators-{name}-{language}-{size[0]}-{scheme}")
            if problems := await faults(page, only):
                found[f"{name}, {scheme}"] = problems
        if await is_wider_than_its_window(page):
            found[f"{name}: width"] = "wider than its window"
    assert found == {}


async def test_pages_work_at_twice_the_size(desk: Desk, paths: dict[str, str]) -> None:
    page = await desk.open(size=(640, 400), device_scale_factor=2)  # 1280 wide, at 200 %
    for path in paths.values():
        await page.goto(path)
        assert not await is_wider_than_its_window(page), path


async def test_nothing_moves_for_whoever_asked_for_that(desk: Desk) -> None:
    page = await desk.open()
    await page.goto("/board")
    moving = "[...document.querySelectorAll('*')].filter(e => "
    moving += "getComputedStyle(e).animationName !== 'none').length"
    assert await page.evaluate(moving) == 0


async def test_the_keyboard_alone_pauses_a_channel(desk: Desk) -> None:
    page = await desk.open()
    await page.goto("/board/channel?lane=sms")
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.name") == "why":
            break
    await page.keyboard.type("Example by keyboard")
    await page.keyboard.press("Tab")
    outline = "getComputedStyle(document.activeElement).outlineWidth"
    assert await page.evaluate(outline) == "3px"
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("SMS was paused.")).to_be_visible()


async def test_the_board_renews_itself(desk: Desk, tools: Tools) -> None:
    page = await desk.open()
    await page.clock.install()
    await page.goto("/board")
    await tools.store.write(lanes.set_state, "sms", "sms", lanes.CLOSED)
    await page.clock.run_for(6000)
    await expect(page.get_by_text("Paused by an operator")).to_be_visible()
