"""An official's way through the form, as a phone call goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from io import BytesIO

from PIL import Image
from playwright.async_api import Page, expect

from tests.factories import CRITERIA

Look = Callable[[Page, str], Awaitable[None]]
"""Looks at a page under a name."""


async def submit(page: Page, status: str, child: str, case: str, look: Look) -> str:
    """Go from the start page to where an alert waits for approval; gives its id."""
    await page.goto("/")
    begin = "/submit?status=exercise" if status == "exercise" else "/submit"
    await page.locator(f"main a[href='{begin}']").click()
    await look(page, "start")
    await page.check(f"[name=status][value={status}]")
    await page.locator("main form button.primary").click()
    await _who(page, child)
    await look(page, "who")
    await _next(page)
    await page.fill("[name='last_seen.at.date']", "2026-01-02")
    await page.fill("[name='last_seen.at.time']", "10:30")
    await page.fill("[name='last_seen.place']", "Example Square")
    await page.fill("[name='circumstances']", "Fictional, and for a test.")
    await look(page, "seen")
    await _next(page)
    await look(page, "with")
    await _next(page)
    await _draw_a_circle(page)
    await look(page, "area")
    await _next(page)
    await _criteria(page, case)
    await look(page, "criteria")
    await _next(page)
    await look(page, "check-gaps")
    await page.locator("form[action$='/check/unknown'] button").click()
    await look(page, "check")
    await page.locator("form[action$='/check/send'] button").click()
    await page.wait_for_url("**/alerts/*")
    await look(page, "sent")
    return page.url.rpartition("/")[2]


async def _who(page: Page, child: str) -> None:
    await page.fill("[name='children.0.name']", child)
    await expect(page.locator("[data-notice]")).to_contain_text(child)
    await page.fill("[name='children.0.age']", "9")
    await page.check("[name='children.0.sex'][value=female]")
    await page.fill("[name='children.0.hair']", "?")
    await _photo(page)


async def _photo(page: Page) -> None:
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
    width, height = await size_of(page, ".crop-stage img")
    assert 150 < width < 250 < height


async def size_of(page: Page, picture: str) -> tuple[int, int]:
    """Give the pixels of a picture that has to be there."""
    await expect(page.locator(picture)).to_be_visible()
    width, height = await page.locator(picture).evaluate(
        "async (i) => { await i.decode(); return [i.naturalWidth, i.naturalHeight] }"
    )
    return width, height


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


async def _criteria(page: Page, case: str) -> None:
    for name in CRITERIA:
        await page.check(f"[name='criteria.{name}.met'][value=yes]")
        await page.fill(f"[name='criteria.{name}.reason']", "Fictional.")
    await page.fill("[name='case_reference']", case)
    await page.fill("[name='authority']", "Example Police (fictional)")


async def _next(page: Page) -> None:
    await page.locator("button[value=next]").click()
    await page.wait_for_load_state()


async def update(page: Page, alert: str, **changes: str) -> None:
    """Change something of the first child in an alert that is out, and send that for approval."""
    await page.goto(f"/alerts/{alert}")
    await page.locator("form[action$='/update'] button").click()
    await page.locator("a.change-step[href$='/who']").click()
    for name, value in changes.items():
        await page.fill(f"[name='children.0.{name}']", value)
    await page.locator("button[value=to-check]").click()
    await page.locator("form[action$='/check/send'] button").click()
    await page.wait_for_url(f"**/alerts/{alert}")
