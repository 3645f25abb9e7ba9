"""Who gets in, and who does not."""

from __future__ import annotations

import json
import re
from html import unescape

import pyotp
import pytest
from aiohttp.test_utils import TestClient
from soft_webauthn import SoftWebauthnDevice
from sqlalchemy import select, update
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from alertd.pipeline import credentials
from alertd.pipeline.sessions import FRESH, find, keep, use_fresh_factor
from alertd.store.schema import persons
from alertd.store.schema.accounts import sessions
from alertd.tools import Tools
from tests.conftest import FakeClock
from tests.console.conftest import COOKIE, Browser, SignIn, enter, sign_in

PASSWORD = "correct horse battery staple"
NAME = "Example Officer"
Console = TestClient


async def invite(tools: Tools, name: str = NAME) -> tuple[int, str]:
    number = await enter(tools, name, {"submitter": False})
    return number, await tools.store.write(credentials.invite, number, tools.clock())


def secret_on(page: str) -> tuple[str, str]:
    found = re.search(r"<code>([A-Z2-7 ]+)</code>", page)
    sealed = re.search(r'name="sealed" value="([^"]+)"', page)
    assert found
    assert sealed
    return found[1].replace(" ", ""), sealed[1]


async def enrolled(tools: Tools, console: Console) -> tuple[Browser, str, list[str]]:
    """Go the whole first way: invitation, password, app, recovery codes."""
    _, invitation = await invite(tools)
    browser = Browser(console)
    await browser.read(f"/invitation/{invitation}")
    given = {"password": PASSWORD, "password_again": PASSWORD}
    answer = await browser.post(f"/invitation/{invitation}", given)
    assert answer.headers["Location"] == "/account/second-factor"
    secret, sealed = secret_on(await browser.read("/account/second-factor"))
    code = pyotp.TOTP(secret).at(tools.clock())
    answer = await browser.post("/account/second-factor/totp", {"sealed": sealed, "code": code})
    page = await answer.text()
    assert answer.status == 200, page
    return browser, secret, re.findall(r"<li>([a-z2-9-]{14})</li>", page)


async def give_password(console: Console, password: str = PASSWORD, name: str = NAME) -> Browser:
    browser = Browser(console)
    await browser.read("/sign-in")
    await browser.post("/sign-in", {"name": name, "password": password, "to": "/account"})
    return browser


async def test_an_invited_person_chooses_a_password_and_a_second_factor_and_is_in(
    tools: Tools, console: Console
) -> None:
    browser, _, codes = await enrolled(tools, console)
    assert len(codes) == credentials.RECOVERY_CODES
    assert NAME in await browser.read("/account")


async def test_an_invitation_speaks_to_whom_it_invites_and_is_used_once(
    tools: Tools, console: Console
) -> None:
    _, invitation = await invite(tools)
    browser = Browser(console)
    greek = {"Accept-Language": "el"}
    page = await (await browser.get(f"/invitation/{invitation}", headers=greek)).text()
    assert '<html lang="en">' in page, "the language of whoever is invited, not of the browser"
    given = {"password": PASSWORD, "password_again": PASSWORD}
    assert (await browser.post(f"/invitation/{invitation}", given)).status == 303
    assert (await Browser(console).get(f"/invitation/{invitation}")).status == 404
    assert (await Browser(console).post(f"/invitation/{invitation}", given)).status == 404


async def test_an_invitation_expires(tools: Tools, console: Console, clock: FakeClock) -> None:
    _, invitation = await invite(tools)
    clock.tick(days=3)
    assert (await Browser(console).get(f"/invitation/{invitation}")).status == 404


@pytest.mark.parametrize("weak", ["short", "aaaaaaaaaaaaaaaa"])
async def test_a_weak_password_is_refused(tools: Tools, console: Console, weak: str) -> None:
    _, invitation = await invite(tools)
    given = {"password": weak, "password_again": weak}
    assert (await Browser(console).post(f"/invitation/{invitation}", given)).status == 422


async def test_password_and_code_let_in_under_another_cookie(
    tools: Tools, console: Console, clock: FakeClock
) -> None:
    _, secret, _ = await enrolled(tools, console)
    clock.tick(minutes=1)
    browser = await give_password(console)
    before = browser.cookies[COOKIE]
    assert (await browser.get("/account")).headers["Location"].startswith("/sign-in/second")
    await browser.read("/sign-in/second")
    given = {"code": pyotp.TOTP(secret).at(clock()), "to": "/account"}
    answer = await browser.post("/sign-in/second", given)
    assert answer.headers["Location"] == "/account"
    assert browser.cookies[COOKIE] != before
    assert NAME in await browser.read("/account")
    stale = Browser(console, cookies={COOKIE: before})
    assert (await stale.get("/account")).headers["Location"] == "/sign-in?to=/account"


