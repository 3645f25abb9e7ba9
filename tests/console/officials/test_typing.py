"""The form at a real browser: nothing typed is lost, focus is where it is wrong."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from io import BytesIO

import pytest
from aiohttp.test_utils import TestServer
from PIL import Image
from playwright.async_api import Page, Route, expect

from alertd.console.app import add_console
from alertd.pipeline import sessions
from alertd.settings import embedded
from alertd.tools import Tools
from alertd.watch.watcher import Watcher
from alertd.web import make_api_app
from tests.console.chromium import DESKTOP, chromium, open_page
from tests.console.conftest import COOKIE, Browser, Desk, SignIn
from tests.console.officials.conftest import begin, freshen, post_step
from tests.web.conftest import Submit

NAME, AGE, HAIR = (f"[name='children.0.{name}']" for name in ("name", "age", "hair"))
PASTE = """(data) => {
  const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([bytes], "example.png", { type: "image/png" }));
  document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
}"""


@dataclass
class Call:
    """An official at a form, and how its pages are reached."""

    page: Page
    browser: Browser
    form: str

    async def open(self, step: str) -> None:
        await self.page.goto(f"{self.form}/{step}")

    async def value(self, field: str) -> str:
        return await self.page.input_value(field)


@pytest.fixture
async def call(tools: Tools, signed_in: SignIn) -> AsyncIterator[Call]:
    browser = await signed_in("submitter")
    form = await begin(browser)
    app = make_api_app(tools)
    local = replace(tools, console_url="http://127.0.0.1")
    add_console(app, local, {"watcher": Watcher(local, embedded().watch)})
    async with TestServer(app) as server, chromium() as opened:
        url = f"http://127.0.0.1:{server.port}"
        cookie = ("alertd_session", browser.cookies[COOKIE])
        yield Call(await open_page(opened, url, cookie, "en", DESKTOP), browser, form)


async def test_what_was_typed_without_a_connection_is_there_when_the_page_is_opened_again(
    call: Call,
) -> None:
    await call.open("who")
    await call.page.context.set_offline(True)
    await call.page.fill(HAIR, "Brown, long (fictional)")
    await expect(call.page.locator("[data-saved]")).to_have_class("saved lost")
    await call.page.context.set_offline(False)
    await call.open("who")
    assert await call.value(HAIR) == "Brown, long (fictional)"

    await call.page.context.set_offline(True)
    await call.page.fill(NAME, "Example")
    await call.page.locator("button[value=next]").click()
    await call.page.wait_for_url("chrome-error://**")
    await call.page.context.set_offline(False)
    await call.open("who")
    assert await call.value(NAME) == "Example"


async def test_what_was_typed_before_the_script_had_come_is_saved(call: Call) -> None:
    asked, came = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        asked.set()
        await came.wait()
        await route.continue_()

    await call.page.route("**/officials.js*", late)
    await call.page.goto(f"{call.form}/who", wait_until="commit")
    await asked.wait()
    await call.page.fill(NAME, "Example")
    came.set()
    await expect(call.page.locator("[data-notice]")).to_contain_text("Example")
    await call.page.unroute("**/officials.js*")
    await call.open("who")
    assert await call.value(NAME) == "Example"


async def test_a_link_waits_for_what_was_just_typed(call: Call) -> None:
    await call.open("who")
    await call.page.fill(HAIR, "Brown")
    await call.page.locator("a[href$='/seen']").click()
    await call.page.wait_for_url("**/seen")
    await call.open("who")
    assert await call.value(HAIR) == "Brown"
    assert await call.page.evaluate("sessionStorage.length") == 0


async def test_focus_and_a_pasted_picture_go_where_they_belong(call: Call) -> None:
    await call.open("who")
    await call.page.fill(NAME, "Example")
    await call.page.fill(AGE, "nine")
    await call.page.locator("button[value=add-children]").click()
    await expect(call.page.locator(AGE)).to_be_focused()
    await call.page.focus("[name='children.1.name']")
    picture = BytesIO()
    Image.new("RGB", (40, 50), "#a0b0c0").save(picture, "PNG")
    await call.page.evaluate(PASTE, b64encode(picture.getvalue()).decode())
    chosen = "[...document.querySelectorAll('[name^=upload]')].map((each) => each.files.length)"
    assert await call.page.evaluate(chosen) == [0, 1]


async def test_a_map_that_holds_a_circle_already_answers(call: Call) -> None:
    circle = [("area.circle.centre", "38.0, 23.7"), ("area.circle.radius_km", "20")]
    await post_step(call.browser, f"{call.form}/area", circle)
    await call.open("area")
    assert await call.page.evaluate(
        "document.querySelector('svg.map ellipse').ry.baseVal.value > 0"
    )
    await call.page.locator("[data-codes=GR-D]").click()
    await expect(call.page.locator("[name='area.regions'][value=GR-D]")).to_be_checked()


async def test_what_a_confirmation_says_outlasts_the_second_factor_and_no_page_beyond(
    desk: Desk, signed_in: SignIn, submit: Submit
) -> None:
    alert, prosecutor = await submit(status="actual"), await signed_in("prosecutor")
    await freshen(desk.tools, prosecutor)
    page = await desk.open(person=prosecutor)
    confirmation = f"/alerts/{alert}/approve/prosecutor"
    await page.goto(confirmation)
    await page.get_by_label("Reference of the order").fill("EX 1/2026")
    await page.get_by_label("Type the case reference").fill("EX-2026-0001")
    await stale(desk.tools, prosecutor)
    await page.locator("form.confirm button.primary").click()
    await page.wait_for_url("**/again?to=**")
    await freshen(desk.tools, prosecutor)
    await page.goto(confirmation)
    await expect(page.get_by_label("Reference of the order")).to_have_value("EX 1/2026")
    await expect(page.get_by_label("Type the case reference")).to_have_value("")
    await page.get_by_label("Type the case reference").fill("EX-2026-0001")
    await page.locator("form.confirm button.primary").click()
    await expect(page.locator(".toast")).to_be_visible()
    assert await page.evaluate("Object.keys(sessionStorage)") == []


async def stale(tools: Tools, browser: Browser) -> None:
    """Let the second factor have been given too long ago."""
    session = await sessions.find(tools, browser.cookies[COOKIE])
    assert session is not None
    await sessions.keep(tools, session.id, fresh_at=None)
