"""What an alert's pages say of where it stands, beside an update and after its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import pytest

from alertd.pipeline.versions import latest
from alertd.tools import Tools
from tests.console.conftest import Browser
from tests.console.officials.conftest import APPROVERS, Submitted, fields_of, fill, freshen
from tests.factories import child_facts, make_alert

Out = Callable[[], Awaitable[str]]


@pytest.fixture
def out(tools: Tools, officials: Mapping[str, Browser], submitted: Submitted) -> Out:
    """Submit an actual alert and let all approve it; gives its page."""

    async def run() -> str:
        page = await submitted(make_alert(tools.clock(), status="actual"))
        for role in APPROVERS:
            browser = officials[role]
            await freshen(tools, browser)
            digest = fields_of(await browser.read(f"{page}/approve/{role}"), "digest")[0]
            form = {"digest": digest, "typed": "EX-2026-0001", "reference": "EX 1/2026"}
            assert (await browser.post(f"{page}/approve/{role}", form)).status == 303
        return page

    return run


async def update(tools: Tools, author: Browser, page: str) -> None:
    path = (await author.post(f"{page}/update", {})).headers["Location"].rpartition("/")[0]
    coat = make_alert(tools.clock(), status="actual", children=[child_facts(clothing="green coat")])
    await fill(author, path, coat, tools)
    assert (await author.post(f"{path}/check/send", {})).status == 303


async def end(tools: Tools, browser: Browser, page: str, reason: str) -> None:
    await freshen(tools, browser)
    form = {"reason": reason, "why": "A fictional reason."}
    assert (await browser.post(f"{page}/end", form)).status == 303


async def test_an_alert_that_is_out_stays_live_while_its_update_waits_and_once_it_is_rejected(
    tools: Tools, officials: Mapping[str, Browser], out: Out
) -> None:
    page, police = await out(), officials["police"]
    await update(tools, officials["submitter"], page)
    for told in ("Live; its update: Waits for approval", "Live"):
        home = await police.read("/")
        assert "1 actual alert is live" in home
        assert ("The alert stays as it went out." in home) is (told == "Live")
        assert f'href="{page}/live"' in home
        for listed in ("/alerts", "/alerts?state=active"):
            assert f">{told}</td>" in await police.read(listed)
        await police.post(f"{page}/reject", {"reason": "The coat was another child's."})
    shown = await police.read(page)
    assert '<span class="state-word">Live</span>' in shown
    assert "The update was rejected" in shown
    assert "The coat was another child&#39;s." in shown
    assert "green coat" not in shown
    framed = await police.read(f"{page}/frames/feed.en.page")
    assert "red jacket" in framed
    assert "green coat" not in framed


@pytest.mark.parametrize(
    ("reason", "said", "titled"),
    [
        ("found", "Ended. Whoever was reached is being told", "Found"),
        ("issued_in_error", "Withdrawn. Whoever got it is being told", "Issued in error"),
    ],
)
async def test_whoever_comes_after_the_end_reads_who_ended_it_and_why(
    tools: Tools,
    officials: Mapping[str, Browser],
    out: Out,
    reason: str,
    said: str,
    titled: str,
) -> None:
    page, police = await out(), officials["police"]
    await update(tools, officials["submitter"], page)
    await end(tools, police, page, reason)
    assert said in await police.read(page)
    shown = await officials["prosecutor"].read(page)
    assert f"<p><strong>{titled}</strong> · " in shown
    assert " · Example console police<br>" in shown
    assert "A fictional reason." in shown
    assert "The update was rejected" not in shown
    assert "A fictional reason." not in await officials["operator"].read(page)


async def test_what_its_author_withdrew_is_said_to_be_withdrawn_and_waits_for_nobody(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page = await submitted(make_alert(tools.clock()))
    author, police = officials["submitter"], officials["police"]
    await author.post(f"{page}/reject", {"reason": "A fictional reason."})
    shown = await author.read(page)
    assert "Withdrawn. It cannot go out any more." in shown
    assert " · Example console submitter<br>" in shown
    assert "A fictional reason." in shown
    await freshen(tools, police)
    stale = await police.get(f"{page}/approve/police")
    assert stale.status == 409
    assert "This alert waits for no approval now" in await stale.text()
    assert (await tools.store.read(latest, page.rpartition("/")[2])).state == "rejected"
