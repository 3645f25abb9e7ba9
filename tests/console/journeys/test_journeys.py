"""Journeys of people at real browsers, against `alertd serve` and the world around it."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect
from rich.console import Console

from alertd.core.gsm import fit_greek
from alertd.demo import cast
from alertd.demo.peer import Fault
from tests.console.chromium import DESKTOP, views
from tests.console.gallery import Gallery
from tests.console.journeys.acts import (
    APPROVERS,
    NOBODY,
    approve,
    end,
    in_the_feeds,
    link_in,
    record_bars,
    seen_moving,
    until_sent,
)
from tests.console.journeys.form import size_of, submit, update
from tests.console.journeys.install import the_public
from tests.console.journeys.people import OFFICIALS, Office
from tests.console.journeys.templates import keep_and_remove

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

CHILD = "Έλλη Παραδείγματος"
DRILLS = ("Πρώτη Ασκήσεως", "Δεύτερη Ασκήσεως", "Τρίτη Ασκήσεως", "Τέταρτη Ασκήσεως")  # by view
KEPT = {"el": "Αττική, νυχτερινή βάρδια", "en": "Attica, night shift"}  # names of templates
WORDS = {"el": "ΑΣΚΗΣΗ", "en": "EXERCISE"}
REFUSED = 3  # messages that Twilio will not take until its account is put right


async def test_two_administrators_let_everybody_in_and_a_passkey_opens_the_console(
    office: Office,
) -> None:
    second = office.people["second"]
    await second.page.context.clear_cookies()
    await second.sign_in("/people")
    for role in OFFICIALS:
        await expect(second.page.locator("main")).to_contain_text(office.people[role].name)
    await second.page.goto("/account")
    await expect(second.page.locator("main")).to_contain_text("Example key")


@pytest.mark.parametrize(("language", "size"), views())
async def test_an_exercise_looks_like_one_and_reaches_exercise_recipients_alone(
    office: Office, language: str, size: tuple[int, int]
) -> None:
    people, install = office.people, office.install
    child = DRILLS[views().index((language, size))]
    case = f"EX-{language}-{size[0]}"
    gallery = Gallery("officials", language, size)
    look = gallery.look
    for who in ("submitter", *APPROVERS):
        await people[who].read_in(language, size)
    before = install.world.arrived()

    alert = await submit(people["submitter"].page, "exercise", child, case, look)
    for role in APPROVERS:
        await approve(people[role], alert, role, look)
    page = people["activation"].page
    await until_sent(page, "sms", "email", "webhook")
    await look(page, "live")
    assert await page.locator("html").get_attribute("data-mode") == "exercise"
    assert (await page.title()).startswith(WORDS[language])
    assert install.told(since=before) == install.trained("GR-I")
    shown = {fit_greek(WORDS["el"]), WORDS["en"]}
    assert {sms.body.partition(" ")[0] for sms in install.texts(before)} == shown

    reader = await office.reader(language)
    await reader.goto(link_in(install.texts(before)))
    await expect(reader.locator("body.drill")).to_be_visible()
    assert await in_the_feeds(reader, child, "/feeds/exercise")
    assert not await in_the_feeds(reader, child)

    await end(people["police"], alert, look)
    await reader.reload()
    await expect(reader.locator("body")).not_to_contain_text(child)
    await until_sent(people["police"].page, "sms", "email", "webhook")
    await keep_and_remove(people["submitter"].page, alert, KEPT[language], look)
    gallery.finish()


async def unseen(_page: Page, _name: str) -> None:
    """Look at nothing: the exercise is looked at."""


async def test_an_actual_alert_from_the_call_to_its_takedown(office: Office) -> None:
    people, install = office.people, office.install
    officer, last = people["submitter"], people["activation"].page
    before = install.world.arrived()

    alert = await submit(officer.page, "actual", CHILD, "EX-2026/0001", unseen)
    asked = await record_bars(last)
    for role in APPROVERS:
        assert install.told(since=before) == NOBODY
        await approve(people[role], alert, role, unseen)
    await seen_moving(last, asked)
    await until_sent(last, "email")
    assert await last.locator("html").get_attribute("data-mode") == "actual"
    assert install.told(since=before) == the_public()

    reader = await office.reader("el")
    await reader.goto(link_in(install.texts(before)))
    await expect(reader.locator("h2.name")).to_have_text(CHILD)
    await expect(reader.locator("body.drill")).to_have_count(0)
    width, height = await size_of(reader, ".photo img")
    assert width < height
    photo = await reader.locator(".photo img").get_attribute("src")
    assert photo
    assert await in_the_feeds(reader, CHILD)

    await update(officer.page, alert, clothing="green coat")
    for role in ("police", "activation"):
        await expect(reader.locator("main")).not_to_contain_text("green coat")
        await approve(people[role], alert, role, unseen)
        await reader.reload()
    await expect(reader.locator("main")).to_contain_text("green coat")
    await until_sent(last, "sms", "email")

    before = install.world.arrived()
    await end(people["police"], alert, unseen)
    await reader.reload()
    await expect(reader.locator("body")).not_to_contain_text(CHILD)
    await expect(reader.locator("img")).to_have_count(0)
    assert (await reader.request.get(photo)).status == 410
    assert not await in_the_feeds(reader, CHILD)
    await until_sent(people["police"].page, "sms", "email")
    assert install.told(since=before) == the_public()


async def test_a_failing_channel_is_seen_paused_mended_and_its_messages_sent_again(
    office: Office,
) -> None:
    install, twilio = office.install, office.install.world.sms
    page = office.people["operator"].page
    await page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    await page.goto("/board")
    await expect(page.get_by_text("No alarm stands.")).to_be_visible()
    before = install.world.arrived()

    async with cast.on_stage(install.daemon.url, install.tokens) as clients:
        asked = twilio.inbox.count + len(APPROVERS)
        alert = await cast.submit(clients, Console(quiet=True))
        await twilio.wait_for(asked)  # before it fails
        twilio.next(*[Fault(code=21408)] * REFUSED, *[Fault(500)] * 1000)
        await cast.approve(clients, alert, Console(quiet=True))

    await page.get_by_role("link", name="The channel fails: SMS").click(timeout=20_000)
    await page.get_by_role("button", name="Pause SMS").click()
    await expect(page.get_by_text("Say in a few words why.")).to_be_visible()
    await page.get_by_label("Why").fill("Example: Twilio has been told")
    await page.get_by_role("button", name="Pause SMS").click()
    await expect(page.get_by_text("SMS was paused.")).to_be_visible()
    await expect(page.get_by_role("row", name="SMS")).to_contain_text("Paused by an operator")
    await choose_all_that_failed(page)
    await expect(page.get_by_text("A channel is not working")).to_be_visible()
    assert install.told(since=before)["sms"] == set()

    twilio.mend()
    await page.goto("/board/channel?lane=sms")
    await page.get_by_role("button", name="Resume SMS").click()
    await expect(page.get_by_text("SMS was resumed")).to_be_visible()
    await expect(page.get_by_text("No alarm stands.")).to_be_visible(timeout=20_000)

    await choose_all_that_failed(page)
    await expect(page.get_by_text("A channel is not working")).to_have_count(0)
    await page.get_by_role("button", name=f"Send {REFUSED} messages again").click()
    await expect(page.get_by_text(f"Queued again: {REFUSED} of {REFUSED}.")).to_be_visible()
    await install.until_told(before, install.trained("GR-I", "GR-B"))
    await page.goto("/dead-letters")
    await expect(page.get_by_text("No message has failed for good.")).to_be_visible()


async def choose_all_that_failed(page: Page) -> None:
    await page.get_by_role("link", name="Failures").click()
    await page.get_by_role("button", name="Choose all").click()
    await page.get_by_role("button", name="Try the chosen ones again").click()
