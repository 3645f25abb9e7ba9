"""A new form takes programme, area and lines from a template or an older alert, and nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from playwright.async_api import Page, expect

from alertd.console.officials import beginning
from alertd.console.officials.filling import carried, filled
from alertd.core.alert import ChildAlert
from alertd.core.retention import Ground
from alertd.pipeline import formtemplates
from alertd.pipeline.approve import reject
from alertd.pipeline.purge import purge
from alertd.tools import Actor, Tools
from tests.conftest import FakeClock
from tests.console.conftest import ANOTHER, STAFF, Browser, Desk, SignIn, enter
from tests.console.officials.conftest import Submitted, begin, fill, post_step
from tests.console.test_jurisdiction import place
from tests.factories import child_facts, make_alert
from tests.web.conftest import Submit, both_databases

CIRCLE = {"centre": (38.0111, 23.7222), "radius_km": 7.5}
DRAWN = {"regions": ["GR-I"], "circle": CIRCLE}
NAMES = re.compile(r'<option value="(template-\d+)"[^>]*>([^<]*)</option>')


async def save(browser: Browser, page: str, name: str = "Attica by night", **more: str) -> str:
    """Save a template and give where that leads."""
    answer = await browser.post(f"{page}/template", {"name": name, **more})
    assert answer.status == 303, await answer.text()
    return answer.headers["Location"]


async def offered(browser: Browser) -> dict[str, str]:
    """Give the templates that the start page offers, by name."""
    return {name: source for source, name in NAMES.findall(await browser.read("/submit"))}


async def held(tools: Tools, browser: Browser) -> formtemplates.FormTemplate:
    actor = Actor(browser.person_id, "Example", frozenset({"submitter"}))
    (found,) = await formtemplates.own(tools, actor)
    return found


async def bound(tools: Tools, signed_in: SignIn, region: str) -> Browser:
    """Sign in a submitter who acts in one region alone."""
    number = await enter(tools, f"Example of {region}", STAFF["submitter"])
    await place(tools, number, [region])
    return await signed_in("submitter", person_id=number)


def foreign(alert: ChildAlert) -> list[str]:
    """Give what must not be taken along: everything that is not the programme's side."""
    child = alert.children[0]
    said = [child.name, child.clothing, alert.circumstances, alert.last_seen.place]
    return [*said, alert.case_reference, *(answer.reason for answer in alert.criteria)]


