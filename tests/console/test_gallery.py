"""Every page has a picture and is held to what all of them must be: see gallery.py."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator

import pyotp
import pytest
from playwright.async_api import Page

from alertd.console.app import PAGES
from alertd.pipeline import credentials, persons
from alertd.pipeline.rule_sets import register_all
from alertd.publishing.press import Press
from alertd.tools import CONSOLE, Tools
from alertd.web import make_public_app
from alertd.web.api import routes
from alertd.web.takedowns import HTML
from tests.console.chromium import views
from tests.console.conftest import Browser, Cases, Desk, SignIn
from tests.console.gallery import NO_PAGES, ROOMS, Gallery
from tests.console.test_people import agree, freshen, two
from tests.console.test_signin import NAME, PASSWORD
from tests.web.conftest import Live, Person, Sink

FILES = re.compile(r"/(feeds|cap|schemas|p)/|/(state\.(json|pub)|healthz|readyz)$")


def pages_of_the_console() -> Iterator[str]:
    yield from (page.path for page in PAGES if page.method == "GET")


def pages_of_the_public(tools: Tools, press: Press) -> Iterator[str]:
    languages = "|".join(press.site.languages)
    for resource in make_public_app(tools, Sink(), press).router.resources():
        if "GET" in {route.method for route in resource}:
            yield re.sub(rf"/({languages})$", "/{language}", resource.canonical)


def pages_of_the_api(tools: Tools) -> Iterator[str]:
    yield "/api/v1/docs"
    yield from (each.path for each in routes(tools.rulebook) if each.media_type == HTML)


def test_every_page_has_a_picture(tools: Tools, press: Press) -> None:
    pictured = {path for room in ROOMS.values() for path in room.values()}
    public = [path for path in pages_of_the_public(tools, press) if not FILES.search(path)]
    pages = {*pages_of_the_console(), *public, *pages_of_the_api(tools)}
    assert pages - pictured - NO_PAGES.keys() == set(), "give it a picture in gallery.py"
    assert NO_PAGES.keys() <= pages, "is no page any more"
    assert NO_PAGES.keys() & pictured <= {"/"}


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("language", "size"), views())
async def test_axe_finds_nothing_on_the_way_in(
    desk: Desk, tools: Tools, signed_in: SignIn, language: str, size: tuple[int, int]
) -> None:
    gallery = Gallery("entry", language, size)
    page = await desk.open(language, size)
    await page.goto("/no-such-page")
    await gallery.look(page, "nothing-here")
    await page.goto("/invitation/no-such-invitation")
    await gallery.look(page, "invitation-over")
    await _choose_factors(page, gallery, tools)
    await page.goto("/again?to=/account")
    await gallery.look(page, "again")
    await page.context.clear_cookies()
    await page.goto("/sign-in")
    await gallery.look(page, "sign-in")
    await _sign_in(page, "a wrong one")
    await gallery.look(page, "sign-in-refused")
    await _sign_in(page, PASSWORD)
    await gallery.look(page, "second")
    page = await desk.open(language, size, person=await signed_in("reader"))
    await page.goto("/people")
    await gallery.look(page, "not-yours")
    gallery.finish()


async def _choose_factors(page: Page, gallery: Gallery, tools: Tools) -> None:
    newcomer = persons.NewPerson(name=NAME, language=gallery.language, roles={"submitter": False})
    number = await persons.create(tools, CONSOLE, newcomer)
    invitation = await tools.store.write(credentials.invite, number, tools.clock())
    await page.goto(f"/invitation/{invitation}")
    await gallery.look(page, "invitation")
    await page.fill("[name=password]", PASSWORD)
    await page.fill("[name=password_again]", PASSWORD)
    await page.locator("main form button.primary").click()
    secret = (await page.locator("main code").inner_text()).replace(" ", "")
    await page.fill("[name=code]", pyotp.TOTP(secret).at(tools.clock()))
    await page.locator("form[action$=totp] button.primary").click()
    await gallery.look(page, "recovery")


async def _sign_in(page: Page, password: str) -> None:
    await page.fill("[name=name]", NAME)
    await page.fill("[name=password]", password)
    await page.locator("main form button.primary").click()
    await page.wait_for_load_state()


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("language", "size"), views())
async def test_axe_finds_nothing_where_everybody_begins(
    desk: Desk,
    tools: Tools,
    signed_in: SignIn,
    cases: Cases,
    language: str,
    size: tuple[int, int],
) -> None:
    gallery = Gallery("own", language, size)
    police = await signed_in("police")
    await freshen(tools, police)
    page = await desk.open(language, size, person=police)
    waiting, out = cases.waiting, cases.live
    for name, path in {
        "start": "/",
        "alerts": "/alerts",
        "alerts-none": "/alerts?state=returned",
        "preview": f"/alerts/{waiting}/preview",
        "actual": f"/alerts/{waiting}",
        "approve-actual": f"/alerts/{waiting}/approve/police",
        "live": f"/alerts/{out}/live",
        "end-actual": f"/alerts/{out}/end?reason=found",
        "account": "/account",
        "second-factor": "/account/second-factor",
    }.items():
        await gallery.visit(page, name, path)
    page = await desk.open(language, size, person=await signed_in("administrator"))
    await gallery.visit(page, "start-quiet", "/")
    page = await desk.open(language, size, person=await signed_in("reader"))
    await gallery.visit(page, "style", "/style?mode=exercise")
    await gallery.visit(page, "style-actual", "/style?mode=actual")
    gallery.finish()


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("language", "size"), views())
async def test_axe_finds_nothing_where_accounts_are_kept(
    desk: Desk, tools: Tools, signed_in: SignIn, language: str, size: tuple[int, int]
) -> None:
    gallery = Gallery("administration", language, size)
    await register_all(tools)
    first, second = await two(signed_in, tools)
    police = await signed_in("police")
    page = await desk.open(language, size, person=first)
    await gallery.visit(page, "changes-none", "/people/changes")
    await gallery.visit(page, "rules-settled", "/rules")
    await _propose(tools)
    await _ask_for_changes(tools, first, second, police)
    for name, path in {
        "people": "/people",
        "person": f"/people/{police.person_id}",
        "person-new": "/people/new",
        "changes": "/people/changes",
        "rules": "/rules",
    }.items():
        await gallery.visit(page, name, path)
    await page.goto("/people/new")
    await page.locator("main form button.primary").click()
    await gallery.look(page, "person-wrong")
    page = await desk.open(language, size, person=second)
    await page.goto("/people/changes")
    await freshen(tools, second)
    await page.locator("button[value=agree]").first.click()
    await gallery.look(page, "changes-done")
    gallery.finish()


async def _propose(tools: Tools) -> None:
    """Change a rule set, as a changed file would."""
    name = tools.rulebook.programmes()[0]
    old = tools.rulebook.current(name)
    changed = {"max_hours": old.max_hours - 1, "end_roles": old.end_roles[:1]}
    new = old.model_copy(update={"version": old.version + 1, **changed})
    tools.rulebook.rule_sets[name, new.version] = new
    await register_all(tools)


async def _ask_for_changes(tools: Tools, first: Browser, second: Browser, police: Browser) -> None:
    """Of every kind that looks different; a token of the police is made."""
    theirs = f"/people/{police.person_id}"
    await first.post(theirs, {"kind": "token.mint", "label": "Example desk", "days": "30"})
    await agree(tools, second)
    newcomer = {"name": "Example Newcomer", "language": "el", "roles": "submitter"}
    await first.post("/people/new", newcomer)
    await first.post(theirs, {"kind": "person.roles", "roles": "operator", "regions": "GR-I"})
    await second.post("/people/policy", {"allowed": "1"})
    rules = tools.rulebook.proposals()[0]
    proposed = {"programme": rules.programme, "version": str(rules.version)}
    await second.post("/rules", {**proposed, "digest": tools.rulebook.digest(rules)})


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("language", "size"), views())
async def test_axe_finds_nothing_on_the_pages_of_the_api(
    desk: Desk,
    live: Live,
    end: Callable[[str], Awaitable[None]],
    people: dict[str, Person],
    language: str,
    size: tuple[int, int],
) -> None:
    gallery = Gallery("api", language, size)
    alert_id = await live()
    await end(alert_id)
    token = {"Authorization": f"Bearer {people['police'].token}"}
    page = await desk.open(language, size, extra_http_headers=token)
    await gallery.visit(page, "docs", "/api/v1/docs")
    await gallery.visit(page, "takedown", f"/api/v1/alerts/{alert_id}/takedown.html")
    gallery.finish()
