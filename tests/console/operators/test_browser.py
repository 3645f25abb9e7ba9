"""Operators at a real browser: what axe-core says, the keyboard alone, zoom."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import expect
from sqlalchemy import insert, select, update

from alertd.core.delivery import State
from alertd.pipeline import lanes
from alertd.store.schema import alarms, attempts, audit, deliveries, link_tests
from alertd.tools import Tools
from tests.conftest import FakeClock
from tests.console.chromium import views
from tests.console.conftest import COOKIE, Browser, Desk, desk_at
from tests.console.gallery import Gallery
from tests.web.conftest import Deliver, Submit

A4 = 718  # px between the margins of a sheet that browsers set by themselves


@pytest.fixture
async def desk(
    tools: Tools, operator: Browser, alert_id: str, deliver: Deliver
) -> AsyncIterator[Desk]:
    """A console over plain HTTP with a failing channel, a dead letter and an alarm."""
    await deliver("feed")
    await deliver("email", State.DEAD)
    await tools.store.write(_trouble, tools.clock())
    async with desk_at(tools) as made:
        made.token = operator.cookies[COOKIE]
        yield made


def _trouble(conn: Any, now: Any) -> None:
    lanes.learn(
        conn,
        {"email": lanes.LaneNews("email", failures=lanes.TRIP_AFTER)},
        int(now.timestamp() * 1_000_000),
    )
    _attempts(conn, int(now.timestamp() * 1_000_000))
    row = {"channel": "email", "at": now, "took_us": 51_000, "detail": ""}
    conn.execute(insert(link_tests).values(**row, passed=False, reason="refused_connection"))
    sound = {**row, "channel": "sms", "detail": "200"}
    conn.execute(insert(link_tests).values(**sound, passed=True, reason=""))
    for kind, subject in {
        "channel_paused": "email",
        "stage_late": "EX-2026-0009 1 approval police",
        "not_started": "EX-2026-0009 sms 3",
    }.items():
        conn.execute(insert(alarms).values(kind=kind, subject=subject, raised_at=now))


def _attempts(conn: Any, now: int) -> None:
    """Write two tries of the mail: nobody answered, and then the peer refused it."""
    number = conn.scalar(select(deliveries.c.id).where(deliveries.c.channel == "email").limit(1))
    made = {"delivery_id": number, "provider_ref": "", "node": "example", "batch": 0}
    tries = (("unsent", "timeout", ""), ("undeliverable", "rejected", "550 5.7.1"))
    for count, (result, reason, detail) in enumerate(tries, 1):
        at = {"started_at": now, "finished_at": now + 51_000}
        said = {"number": count, "result": result, "reason": reason, "detail": detail}
        conn.execute(insert(attempts).values(**made, **at, **said))


async def _worse(tools: Tools, submit: Submit, clock: FakeClock) -> None:
    """Let an actual alert wait too long for its approvals, on a held ledger that was changed."""
    await submit(status="actual", case_reference="2026/0412", not_a_duplicate_because="Fictional.")
    clock.tick(minutes=16)
    await tools.store.write(lanes.set_state, lanes.EVERYTHING, lanes.EVERYTHING, lanes.CLOSED)
    await tools.store.write(
        lambda conn: conn.execute(update(audit).where(audit.c.seq == 9).values(actor="alertd"))
    )


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
async def test_axe_finds_nothing_and_nothing_is_cut_off(  # noqa: PLR0917 - fixtures
    tools: Tools,
    desk: Desk,
    paths: dict[str, str],
    submit: Submit,
    clock: FakeClock,
    language: str,
    size: tuple[int, int],
) -> None:
    gallery = Gallery("operators", language, size)
    page = await desk.open(language, size)
    for name, path in paths.items():
        await gallery.visit(page, name, path)
    await page.goto("/dead-letters")
    await page.locator("[name=chosen]").first.check()
    await page.locator("form[action$=preview] button.primary").click()
    await gallery.look(page, "requeue")
    await _worse(tools, submit, clock)
    for name in ("board-late", "release-held", "audit-changed"):
        await gallery.visit(page, name, gallery.pages[name])
    assert await page.get_by_text("Δεν επαληθεύ" if language == "el" else "does not verify").count()
    gallery.finish()
    await page.goto(paths["report"])
    await page.set_viewport_size({"width": A4, "height": 1040})
    await page.emulate_media(media="print")
    assert await page.evaluate("document.documentElement.scrollWidth") == A4
    assert await page.locator("thead").first.evaluate("(e) => e.offsetHeight") > 1


async def test_the_report_is_printed_on_a4_and_keeps_headings_with_their_tables(
    desk: Desk, paths: dict[str, str]
) -> None:
    page = await desk.open()
    await page.goto(paths["report"])
    printed = await page.pdf(prefer_css_page_size=True)
    sheets = re.findall(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", printed)
    assert {(round(float(width)), round(float(height))) for width, height in sheets} == {(595, 842)}
    await page.emulate_media(media="print")
    stays = "[...document.querySelectorAll('main :is(h2, h3, caption, thead)')].map("
    stays += "(e) => getComputedStyle(e).breakAfter)"
    assert set(await page.evaluate(stays)) == {"avoid"}
    assert await page.get_by_text("with your browser").is_hidden()


async def test_nothing_moves_for_whoever_asked_for_that(desk: Desk) -> None:
    page = await desk.open()
    await page.goto("/board")
    await page.evaluate(
        "document.querySelector('main').innerHTML += '<p class=stage-failed></p>"
        "<svg class=stack><rect/></svg>'"
    )
    styles = "['.stage-failed', '.stack rect'].map(at => document.querySelector(at))"
    styles += ".map(getComputedStyle).flatMap(e => [e.animationName, e.transitionDuration])"
    assert await page.evaluate(styles) == ["none", "0s", "none", "0s"]
    await page.emulate_media(reduced_motion="no-preference")
    assert await page.evaluate(styles) == ["alarm", "0s", "none", "0.4s, 0.4s"]


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


async def test_the_board_renews_itself_and_tells_how_many_alarms_stand(
    desk: Desk, tools: Tools
) -> None:
    page = await desk.open()
    await page.clock.install()
    await page.goto("/board")
    await tools.store.write(lanes.set_state, "sms", "sms", lanes.CLOSED)
    one_less = update(alarms).where(alarms.c.subject == "email").values(ended_at=tools.clock())
    await tools.store.write(lambda conn: conn.execute(one_less))
    await page.clock.run_for(6000)
    await expect(page.get_by_text("Paused by an operator")).to_be_visible()
    await expect(page.get_by_role("status")).to_have_text("2 alarms")
    assert await page.title() == "2 alarms · Board · alertd"


async def test_a_stage_that_was_late_and_is_done_asks_for_nobody(desk: Desk) -> None:
    page = await desk.open()
    await page.emulate_media(reduced_motion="no-preference")
    await page.goto("/board")
    await page.evaluate(
        "document.querySelector('main').innerHTML +="
        " '<p class=stage-failed></p><p class=\"stage-failed stage-over\"></p>'"
    )
    blinks = "[...document.querySelectorAll('.stage-failed')]"
    blinks += ".map(e => getComputedStyle(e).animationName)"
    assert await page.evaluate(blinks) == ["alarm", "none"]
