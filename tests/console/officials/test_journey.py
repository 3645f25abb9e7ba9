"""Officials at a real browser, against a whole alertd: from the first question to the end."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO

import pytest
from PIL import Image
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page, expect

from alertd.pipeline import sessions
from alertd.pipeline.sessions import Factor, Stage
from alertd.settings import Settings
from tests.console.chromium import (
    SCREENS,
    chromium,
    faults,
    is_wider_than_its_window,
    open_page,
    shoot,
    views,
)
from tests.dispatch.conftest import Peers, Town, make_officials, peers, running, settings
from tests.factories import CRITERIA

__all__ = ["peers", "settings"]
APPROVERS = ("police", "prosecutor", "ngo")
ROLES = {"ngo": "activation"}
PEOPLE = 20  # on each channel


@dataclass
class Office:
    """Everybody at their own browser, in one language and size."""

    chromium: Chromium
    town: Town
    language: str
    size: tuple[int, int]

    async def enter(self, who: str) -> Page:
        """Give the browser of somebody who has just given both factors."""
        tools = self.town.tools
        number = self.town.officials[who].person_id
        token = await tools.store.write(
            sessions.open_session, number, Stage.FULL, Factor.TOTP, agent="test", at=tools.clock()
        )
        session = await sessions.find(tools, token)
        assert session is not None
        await sessions.keep(tools, session.id, language=self.language, fresh_at=tools.clock())
        url = f"http://127.0.0.1:{self.town.app.ports['api']}"
        cookie = ("alertd_session", token)
        return await open_page(self.chromium, url, cookie, self.language, self.size)

    async def look(self, page: Page, name: str) -> None:
        """Hold a page to what all of them must be, and keep pictures of it, dark and light."""
        for scheme in ("dark", "light") if SCREENS else ():
            await page.emulate_media(color_scheme=scheme)
            await shoot(page, f"officials-{name}-{self.language}-{self.size[0]}-{scheme}")
        assert not await is_wider_than_its_window(page), name
        assert await faults(page) == [], name


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
async def town(settings: Settings, peers: Peers) -> AsyncIterator[Town]:
    async with running(settings) as app:
        found = Town(app, app.tools, peers, await make_officials(app.tools))
        await found.populate(PEOPLE)
        yield found


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("language", "size"), views())
async def test_an_exercise_from_the_first_question_to_the_end(
    town: Town, language: str, size: tuple[int, int]
) -> None:
    async with chromium() as opened:
        office = Office(opened, town, language, size)
        alert = await _submit(office, await office.enter("submitter"))
        for who in APPROVERS:
            page = await office.enter(who)
            await _approve(office, page, alert, ROLES.get(who, who))
        await _watch(office, page)
        await _end(office, await office.enter("police"), alert)
        await expect(page.locator("[data-bar]").first).to_be_visible()


async def _submit(office: Office, page: Page) -> str:
    await page.goto("/submit?status=exercise")
    await office.look(page, "start")
    await page.locator("main form button.primary").click()
    await page.fill("[name='children.0.name']", "Παράδειγμα Παραδείγματος")
    await expect(page.locator("[data-notice]")).to_contain_text("Παραδείγματος")
    await page.fill("[name='children.0.age']", "9")
    await page.check("[name='children.0.sex'][value=female]")
    await page.fill("[name='children.0.hair']", "?")
    await _crop_a_photo(page)
    await office.look(page, "who")
    await _next(page)
    await page.fill("[name='last_seen.at.date']", "2026-01-02")
    await page.fill("[name='last_seen.at.time']", "10:30")
    await page.fill("[name='last_seen.place']", "Example Square")
    await page.fill("[name='circumstances']", "Fictional, for an exercise.")
    await office.look(page, "seen")
    await _next(page)
    await office.look(page, "with")
    await _next(page)
    await _draw_a_circle(page)
    await office.look(page, "area")
    await _next(page)
    await _criteria(page)
    await office.look(page, "criteria")
    await _next(page)
    await office.look(page, "check-gaps")
    await page.locator("form[action$='/check/unknown'] button").click()
    await office.look(page, "check")
    await page.locator("form[action$='/check/send'] button").click()
    await page.wait_for_url("**/alerts/*")
    await office.look(page, "sent")
    return page.url.rpartition("/")[2]


async def _crop_a_photo(page: Page) -> None:
    """Choose a photo, draw a frame on its left half, and keep that."""
    picture = BytesIO()
    Image.new("RGB", (400, 500), "#a0b0c0").save(picture, "PNG")
    file = {"name": "example.png", "mimeType": "image/png", "buffer": picture.getvalue()}
    await page.set_input_files("[name='upload.0']", [file])
    await page.locator("button[value=stay]").click()
    await page.locator("[data-crop] summary").click()
    stage = page.locator(".crop-stage")
    await stage.scroll_into_view_if_needed()
    box = await stage.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + 1, box["y"] + 1)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 1, steps=3)
    await page.mouse.up()
    await page.locator("button[value=crop-0]").click()
    await page.locator("[data-crop] summary").click()
    await expect(page.locator(".crop-stage img")).to_be_visible()
    size = await page.evaluate(
        "async () => { const i = document.querySelector('.crop-stage img');"
        " await i.decode(); return [i.naturalWidth, i.naturalHeight] }"
    )
    assert 150 < size[0] < 250 < size[1]


async def _draw_a_circle(page: Page) -> None:
    """Draw around Athens: the region it lies in is chosen by itself, another by a press."""
    await expect(page.locator(".regions-search")).to_be_visible()
    await page.locator("[data-tool=circle]").click()
    await page.locator("svg.map").scroll_into_view_if_needed()
    middle, edge = [
        await page.evaluate(
            """([lat, lon]) => {
              const svg = document.querySelector("svg.map");
              const { north, west, eastUnit } = svg.dataset;
              const at = new DOMPoint((lon - west) * eastUnit, (north - lat) * 500);
              const { x, y } = at.matrixTransform(svg.getScreenCTM());
              return [x, y];
            }""",
            place,
        )
        for place in ([37.98, 23.73], [37.98, 23.95])
    ]
    await page.mouse.move(*middle)
    await page.mouse.down()
    await page.mouse.move(*edge, steps=4)
    await page.mouse.up()
    await expect(page.locator("[name='area.regions'][value=GR-I]")).to_be_checked()
    await expect(page.locator("[name='area.circle.radius_km']")).not_to_have_value("")
    await expect(page.locator("[name='area.regions'][value=GR-B]")).not_to_be_checked()
    await page.locator("[data-codes=GR-D]").click()
    await expect(page.locator("[name='area.regions'][value=GR-D]")).to_be_checked()


async def _criteria(page: Page) -> None:
    for name in CRITERIA:
        await page.check(f"[name='criteria.{name}.met'][value=yes]")
        await page.fill(f"[name='criteria.{name}.reason']", "Fictional.")
    await page.fill("[name='case_reference']", "EX-2026/0001")
    await page.fill("[name='authority']", "Example Police (fictional)")


async def _next(page: Page) -> None:
    await page.locator("button[value=next]").click()
    await page.wait_for_load_state()


async def _approve(office: Office, page: Page, alert: str, role: str) -> None:
    await page.goto(f"/alerts/{alert}")
    await office.look(page, f"alert-{role}")
    await page.locator(f"a[href$='/approve/{role}']").click()
    await office.look(page, f"approve-{role}")
    if await page.locator("[name=reference]").count():
        await page.fill("[name=reference]", "EX 1/2026")
    await page.locator(".confirm button.primary").click()
    await expect(page.locator(".toast")).to_be_visible()


async def _watch(office: Office, page: Page) -> None:
    """See the bars fill by themselves."""
    bars = page.locator("[data-bar] .key-planned")
    await expect(bars.first).to_be_visible()
    for name in ("sms", "email", "webhook"):
        bar = page.locator(f"[data-bar$='.{name}'] .key-planned")
        await expect(bar).to_have_text(re.compile(r" 0$"), timeout=20_000)
    await office.look(page, "live")


async def _end(office: Office, page: Page, alert: str) -> None:
    await page.goto(f"/alerts/{alert}/end")
    await office.look(page, "end-reasons")
    await page.locator("a[href$='reason=found']").click()
    await page.fill("[name=why]", "Fictional, for an exercise.")
    await office.look(page, "end")
    await page.locator(".confirm button.primary").click()
    await expect(page.locator(".toast")).to_be_visible()
    await office.look(page, "ended")
