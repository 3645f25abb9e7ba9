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


async def test_every_answer_forbids_frames_inline_script_and_guessing(
    signed_in: SignIn,
) -> None:
    browser = await signed_in("reader")
    for path in ("/", "/style", "/sign-in", "/no-such-page", "/static/console.css"):
        headers = (await browser.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy, path
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"


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
        "http://[evil.example.test",
    ],
)
async def test_no_form_sends_on_to_another_host(console: Console, to: str) -> None:
    browser = Browser(console)
    answer = await browser.post("/language", {"language": "el", "to": to})
    assert answer.headers["Location"] == "/"


async def test_too_large_a_form_is_refused(signed_in: SignIn) -> None:
    browser = await signed_in("reader")
    answer = await browser.post("/language", {"language": "el", "to": "x" * 300_000})
    assert answer.status == 413
