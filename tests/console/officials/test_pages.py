"""From the first question to the end of an alert, page by page."""

import asyncio
import re
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pytest
from aiohttp import FormData
from aiohttp.test_utils import TestClient
from PIL import Image
from structlog.testing import capture_logs

from alertd.console.officials import running
from alertd.console.officials.fields import Step, step_of
from alertd.console.officials.filling import filled
from alertd.pipeline import formdrafts
from alertd.pipeline.recipients import Recipient, add
from alertd.pipeline.versions import latest, open_facts
from alertd.tools import Actor, Tools
from tests.conftest import FakeClock
from tests.console.conftest import Browser
from tests.console.officials.conftest import (
    APPROVERS,
    Submitted,
    begin,
    fields_of,
    fill,
    freshen,
    post_step,
)
from tests.factories import child_facts, make_alert


async def approve(tools: Tools, browser: Browser, page: str, role: str, **more: str) -> int:
    await freshen(tools, browser)
    shown = await browser.read(f"{page}/approve/{role}")
    form = {"digest": fields_of(shown, "digest")[0], "reference": "EX 1/2026"} | more
    return (await browser.post(f"{page}/approve/{role}", form)).status


async def test_a_form_filled_page_by_page_becomes_the_alert(
    tools: Tools, submitted: Submitted
) -> None:
    alert = make_alert(tools.clock())
    page = await submitted(alert)
    version = await tools.store.read(latest, page.rpartition("/")[2])
    assert version.state == "submitted"
    assert open_facts(await tools.vault.key(version.key_id), version) == alert


