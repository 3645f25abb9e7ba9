"""Every page by every role, and what each answer carries."""

from __future__ import annotations

import asyncio
import re

import pytest
import structlog
from aiohttp.test_utils import TestClient as Console

from alertd.console.app import PAGES
from alertd.console.pages import Page
from alertd.console.permissions import May, permitted
from alertd.pipeline.sessions import Stage
from alertd.resources import home
from alertd.rulebook import Rulebook
from tests.conftest import FakeClock
from tests.console.conftest import COOKIE, STAFF, Browser, SignIn

RULEBOOK = Rulebook.load(home("config") / "rulesets")


@pytest.mark.parametrize("language", ["el", "en"])
async def test_home_and_style_open(signed_in: SignIn, language: str) -> None:
    browser = await signed_in("reader")
    for path in ("/", "/style", "/style?mode=actual", "/style?mode=exercise"):
        answer = await browser.get(path, headers={"Accept-Language": language})
        assert answer.status == 200, (await answer.text())[:2000]


def address(page: Page) -> str:
    found = page.path
    for name, value in {"id": "0000000000000000000a", "number": "999999"}.items():
        found = found.replace(f"{{{name}}}", value)
    return re.sub(r"\{\w+\}", "sms", found)


INSIDE = [page for page in PAGES if page.needs not in {May.ANYONE, May.SECOND_FACTOR, May.ENROL}]
STREAMS = ("stream", "events")
APPROVERS = {"police", "prosecutor", "activation"}
AT_WORK = {"submitter", *APPROVERS, "operator", "reader"}
WHO = (
    (r"\w+ /(people|rules)\b", {"administrator"}),
    (r"\w+ /(again|account)\b", set(STAFF)),
    (r"\w+ /$", set(STAFF)),
    (r"\w+ /style", {"reader"}),
    (r"GET /board", {"operator", "reader"}),
    (r"POST /(board|log/{number}/address)", {"operator"}),
    (r"\w+ /(dead-letters|recipients|release)\b", {"operator"}),
    (r"GET /audit", AT_WORK - {"submitter"} | {"administrator"}),
    (r"\w+ /(log|alerts/{id}/(report|events|progress|live))\b", AT_WORK),
    (r"GET /alerts(/{id})?$", AT_WORK),
    (r"\w+ /(submit|alerts/{id}/(edit|update|template))\b", {"submitter"}),
    (r"\w+ /alerts/{id}/(photo|preview|frames|counted|reject)\b", {"submitter", *APPROVERS}),
    (r"\w+ /alerts/{id}/(end|approve|return)\b", APPROVERS),
)
"""Who may open what, told a second time: a change of the table has to be meant. The first holds."""


@pytest.mark.parametrize("page", INSIDE, ids=lambda page: page.name)
def test_a_page_is_open_to_whom_it_is_meant_for(page: Page) -> None:
    named = f"{page.method} {page.path}"
    meant = next(roles for path, roles in WHO if re.match(path, named))
    open_to = {role for role in STAFF if page.needs in permitted(STAFF[role], RULEBOOK)}
    assert open_to == meant


def test_nothing_but_the_way_in_is_open_to_strangers() -> None:
    found = {page.path for page in PAGES if page not in INSIDE}
    way_in = {"/sign-in", "/sign-in/second", "/sign-in/provider", "/sign-in/provider/callback"}
    first = {"/invitation/{code}", "/account/second-factor"}
    kinds = {"/account/second-factor/totp", "/account/second-factor/passkey"}
    assert found == {"/language", "/sign-out", *way_in, *first, *kinds}


@pytest.mark.parametrize("role", list(STAFF))
async def test_every_page_is_open_to_its_roles_alone(signed_in: SignIn, role: str) -> None:
    browser = await signed_in(role)
    for page in INSIDE:
        if page.path.rpartition("/")[2] in STREAMS:
            continue
        at = address(page)
        answer = await (browser.get(at) if page.method == "GET" else browser.post(at))
        allowed = page.needs in permitted(STAFF[role], RULEBOOK)
        assert (answer.status != 403) is allowed, (role, page.name, answer.status)
        assert answer.status < 500, (role, page.name, (await answer.text())[:1500])


def strangers(console: Console, half: Browser) -> list[Browser]:
    return [
        Browser(console),
        Browser(console, cookies={COOKIE: "forged"}),
        Browser(console, cookies={COOKIE: "x" * 5000}),
        half,
    ]


