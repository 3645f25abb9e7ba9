"""What officials do with an alert, and what a reader outside sees of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from playwright.async_api import Page, Request, expect

from alertd.demo.twilio import Sms
from tests.console.journeys.form import Look
from tests.console.journeys.people import Person

APPROVERS = ("police", "prosecutor", "activation")
NOBODY: dict[str, set[str]] = {"sms": set(), "email": set(), "webhook": set()}

_NONE_WAITS = re.compile(r" 0$")
_LINK = re.compile(r"http://127\.0\.0\.1:\d+/a/\S+")
_RECORD = """
  window.widths = new Set();
  new MutationObserver(() => {
    for (const bar of document.querySelectorAll("[data-bar$='.sms'] .stack .delivered"))
      window.widths.add(Number(bar.getAttribute("width")));
  }).observe(document, { subtree: true, childList: true, attributes: true });
"""


async def approve(person: Person, alert: str, role: str, look: Look) -> None:
    """Open what waits, prove oneself, read what would go out, and approve it."""
    page = person.page
    await page.goto(f"/alerts/{alert}")
    await look(page, f"alert-{role}")
    await page.locator(f"a[href$='/approve/{role}']").click()
    await person.prove_again()
    await look(page, f"approve-{role}")
    if await page.locator("[name=typed]").count():  # of an actual alert: the case
        case = await page.locator("h1").inner_text()
        await page.fill("[name=typed]", case.rpartition(": ")[2])
    if await page.locator("[name=reference]").count():
        await page.fill("[name=reference]", "EX 1/2026")
    await page.locator(".confirm button.primary").click()
    await expect(page.locator(".toast")).to_be_visible()


async def record_bars(page: Page) -> list[Request]:
    """Note from now on how wide the bars of the text messages are, and what the page asks for."""
    asked: list[Request] = []

    def note(request: Request) -> None:
        asked.append(request)

    page.on("request", note)
    await page.add_init_script(_RECORD)
    return asked


async def seen_moving(page: Page, asked: Sequence[Request]) -> None:
    """The bars of an alert that has just gone out fill by server-sent events alone."""
    whole = page.locator("[data-bar$='.sms'] .stack .delivered[width='1000']")
    await expect(whole).to_have_count(1, timeout=20_000)
    widths = await page.evaluate("[...window.widths]")
    assert widths == sorted(widths)
    assert len(widths) > 2, widths
    assert [each.resource_type for each in asked].count("eventsource") == 1
    assert not [each.url for each in asked if each.url.endswith("/progress")]


async def until_sent(page: Page, *channels: str) -> None:
    """See on the alert's page that nothing of its newest message waits."""
    for name in channels:
        waiting = page.locator(f"[data-bar$='.{name}'] .key-planned").first
        await expect(waiting).to_have_text(_NONE_WAITS, timeout=20_000)


async def end(person: Person, alert: str, look: Look) -> None:
    page = person.page
    await page.goto(f"/alerts/{alert}")
    await page.locator("a[href$='/end']").click()
    await person.prove_again()
    await look(page, "end-reasons")
    await page.locator("a[href$='reason=found']").click()
    await page.fill("[name=why]", "Fictional, and for a test.")
    await look(page, "end")
    await page.locator(".confirm button.primary").click()
    await expect(page.locator(".toast")).to_be_visible()
    await look(page, "ended")


def link_in(texts: Sequence[Sms]) -> str:
    """Give the address that a text message names."""
    found = _LINK.search(texts[-1].body)
    assert found
    return found[0]


async def in_the_feeds(reader: Page, text: str, folder: str = "/feeds") -> bool:
    """Tell whether the feeds of where a reader is hold a text; all of them or none."""
    public = re.sub(r"(:\d+)/.*", r"\1", reader.url)
    found = set()
    for name in ("rss.xml", "atom.xml", "feed.json"):
        answer = await reader.request.get(f"{public}{folder}/{name}")
        found.add(text in await answer.text())
    assert len(found) == 1
    return found.pop()