async def test_the_form_and_its_key_are_gone_once_it_is_submitted(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    keys = await tools.vault.ids()
    await submitted(make_alert(tools.clock()))
    assert len(await tools.vault.ids()) == len(keys) + 1  # the alert's own


async def test_three_approve_and_it_goes_out_then_one_ends_it(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page = await submitted(make_alert(tools.clock()))
    await freshen(tools, officials["police"])
    shown = await officials["police"].read(f"{page}/approve/police")
    assert "nobody is registered in Attica; it appears on its page" in shown
    assert "Approve the exercise for its page and its feed alone" in shown
    for role in APPROVERS:
        assert "approve/" + role in await officials[role].read(page)
        assert await approve(tools, officials[role], page, role) == 303
    assert (await tools.store.read(latest, page.rpartition("/")[2])).state == "active"
    police = officials["police"]
    await freshen(tools, police)
    assert "issued_in_error" in await police.read(f"{page}/end")
    shown = await police.read(f"{page}/end?reason=found")
    assert "data-mode" in shown
    assert "End it: it has reached no recipient" in shown
    done = await police.post(f"{page}/end", {"reason": "found", "why": "A fictional reason."})
    assert done.status == 303, await done.text()
    assert (await tools.store.read(latest, page.rpartition("/")[2])).state == "ended"
    assert "in force until" not in await police.read(page)


async def test_an_actual_alert_asks_for_its_case_reference(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page = await submitted(make_alert(tools.clock(), status="actual"))
    police = officials["police"]
    assert await approve(tools, police, page, "police", typed="EX-2026-0002") == 422
    assert await approve(tools, police, page, "police", typed="EX-2026-0001") == 303


async def test_what_is_missing_of_a_confirmation_is_told_at_once_and_costs_no_second_factor(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page = await submitted(make_alert(tools.clock(), status="actual"))
    prosecutor = officials["prosecutor"]
    await freshen(tools, prosecutor)
    shown = await prosecutor.read(f"{page}/approve/prosecutor")
    sent = {"digest": fields_of(shown, "digest")[0], "typed": "ex-2026-0001"}
    given = await prosecutor.post(f"{page}/approve/prosecutor", sent)
    assert given.status == 422
    told = await given.text()
    assert "Type the case reference as it stands above" in told
    assert "Give the reference of the order." in told
    assert 'value="ex-2026-0001"' in told
    sent |= {"typed": "EX-2026-0001", "reference": "EX 1/2026"}
    given = await prosecutor.post(f"{page}/approve/prosecutor", sent)
    assert given.headers["Location"] == page


async def test_whoever_read_what_was_changed_meanwhile_reads_it_anew_and_approves_nothing(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page = await submitted(make_alert(tools.clock(), status="actual"))
    author, police = officials["submitter"], officials["police"]
    await freshen(tools, police)
    read = fields_of(await police.read(f"{page}/approve/police"), "digest")[0]
    path = (await author.post(f"{page}/edit", {})).headers["Location"].rpartition("/")[0]
    changed = make_alert(
        tools.clock(), status="actual", children=[child_facts(clothing="green coat")]
    )
    await fill(author, path, changed, tools)
    assert (await author.post(f"{path}/check/send", {})).status == 303
    now = (await tools.store.read(latest, page.rpartition("/")[2])).digest
    for typed in ("EX-2026-0001", "another"):
        sent = {"digest": read, "typed": typed}
        given = await police.post(f"{page}/approve/police", sent)
        assert given.status == 422
        shown = await given.text()
        assert "It was changed after you opened it" in shown
        assert "green coat" in shown
        assert fields_of(shown, "digest") == [now]
    given = await police.post(f"{page}/approve/police", {"digest": now, "typed": "EX-2026-0001"})
    assert given.headers["Location"] == page


@pytest.mark.parametrize(
    ("language", "told"),
    [("en", "This approval was given already"), ("el", "Η έγκριση αυτή έχει ήδη δοθεί")],
)
async def test_an_approval_given_twice_is_told_in_words_with_the_way_back(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted, language: str, told: str
) -> None:
    page = await submitted(make_alert(tools.clock()))
    police = officials["police"]
    assert await approve(tools, police, page, "police") == 303
    await police.post("/language", {"language": language, "to": "/"})
    await freshen(tools, police)
    again = await police.get(f"{page}/approve/police")
    assert again.status == 409
    shown = await again.text()
    assert f"<li>{told}</li>" in shown
    assert f'href="{page}"' in shown


async def test_no_approval_without_a_second_factor_given_anew(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page = await submitted(make_alert(tools.clock()))
    shown = await officials["police"].get(f"{page}/approve/police")
    assert shown.headers["Location"].startswith("/again?to=")
    digest = (await tools.store.read(latest, page.rpartition("/")[2])).digest
    given = await officials["police"].post(f"{page}/approve/police", {"digest": digest})
    assert given.headers["Location"].startswith("/again")
    assert "approve/police" in await officials["police"].read(page)


async def test_whoever_wrote_it_is_told_to_wait(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page = await submitted(make_alert(tools.clock()))
    shown = await officials["submitter"].read(page)
    assert "another person must approve" in shown
    assert "/approve/" not in shown


async def test_a_returned_alert_tells_its_author_why_and_is_sent_again(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page = await submitted(make_alert(tools.clock()))
    said = {"reason": "The plate is fictional."}
    assert (await officials["police"].post(f"{page}/return", said)).status == 303
    author = officials["submitter"]
    assert "The plate is fictional." in await author.read(page)
    path = (await author.post(f"{page}/edit", {})).headers["Location"].rpartition("/")[0]
    sent = await author.post(f"{path}/check/send", {})
    assert sent.headers["Location"] == page
    assert (await tools.store.read(latest, page.rpartition("/")[2])).state == "submitted"


async def test_an_update_marks_what_is_new(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page = await submitted(make_alert(tools.clock()))
    for role in APPROVERS:
        await approve(tools, officials[role], page, role)
    author = officials["submitter"]
    path = (await author.post(f"{page}/update", {})).headers["Location"].rpartition("/")[0]
    new = make_alert(tools.clock(), children=[child_facts(clothing="green coat")])
    await fill(author, path, new, tools)
    assert "<ins>green" in await author.read(f"{path}/check?tab=email&language=en")
    sent = await author.post(f"{path}/check/send", {})
    assert sent.status == 303, await sent.text()
    shown = await officials["police"].read(page)
    assert "<del>red jacket, blue jeans</del>" in shown
    assert "<ins>green coat</ins>" in shown


async def test_the_last_step_names_every_tab_and_shows_each_that_is_asked_for(
    tools: Tools, officials: Mapping[str, Browser]
) -> None:
    author = officials["submitter"]
    path = await begin(author)
    await fill(author, path, make_alert(tools.clock()), tools)
    tabs = re.findall(
        r"check\?tab=(\w+)&amp;language=\w+#previews\"", await author.read(f"{path}/check")
    )
    assert set(tabs) == {"sms", "email", "page", "entry", "cap", "poster", "webhook"}
    for tab in set(tabs):
        shown = await author.read(f"{path}/check?tab={tab}")
        assert re.search(rf'tab={tab}&amp;language=\w+#previews" aria-current="page"', shown), tab
        for source in re.findall(r'<iframe[^>]* src="([^"]+)"', shown):
            assert "<html" in await author.read(source)


async def test_whom_it_reaches_is_counted_from_the_step_of_the_area_on(
    tools: Tools, clock: FakeClock, officials: Mapping[str, Browser]
) -> None:
    operator = Actor(officials["operator"].person_id, "Example", frozenset({"operator"}))
    told = {"channel": "sms", "address": "+306900000000", "language": "el", "regions": ["GR-I"]}
    told |= {"recipient_class": "citizen", "exercise": True, "label": "Example"}
    told |= {"consent": "Example contract 7", "consent_at": "2026-01-31T10:00:00+02:00"}
    await add(tools, operator, Recipient.model_validate(told))
    author = officials["submitter"]
    path = await begin(author)
    await fill(author, path, make_alert(tools.clock()), tools)
    clock.tick(minutes=10)
    shown = await author.read(f"{path}/check")
    assert re.search(r"as of <time[^>]*>04:00:00<", shown)


async def test_a_region_that_only_one_channel_reaches_is_shown_beside_the_others(
    tools: Tools, officials: Mapping[str, Browser]
) -> None:
    operator = Actor(officials["operator"].person_id, "Example", frozenset({"operator"}))
    told = {"language": "el", "recipient_class": "media", "exercise": True, "label": "Example"}
    told |= {"consent": "Example contract 7", "consent_at": "2026-01-31T10:00:00+02:00"}
    for channel, address, region in (
        ("sms", "+306900000000", "GR-I"),
        ("email", "alerts@news.example.org", "GR-B"),
    ):
        place = {"channel": channel, "address": address, "regions": [region]}
        await add(tools, operator, Recipient.model_validate(told | place))
    author = officials["submitter"]
    path = await begin(author)
    alert = make_alert(tools.clock(), area={"regions": ["GR-B", "GR-I"]})
    await fill(author, path, alert, tools)
    shown = await author.read(f"{path}/check")
    assert shown.count('data-label="Mail">-</td>') == 1
    assert shown.count('data-label="Text message">-</td>') == 1


async def test_what_is_wrong_stands_beside_its_field(officials: Mapping[str, Browser]) -> None:
    browser = officials["submitter"]
    path = await begin(browser)
    wrong = [("children.0.name", "<b>"), ("children.0.age", "41"), ("children.0.sex", "female")]
    answer = await post_step(browser, f"{path}/who", wrong)
    text = await browser.read(answer.headers["Location"])
    assert 'id="children-0-name-error"' in text
    assert 'id="children-0-age-error"' in text
    assert "data-focus" in text
    assert 'value="&lt;b&gt;"' in text


async def test_what_was_said_is_read_back_with_dates_in_words(
    officials: Mapping[str, Browser],
) -> None:
    browser = officials["submitter"]
    path = await begin(browser)
    await post_step(browser, f"{path}/who", [("children.0.birth_date", "2015-01-02")])
    seen = [("last_seen.at.date", "2026-11-24"), ("last_seen.at.time", "10:00")]
    await post_step(browser, f"{path}/seen", seen)
    shown = await browser.read(f"{path}/check")
    assert "2 January 2015" in shown
    assert "24 November 2026, 10:00" in shown
    assert "2015-01-02" not in shown
    assert "2026-11-24" not in shown


async def test_a_gap_does_not_hold_up_the_call(officials: Mapping[str, Browser]) -> None:
    browser = officials["submitter"]
    path = await begin(browser)
    answer = await post_step(browser, f"{path}/who", [("children.0.name", "Example")])
    assert answer.headers["Location"] == f"{path}/seen"
    shown = await browser.read(f"{path}/check")
    assert f"{path}/who?all=1#children-0-hair" in shown
    assert (await browser.post(f"{path}/check/unknown", {})).status == 303
    assert "#children-0-hair" not in await browser.read(f"{path}/check")


async def test_a_form_saves_itself(tools: Tools, officials: Mapping[str, Browser]) -> None:
    browser = officials["submitter"]
    path = await begin(browser)
    said = {"revision": "1", "children.0.name": "Example Child"}
    answer = await browser.post(f"{path}/who/save", said)
    told = await answer.json()
    assert told["revision"] == 2
    assert told["saved"] == "04:00:00"
    assert "Example Child" in told["notice"]
    assert 'value="Example Child"' in await browser.read(f"{path}/who")


async def test_two_windows_do_not_undo_each_other(officials: Mapping[str, Browser]) -> None:
    browser = officials["submitter"]
    path = await begin(browser)
    first = {"revision": "1", "children.0.name": "First"}
    assert (await browser.post(f"{path}/who/save", first)).status == 200
    second = {"revision": "1", "children.0.name": "Second"}
    assert (await browser.post(f"{path}/who/save", second)).status == 412
    shown = await (await browser.post(f"{path}/who", second)).text()
    assert 'value="Second"' in shown
    assert "another window" in shown


async def test_a_further_child_is_a_further_section(officials: Mapping[str, Browser]) -> None:
    browser = officials["submitter"]
    path = await begin(browser)
    await post_step(browser, f"{path}/who", [("children.0.name", "A")], go="add-children")
    assert 'name="children.1.name"' in await browser.read(f"{path}/who")
    again = [("children.0.name", "A"), ("children.1.name", "B")]
    await post_step(browser, f"{path}/who", again, go="remove-children.1")
    assert 'name="children.1.name"' not in await browser.read(f"{path}/who")


@pytest.mark.parametrize("go", ["next", "stay", "add-children"])
async def test_what_a_step_kept_is_shown_by_a_page_that_may_be_loaded_again(
    officials: Mapping[str, Browser], go: str
) -> None:
    """Else loading it again would send the older form once more, over what was saved since."""
    browser = officials["submitter"]
    path = await begin(browser)
    wrong = [("children.0.name", "A"), ("children.0.age", "41")]
    answer = await post_step(browser, f"{path}/who?notice=en", wrong, go=go)
    assert (answer.status, answer.headers["Location"]) == (303, f"{path}/who?notice=en")
    shown = await browser.get(f"{path}/who?notice=en")
    assert "field-wrong" in await shown.text()


async def test_a_new_alert_takes_area_and_lines_from_another_and_nobody(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page = await submitted(make_alert(tools.clock()))
    browser = officials["submitter"]
    path = await begin(browser, source=page.rpartition("/")[2])
    assert 'value="GR-I" checked' in await browser.read(f"{path}/area")
    assert "Παραδειγματίδου" not in await browser.read(f"{path}/who")


async def test_a_copied_alert_brings_its_programme_whatever_else_was_chosen(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page = await submitted(make_alert(tools.clock()))
    browser = officials["submitter"]
    source = page.rpartition("/")[2]
    path = await begin(browser, source=source, programme="single-approval")
    assert 'value="GR-I" checked' in await browser.read(f"{path}/area")
    draft = await formdrafts.read(tools, _actor(browser), path.rpartition("/")[2])
    assert draft.programme == "amber-alert-hellas"


async def test_a_duplicate_is_shown_and_sent_with_a_reason(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    alert = make_alert(tools.clock())
    page = await submitted(alert)
    browser = officials["submitter"]
    path = await begin(browser)
    await fill(browser, path, alert, tools)
    shown = await (await browser.post(f"{path}/check/send", {})).text()
    assert f'href="{page}"' in shown
    why = {"not_a_duplicate_because": "Another fictional child."}
    assert (await browser.post(f"{path}/check/send", why)).status == 303


async def test_a_frame_runs_no_script_and_belongs_to_this_console(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page = await submitted(make_alert(tools.clock()))
    answer = await officials["police"].get(f"{page}/frames/feed.el.page")
    assert answer.status == 200
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "Παραδειγματίδου" in await answer.text()


async def test_an_operator_sees_how_far_it_is_and_no_child(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page = await submitted(make_alert(tools.clock()))
    for role in APPROVERS:
        await approve(tools, officials[role], page, role)
    shown = await officials["operator"].read(page)
    assert "data-live" in shown
    assert "Παραδειγματίδου" not in shown
    assert (await officials["operator"].get(f"{page}/preview")).status == 403


async def test_the_bars_move_by_events(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page = await submitted(make_alert(tools.clock()))
    for role in APPROVERS:
        await approve(tools, officials[role], page, role)
    answer = await officials["operator"].get(f"{page}/events")
    first = await answer.content.readuntil(b"\n\n")
    answer.close()
    assert first.startswith(b'data: {"as_of": "04:00:00"')
    polled = await (await officials["operator"].get(f"{page}/progress")).json()
    [feed] = [bar for name, bar in polled["bars"].items() if name.endswith(".feed")]
    assert feed["label"] == "Delivered 0 of 2 (0 %)"
    assert feed["times"] == "none has arrived yet"


async def test_whoever_leaves_a_live_page_is_no_defect(
    console: TestClient[Any, Any],
    tools: Tools,
    officials: Mapping[str, Browser],
    submitted: Submitted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "EVERY_S", 0.01)
    console.server.runner.server.handler_cancellation = False  # as where alertd serves
    page = await submitted(make_alert(tools.clock()))
    for role in APPROVERS:
        await approve(tools, officials[role], page, role)
    answer = await officials["operator"].get(f"{page}/events")
    await answer.content.readuntil(b"\n\n")
    with capture_logs() as lines:
        answer.close()
        async with asyncio.timeout(10):
            while not any(line["event"] == "http.request" for line in lines):
                await asyncio.sleep(0.01)
    assert [(line["event"], line.get("status")) for line in lines] == [("http.request", 499)]


async def test_a_test_begins_as_an_exercise_does_and_says_test(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page = await submitted(make_alert(tools.clock(), status="test"))
    assert "<strong>EXERCISE</strong>" in await officials["submitter"].read(page)
    assert "TEST" in await officials["submitter"].read(f"{page}/preview?language=en")
    assert "TEST" in await officials["submitter"].read("/alerts")


@pytest.mark.parametrize("status", ["actual", "exercise"])
async def test_every_page_says_whether_it_is_real(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted, status: str
) -> None:
    page = await submitted(make_alert(tools.clock(), status=status))
    for path in (page, f"{page}/preview"):
        assert f'data-mode="{status}"' in await officials["police"].read(path)


async def test_nobody_reads_another_s_form(officials: Mapping[str, Browser], tools: Tools) -> None:
    path = await begin(officials["submitter"])
    assert (await officials["police"].get(f"{path}/who")).status == 403
    drafts = await formdrafts.own(tools, _actor(officials["submitter"]))
    assert len(drafts) == 1


def _actor(browser: Browser) -> Actor:
    return Actor(browser.person_id, "Example", frozenset({"submitter"}))


async def test_a_photo_comes_with_the_form_and_is_seen_in_the_preview(
    tools: Tools, officials: Mapping[str, Browser]
) -> None:
    browser = officials["submitter"]
    path = await begin(browser)
    alert = make_alert(tools.clock())
    await fill(browser, path, alert, tools)
    said = filled(alert, tools.rulebook.current(alert.programme))
    revision = fields_of(await browser.read(f"{path}/who"), "revision")[0]
    sent = FormData({"csrf": browser.csrf, "revision": revision, "go": "next"})
    for name, values in said.items():
        if step_of(name) is Step.WHO:
            sent.add_field(name, values[0])
    sent.add_field("upload.0", _picture(), filename="example.png", content_type="image/png")
    answer = await browser.post(f"{path}/who", sent)
    assert answer.status == 303, await answer.text()
    digest = fields_of(await browser.read(f"{path}/who"), "children.0.photo")[0]
    shown = await browser.get(f"{path}/photo/{digest}")
    assert (await shown.read()).startswith(b"\xff\xd8")
    frame = await browser.read(f"{path}/frames/feed.el.page")
    assert "data:image/jpeg;base64," in frame
    assert "Content-Security-Policy" not in frame  # the page's own lets no such picture in
    page = (await browser.post(f"{path}/check/send", {})).headers["Location"]
    assert f"{page}/photo/{digest}" in await officials["police"].read(page)
    assert (await officials["operator"].get(f"{page}/photo/{digest}")).status == 403


async def test_what_is_no_picture_is_told_beside_the_photo(
    officials: Mapping[str, Browser],
) -> None:
    browser = officials["submitter"]
    path = await begin(browser)
    revision = fields_of(await browser.read(f"{path}/who"), "revision")[0]
    sent = FormData({"csrf": browser.csrf, "revision": revision, "go": "next"})
    sent.add_field("upload.0", b"no picture", filename="example.png", content_type="image/png")
    answer = await browser.post(f"{path}/who", sent)
    assert answer.status == 422
    assert "JPEG, PNG" in await answer.text()


def _picture() -> bytes:
    file = BytesIO()
    Image.new("RGB", (400, 500), "#a0b0c0").save(file, "PNG")
    return file.getvalue()


CIRCLE = [("area.circle.centre", "37.98, 23.73"), ("area.circle.radius_km", "40")]


async def test_a_circle_proposes_the_regions_that_it_touches(
    officials: Mapping[str, Browser],
) -> None:
    browser = officials["submitter"]
    path = await begin(browser)
    chosen = ("area.regions", "GR-M")
    answer = await post_step(browser, f"{path}/area", [*CIRCLE, chosen], go="propose")
    text = await browser.read(answer.headers["Location"])
    assert "Central Greece, Attica." in text
    ticked = re.findall(r'value="(GR[^"]*)" checked', text)
    assert sorted(ticked) == ["GR-H", "GR-I", "GR-M"]
    assert ticked == re.findall(r'value="(GR[^"]*)" checked', await browser.read(f"{path}/area"))


async def test_a_shape_at_sea_proposes_nothing_and_says_so(
    officials: Mapping[str, Browser],
) -> None:
    browser = officials["submitter"]
    path = await begin(browser)
    shape = [("area.circle.centre", "33.5, 22.0"), ("area.circle.radius_km", "5")]
    answer = await post_step(browser, f"{path}/area", shape, go="propose")
    assert "choose by hand" in await browser.read(answer.headers["Location"])


async def test_saving_tells_a_script_what_the_shape_touches(
    officials: Mapping[str, Browser],
) -> None:
    browser = officials["submitter"]
    path = await begin(browser)
    revision = fields_of(await browser.read(f"{path}/area"), "revision")[0]
    sent = [("csrf", browser.csrf), ("revision", revision), *CIRCLE]
    answer = await browser.post(f"{path}/area/save", sent)
    assert (await answer.json())["touched"] == ["GR-H", "GR-I"]


async def _with_photo(browser: Browser) -> tuple[str, str]:
    """Begin a form with a photo; gives its path and the photo's digest."""
    path = await begin(browser)
    sent = FormData(await _who(browser, path))
    sent.add_field("upload.0", _picture(), filename="example.png", content_type="image/png")
    await browser.post(f"{path}/who", sent)
    return path, fields_of(await browser.read(f"{path}/who"), "children.0.photo")[0]


async def _who(browser: Browser, path: str, go: str = "stay") -> dict[str, str]:
    revision = fields_of(await browser.read(f"{path}/who"), "revision")[0]
    return {"csrf": browser.csrf, "revision": revision, "go": go}


def _part(left: str, top: str, width: str, height: str) -> dict[str, str]:
    sides = {"left": left, "top": top, "width": width, "height": height}
    return {f"crop.0.{side}": value for side, value in sides.items()}


async def test_a_part_of_the_photo_takes_its_place(officials: Mapping[str, Browser]) -> None:
    browser = officials["submitter"]
    path, whole = await _with_photo(browser)
    sent = await _who(browser, path, "crop-0") | {"children.0.photo": whole}
    await browser.post(f"{path}/who", sent | _part("25", "10", "50", "40,0"))
    digest = fields_of(await browser.read(f"{path}/who"), "children.0.photo")[0]
    shown = await browser.get(f"{path}/photo/{digest}")
    with Image.open(BytesIO(await shown.read())) as part:
        assert part.size == (200, 200)
        assert not part.getexif()
    assert digest != whole


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (_part("0", "0", "10", "10"), "too small"),
        (_part("0", "0", "", "50"), "four numbers"),
        (_part("-5", "0", "50", "nan"), "four numbers"),
    ],
)
async def test_a_part_that_holds_nothing_leaves_the_photo_as_it_is(
    officials: Mapping[str, Browser], part: dict[str, str], told: str
) -> None:
    browser = officials["submitter"]
    path, whole = await _with_photo(browser)
    sent = await _who(browser, path, "crop-0") | {"children.0.photo": whole}
    answer = await browser.post(f"{path}/who", sent | part)
    text = await answer.text()
    assert answer.status == 422
    assert told in text
    assert fields_of(text, "children.0.photo") == [whole]