async def test_a_code_opens_once(tools: Tools, console: Console, clock: FakeClock) -> None:
    _, secret, _ = await enrolled(tools, console)
    clock.tick(minutes=1)
    code = pyotp.TOTP(secret).at(clock())
    for expected in (303, 422):
        browser = await give_password(console)
        await browser.read("/sign-in/second")
        assert (await browser.post("/sign-in/second", {"code": code})).status == expected


async def test_a_recovery_code_opens_once(tools: Tools, console: Console) -> None:
    _, _, codes = await enrolled(tools, console)
    for expected in (303, 422):
        browser = await give_password(console)
        await browser.read("/sign-in/second")
        assert (await browser.post("/sign-in/second", {"code": codes[0]})).status == expected


async def test_a_wrong_name_is_answered_as_a_wrong_password(tools: Tools, console: Console) -> None:
    await enrolled(tools, console)
    said = []
    for name, password in ((NAME, "wrong password 123"), ("Example Nobody", PASSWORD)):
        browser = Browser(console)
        await browser.read("/sign-in")
        answer = await browser.post("/sign-in", {"name": name, "password": password})
        text = await answer.text()
        said.append((answer.status, re.search("notice-title.*", text)[0]))
    assert said[0] == said[1]
    assert said[0][0] == 422


async def test_five_failures_make_even_the_right_password_wait(
    tools: Tools, console: Console, clock: FakeClock
) -> None:
    await enrolled(tools, console)
    for _ in range(5):
        await give_password(console, "wrong password 123")
    assert COOKIE not in (await give_password(console)).cookies
    clock.tick(minutes=14)
    assert COOKIE not in (await give_password(console)).cookies
    clock.tick(minutes=1, seconds=1)
    assert COOKIE in (await give_password(console)).cookies


async def test_five_wrong_codes_make_the_right_one_wait(
    tools: Tools, console: Console, clock: FakeClock
) -> None:
    _, secret, _ = await enrolled(tools, console)
    clock.tick(minutes=1)
    browser = await give_password(console)
    await browser.read("/sign-in/second")
    for _ in range(5):
        assert (await browser.post("/sign-in/second", {"code": "000000"})).status == 422
    code = pyotp.TOTP(secret).at(clock())
    assert (await browser.post("/sign-in/second", {"code": code})).status == 422


async def test_a_session_ends_when_nothing_is_done_and_at_its_end(
    signed_in: SignIn, clock: FakeClock
) -> None:
    idle = await signed_in("reader")
    clock.tick(minutes=30)
    assert (await idle.get("/")).status == 303
    busy = await signed_in("submitter")
    for _ in range(36):
        await busy.read("/")
        clock.tick(minutes=20)
    assert (await busy.get("/")).status == 303


async def test_one_ends_ones_other_sessions_and_nobody_elses(signed_in: SignIn) -> None:
    first = await signed_in("reader")
    second = await signed_in("reader", person_id=first.person_id)
    stranger = await signed_in("submitter")
    page = await second.read("/account")
    (path,) = re.findall(r"/account/sessions/\d+/end", page)
    assert (await stranger.post(path)).status == 404
    assert (await first.get("/")).status == 200
    assert (await second.post(path)).status == 303
    assert (await first.get("/")).status == 303


async def test_the_ledger_does_not_hold_what_opens_a_session(
    signed_in: SignIn, tools: Tools, console: Console
) -> None:
    browser = await signed_in("reader")
    kept = await tools.store.read(lambda conn: conn.scalar(select(sessions.c.digest)))
    assert browser.cookies[COOKIE] not in kept
    assert kept not in browser.cookies[COOKIE]
    thief = Browser(console, cookies={COOKIE: kept})
    assert (await thief.get("/account")).status == 303


async def test_a_session_that_was_signed_out_of_opens_nothing(
    signed_in: SignIn, console: Console
) -> None:
    browser = await signed_in("reader")
    token = browser.cookies[COOKIE]
    assert (await browser.post("/sign-out")).status == 303
    assert (await Browser(console, cookies={COOKIE: token}).get("/account")).status == 303