@both_databases
async def test_a_template_of_an_alert_begins_a_form_with_its_area_and_lines_and_nobody(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    alert = make_alert(tools.clock(), area=DRAWN)
    page, browser = await submitted(alert), officials["submitter"]
    assert f'href="{page}/template"' in await browser.read(page)
    shown = await browser.read(f"{page}/template")
    assert "<dd>Attica</dd>" in shown
    assert await save(browser, page) == page
    path = await begin(browser, source=(await offered(browser))["Attica by night"])
    area = await browser.read(f"{path}/area")
    assert 'value="GR-I" checked' in area
    assert "38.0111" not in area
    lines = await browser.read(f"{path}/criteria")
    assert f'value="{alert.phone_lines[0].number}"' in lines
    kept = str((await held(tools, browser)).form)
    for text in foreign(alert):
        assert text not in shown
        assert text not in lines
        assert text not in kept


async def test_a_circle_is_kept_only_by_whoever_says_so(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    """It tells where a child was seen, and a template outlives its case."""
    page = await submitted(make_alert(tools.clock(), area=DRAWN))
    browser = officials["submitter"]
    asked = await browser.read(f"{page}/template")
    assert 'name="drawn"' in asked
    assert "checked" not in asked
    await save(browser, page, "With the circle", drawn="yes")
    path = await begin(browser, source=(await offered(browser))["With the circle"])
    assert 'value="38.0111, 23.7222"' in await browser.read(f"{path}/area")
    without = await begin(browser, source=page.rpartition("/")[2])
    assert 'name="drawn"' not in await browser.read(f"{without}/template")


@pytest.mark.parametrize("step", ["area", "check"])
async def test_a_form_is_saved_as_a_template_and_goes_on_where_it_was(
    tools: Tools, officials: Mapping[str, Browser], step: str
) -> None:
    browser = officials["submitter"]
    path = await begin(browser)
    await fill(browser, path, make_alert(tools.clock()), tools)
    assert "as a template" in await browser.read(f"{path}/{step}")
    there = await browser.read(f"{path}/template?step={step}")
    action = re.search(r'action="(/submit/\w+/template\?step=\w+)"', there)
    assert action
    answer = await browser.post(action[1], {"name": "Attica by night"})
    assert answer.headers["Location"] == f"{path}/{step}"
    rules = tools.rulebook.current("amber-alert-hellas")
    wanted = carried(filled(make_alert(tools.clock()), rules), rules)
    assert (await held(tools, browser)).form == wanted


async def test_the_step_of_the_area_is_saved_before_the_template_is_asked_for(
    officials: Mapping[str, Browser],
) -> None:
    """Without script nothing else would keep what was just chosen."""
    browser = officials["submitter"]
    path = await begin(browser)
    chosen = [("area.regions", "GR-M"), ("languages", "el"), ("languages", "en")]
    answer = await post_step(browser, f"{path}/area", chosen, go="template")
    assert answer.headers["Location"] == f"{path}/template?step=area"
    assert "<dd>Crete</dd>" in await browser.read(answer.headers["Location"])


async def test_a_form_without_regions_is_not_saved_and_says_why(
    tools: Tools, officials: Mapping[str, Browser]
) -> None:
    browser = officials["submitter"]
    path = await begin(browser)
    shown = await browser.read(f"{path}/template?step=area")
    assert "Who is told: Fill this in." in shown
    assert f'href="{path}/area"' in shown
    assert 'name="name"' not in shown
    answer = await browser.post(f"{path}/template", {"name": "Nowhere"})
    assert answer.status == 422
    assert await offered(browser) == {}


async def test_a_telephone_line_that_is_half_said_is_put_right_first(
    officials: Mapping[str, Browser],
) -> None:
    browser = officials["submitter"]
    path = await begin(browser)
    chosen = [("area.regions", "GR-M"), ("languages", "el"), ("languages", "en")]
    await post_step(browser, f"{path}/area", chosen)
    half = [("phone_lines.1.number", ""), ("phone_lines.1.label", "Example line")]
    await post_step(browser, f"{path}/criteria", half, go="stay")
    assert "Number: Fill this in." in await browser.read(f"{path}/template")
    assert (await browser.post(f"{path}/template", {"name": "Half"})).status == 422
    whole = [("phone_lines.1.number", "116000"), ("phone_lines.1.label", "Example line")]
    await post_step(browser, f"{path}/criteria", whole, go="stay")
    assert "<dd>116000 Example line</dd>" in await browser.read(f"{path}/template")
    await save(browser, path)


async def test_what_is_wrong_with_a_name_stands_beside_it(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page, browser = await submitted(make_alert(tools.clock())), officials["submitter"]
    await save(browser, page)
    for name, said in (
        ("", "Fill this in."),
        ("x" * 61, "Shorten it to 60 characters at most."),
        ("attica  by NIGHT", "Another template has this name. Choose another."),
    ):
        answer = await browser.post(f"{page}/template", {"name": name})
        text = await answer.text()
        assert answer.status == 422
        assert f"{said}</p>" in text
        assert 'id="name-error"' in text
        assert f'value="{name}"' in text
        assert "Never write anything here about a child" in text
    assert list(await offered(browser)) == ["Attica by night"]


async def test_a_template_is_renamed_and_removed(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page, browser = await submitted(make_alert(tools.clock())), officials["submitter"]
    await save(browser, page)
    await save(browser, page, "Another")
    listed = await browser.read("/submit/templates")
    number = (await offered(browser))["Attica by night"].removeprefix("template-")
    at = f"/submit/templates/{number}"
    assert f'<a href="{at}">Attica by night</a>' in listed
    wrong = await browser.post(at, {"name": "another"})
    assert wrong.status == 422
    assert 'id="name-error"' in await wrong.text()
    assert (await browser.post(at, {"name": "Attica by day"})).headers["Location"] == at
    assert "<h1>Attica by day</h1>" in await browser.read(at)
    gone = await browser.post(f"{at}/remove")
    assert gone.headers["Location"] == "/submit/templates"
    assert list(await offered(browser)) == ["Another"]
    assert (await browser.get(at)).status == 404


async def test_a_template_elsewhere_is_neither_seen_nor_used(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted, signed_in: SignIn
) -> None:
    page, browser = await submitted(make_alert(tools.clock())), officials["submitter"]
    await save(browser, page)
    source = (await offered(browser))["Attica by night"]
    at = f"/submit/templates/{source.removeprefix('template-')}"
    here, there = [await bound(tools, signed_in, region) for region in ("GR-I", "GR-M")]
    assert list(await offered(here)) == ["Attica by night"]
    assert await offered(there) == {}
    assert "Attica by night" not in await there.read("/submit/templates")
    for answer in (
        await there.get(at),
        await there.post(at, {"name": "Mine"}),
        await there.post(f"{at}/remove"),
    ):
        assert answer.status == 404
    used = await there.post("/submit", {"status": "exercise", "source": source})
    assert used.status == 422
    assert "It is no longer there. Choose another." in await used.text()
    assert list(await offered(browser)) == ["Attica by night"]


async def test_what_reaches_beyond_one_s_own_is_no_template_of_theirs(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted, signed_in: SignIn
) -> None:
    page = await submitted(make_alert(tools.clock(), area={"regions": ["GR-I", "GR-M"]}))
    regional = await bound(tools, signed_in, "GR-I")
    assert "reaches beyond your own regions" in await regional.read(f"{page}/template")
    assert (await regional.post(f"{page}/template", {"name": "Mine"})).status == 403
    path = await begin(regional)
    await fill(regional, path, make_alert(tools.clock(), area={"regions": ["GR-M"]}), tools)
    assert (await regional.post(f"{path}/template", {"name": "Mine"})).status == 422
    assert await offered(officials["submitter"]) == {}


# --- an older alert, by its case reference -----------------------------------------------------


@both_databases
async def test_an_alert_beyond_the_latest_is_taken_by_its_case_reference(
    signed_in: SignIn, submit: Submit, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "RECENT", 1)
    child = child_facts(name="Example Child")
    area = {"regions": ["GR-M"]}
    await submit(case_reference="EX-2025/0007", children=[child], area=area)
    clock.tick(minutes=1)
    await submit(case_reference="EX-2026-0002", children=[child_facts()], **ANOTHER)
    browser = await signed_in("submitter")
    assert "EX-2025/0007" not in await browser.read("/submit")
    path = await begin(browser, reference=" EX-2025/0007 ", programme="single-approval")
    assert 'value="GR-M" checked' in await browser.read(f"{path}/area")
    assert "Example Child" not in await browser.read(f"{path}/who")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"reference": "EX-9999"}, "There is no alert with this case reference that you may see."),
        ({"reference": "EX-2026-0001", "source": "template-1"}, "one of the two."),
    ],
)
async def test_a_case_reference_that_names_nothing_is_told_beside_its_field(
    tools: Tools,
    officials: Mapping[str, Browser],
    submitted: Submitted,
    asked: dict[str, str],
    said: str,
) -> None:
    await submitted(make_alert(tools.clock()))
    browser = officials["submitter"]
    answer = await browser.post("/submit", {"status": "test", **asked})
    text = await answer.text()
    assert answer.status == 422
    assert re.search(rf'id="reference-error">.*{said}</p>', text, re.DOTALL)
    assert f'value="{asked["reference"]}"' in text
    assert re.search(r'value="test" checked', text)