async def test_no_page_opens_without_a_whole_session_that_holds(
    signed_in: SignIn, console: Console, clock: FakeClock
) -> None:
    expired = await signed_in("operator")
    clock.tick(hours=12)
    half = await signed_in("submitter", Stage.HALF)
    enrolling = await signed_in("reader", Stage.ENROLLING)
    for browser in (*strangers(console, half), enrolling, expired):
        for page in INSIDE:
            answer = await browser.ask(page.method, address(page))
            assert answer.status == 303, (page.name, answer.status)
            assert answer.headers["Location"].startswith(("/sign-in", "/account/second-factor"))


async def test_no_second_factor_is_chosen_by_whoever_has_one_and_gave_only_the_password(
    signed_in: SignIn, console: Console
) -> None:
    half = await signed_in("submitter", Stage.HALF)
    for page in (each for each in PAGES if each.needs is May.ENROL):
        for browser, to in ((half, "/sign-in/second"), (Browser(console), "/sign-in")):
            answer = await browser.post(address(page))
            answer = await browser.ask(page.method, address(page), data={"csrf": browser.csrf})
            assert answer.status == 303, page.name
            assert answer.headers["Location"].partition("?")[0] == to


async def test_a_form_without_the_sessions_own_token_does_nothing(signed_in: SignIn) -> None:
    mine = await signed_in("administrator")
    other = await signed_in("reader")
    for page in INSIDE:
        if page.method != "POST" or page.needs not in permitted(["administrator"], RULEBOOK):
            continue
        for token in ("", "0" * 64, other.csrf):
            answer = await mine.ask("POST", address(page), data={"csrf": token})
            assert answer.status == 403, (page.name, answer.status)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example.test"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://[evil.example.test"},
    ],
)
async def test_a_form_of_another_site_does_nothing_even_with_the_token(
    signed_in: SignIn, headers: dict[str, str]
) -> None:
    browser = await signed_in("reader")
    with structlog.testing.capture_logs() as logs:
        answer = await browser.post("/language", {"language": "el"}, headers=headers)
    assert answer.status == 403
    assert "This form is no longer valid" in await answer.text()
    assert [line for line in logs if line["log_level"] == "error"] == []


async def test_a_token_that_is_no_text_is_a_forged_one(console: Console) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", console.server.port)
    head = b"POST /language HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n"
    writer.write(head + b"X-CSRF-Token: \xe9\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 403")
    writer.close()


POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "frame-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}
OTHERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


async def test_every_answer_forbids_frames_foreign_script_and_guessing(signed_in: SignIn) -> None:
    browser = await signed_in("reader")
    for path in ("/", "/style", "/sign-in", "/no-such-page", "/static/console.css"):
        headers = (await browser.get(path)).headers
        assert set(headers["Content-Security-Policy"].split("; ")) == POLICY, path
        assert OTHERS.items() <= headers.items(), path


async def test_no_page_is_kept_by_whoever_passes_it_on(signed_in: SignIn) -> None:
    browser = await signed_in("reader")
    for path in ("/", "/account", "/no-such-page"):
        assert (await browser.get(path)).headers["Cache-Control"] == "no-store"


async def test_no_page_holds_inline_style_or_script(signed_in: SignIn) -> None:
    browser = await signed_in("reader")
    for path in ("/", "/style", "/account", "/account/second-factor"):
        page = await browser.read(path)
        assert not re.search(r"\sstyle=|\son\w+=|<script>|<style", page), path


async def test_cookies_are_for_this_host_alone_and_out_of_scripts_reach(
    console: Console,
) -> None:
    answer = await console.get("/sign-in", headers={"Accept": "text/html"})
    (cookie,) = answer.headers.getall("Set-Cookie")
    for part in ("__Host-", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example.test/",
        "//evil.example.test/",
        "/\\evil.example.test/",
        "javascript:alert(1)",
        "\t//evil.example.test",
        "/\t/evil.example.test",
        "/\n/evil.example.test",
        "http://[evil.example.test",
    ],
)
async def test_no_form_sends_on_to_another_host(console: Console, to: str) -> None:
    browser = Browser(console)
    answer = await browser.post("/language", {"language": "el", "to": to})
    assert answer.headers["Location"] == "/"