async def test_a_disabled_person_is_out_whatever_session_stands(
    signed_in: SignIn, tools: Tools
) -> None:
    browser = await signed_in("reader")
    mine = update(persons).where(persons.c.id == browser.person_id)
    await tools.store.write(lambda conn: conn.execute(mine.values(disabled_at=tools.clock())))
    assert (await browser.get("/account")).status == 303


def options_on(page: str) -> dict:
    return json.loads(unescape(re.search(r'data-options="([^"]+)"', page)[1]))


def as_json(given: dict) -> str:
    response = {
        name: bytes_to_base64url(value) if value is not None else None
        for name, value in given["response"].items()
    }
    raw = bytes_to_base64url(given["rawId"])
    return json.dumps({"id": raw, "rawId": raw, "response": response, "type": given["type"]})


async def with_passkey(tools: Tools, console: Console) -> SoftWebauthnDevice:
    _, invitation = await invite(tools)
    browser = Browser(console)
    given = {"password": PASSWORD, "password_again": PASSWORD}
    await browser.post(f"/invitation/{invitation}", given)
    options = options_on(await browser.read("/account/second-factor"))
    options["challenge"] = base64url_to_bytes(options["challenge"])
    options["user"]["id"] = base64url_to_bytes(options["user"]["id"])
    options["attestation"] = "none"
    device = SoftWebauthnDevice()
    made = device.create({"publicKey": options}, tools.console_url)
    given = {"passkey": as_json(made), "label": "Example key"}
    answer = await browser.post("/account/second-factor/passkey", given)
    assert answer.status == 200, await answer.text()
    return device


def sign(device: SoftWebauthnDevice, page: str, origin: str) -> str:
    options = options_on(page)
    options["challenge"] = base64url_to_bytes(options["challenge"])
    return as_json(device.get({"publicKey": options}, origin))


async def test_a_passkey_lets_in_and_its_answer_serves_once(tools: Tools, console: Console) -> None:
    device = await with_passkey(tools, console)
    browser = await give_password(console)
    page = await browser.read("/sign-in/second")
    signed = sign(device, page, tools.console_url)
    other = await give_password(console)
    await other.read("/sign-in/second")
    assert (await other.post("/sign-in/second", {"passkey": signed})).status == 422
    assert (await browser.post("/sign-in/second", {"passkey": signed})).status == 303
    assert NAME in await browser.read("/account")


async def test_a_passkey_of_another_origin_is_refused(tools: Tools, console: Console) -> None:
    device = await with_passkey(tools, console)
    browser = await give_password(console)
    page = await browser.read("/sign-in/second")
    signed = sign(device, page, "https://console.example.test")
    assert (await browser.post("/sign-in/second", {"passkey": signed})).status == 422


async def test_what_asks_for_the_factor_anew_gets_it_for_one_act(
    tools: Tools, console: Console, clock: FakeClock
) -> None:
    browser, secret, codes = await enrolled(tools, console)
    clock.tick(minutes=1)
    answer = await browser.post("/account/recovery")
    assert answer.headers["Location"] == "/again?to=/account"
    await browser.read("/again")
    given = {"code": pyotp.TOTP(secret).at(clock()), "to": "/account"}
    assert (await browser.post("/again", given)).headers["Location"] == "/account"
    page = await (await browser.post("/account/recovery")).text()
    assert codes[0] not in page
    assert re.search(r"<li>[a-z2-9-]{14}</li>", page)
    assert (await browser.post("/account/recovery")).headers["Location"].startswith("/again")


async def test_a_factor_given_anew_serves_its_own_session_and_for_minutes(
    tools: Tools, console: Console, clock: FakeClock
) -> None:
    there = await sign_in(tools, console, "operator")
    here = await sign_in(tools, console, "operator", person_id=there.person_id)
    first = await find(tools, there.cookies[COOKIE])
    second = await find(tools, here.cookies[COOKIE])
    assert first is not None
    assert second is not None
    await keep(tools, first.id, fresh_at=clock())
    await keep(tools, second.id, fresh_at=None)
    assert not await use_fresh_factor(tools, second)
    clock.tick(seconds=FRESH.total_seconds())
    assert not await use_fresh_factor(tools, first)
    await keep(tools, first.id, fresh_at=clock())
    assert await use_fresh_factor(tools, first)
    assert not await use_fresh_factor(tools, first)