@both_databases
@pytest.mark.parametrize(
    "asked",
    [{"reference": "EX\0"}, {"source": f"template-{'9' * 30}"}, {"source": "template-x"}],
)
async def test_what_no_browser_of_ours_sends_is_refused_like_any_other_mistake(
    signed_in: SignIn, asked: dict[str, str]
) -> None:
    browser = await signed_in("submitter")
    assert (await browser.post("/submit", {"status": "exercise", **asked})).status == 422


async def test_a_case_elsewhere_is_told_as_one_that_is_not_there(
    tools: Tools, submitted: Submitted, signed_in: SignIn
) -> None:
    await submitted(make_alert(tools.clock()))
    regional = await bound(tools, signed_in, "GR-M")
    mine = {"status": "exercise", "programme": "amber-alert-hellas", "reference": "EX-2026-0001"}
    text = await (await regional.post("/submit", mine)).text()
    assert "There is no alert with this case reference" in text


async def test_nothing_is_taken_from_an_alert_that_was_purged(
    tools: Tools, officials: Mapping[str, Browser], submitted: Submitted
) -> None:
    page, browser = await submitted(make_alert(tools.clock())), officials["submitter"]
    alert_id = page.rpartition("/")[2]
    police = Actor(officials["police"].person_id, "Example", frozenset({"police"}))
    await reject(tools, police, alert_id, reason="Fictional.")
    await purge(tools, alert_id, by="console", ground=Ground.REQUEST)
    for asked in ({"reference": "EX-2026-0001"}, {"source": alert_id}):
        answer = await browser.post("/submit", {"status": "exercise", **asked})
        assert answer.status == 422
        assert "nothing can be taken from it" in await answer.text()
    assert (await browser.get(f"{page}/template")).status == 404


async def test_the_keyboard_alone_saves_and_chooses_a_template_without_script(
    tools: Tools, desk: Desk, signed_in: SignIn, submit: Submit
) -> None:
    alert_id = await submit(area={"regions": ["GR-M"]})
    person = await signed_in("submitter")
    page = await desk.open(person=person, java_script_enabled=False)
    await page.goto(f"/alerts/{alert_id}")
    await tab_to(page, "main a[href$='/template']")
    await page.keyboard.press("Enter")
    await tab_to(page, "[name=name]")
    await page.keyboard.type("Crete")
    await page.keyboard.press("Enter")
    await expect(page.locator(".toast")).to_contain_text("Saved as a template")
    await page.goto("/submit")
    await tab_to(page, "[name=source]")
    await page.keyboard.type("Cre")
    await tab_to(page, "main button.primary")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/who")
    await page.goto(page.url.replace("/who", "/area"))
    await expect(page.locator("[value=GR-M]")).to_be_checked()
    await tab_to(page, "button[value=template]")
    await page.keyboard.press("Enter")
    await expect(page.locator("dl.summary")).to_contain_text("Crete")


async def tab_to(page: Page, what: str) -> None:
    place = page.locator(what)
    for _ in range(200):  # the regions come before
        await page.keyboard.press("Tab")
        if await page.locator(f"{what}:focus").count():
            return
    await expect(place).to_be_focused()
