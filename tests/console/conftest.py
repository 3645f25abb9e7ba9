"""The console over a real socket, with people of every role signed in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import ClientResponse, DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page
from sqlalchemy import Connection

from alertd.console.app import add_console
from alertd.pipeline import credentials, persons, sessions
from alertd.pipeline.sessions import Factor, Stage
from alertd.settings import embedded
from alertd.tools import CONSOLE, Tools
from alertd.watch.watcher import Watcher
from alertd.web import make_api_app
from tests.console.chromium import DESKTOP, chromium, open_page
from tests.factories import child_facts
from tests.web.conftest import *  # noqa: F403 - the same ledger and people
from tests.web.conftest import PEOPLE, Activate, Deliver, Live, Submit

COOKIE = "__Host-alertd_session"
ANOTHER = {"not_a_duplicate_because": "Fictional."}
STAFF = {**PEOPLE, "administrator": {"administrator": False}}


@dataclass
class Browser:
    """Keeps one session's cookie and fills in the forms' token."""

    client: TestClient[Any, Any]
    person_id: int = 0
    cookies: dict[str, str] = field(default_factory=dict, repr=False)
    csrf: str = field(default="", repr=False)

    async def get(self, path: str, **kwargs: Any) -> ClientResponse:
        return await self.ask("GET", path, **kwargs)

    async def read(self, path: str) -> str:
        answer = await self.get(path)
        text = await answer.text()
        assert answer.status == 200, (answer.status, path, text[:500])
        return text

    async def post(self, path: str, data: Any = None, **kwargs: Any) -> ClientResponse:
        """Send a form with the token that this browser's pages carry."""
        if not self.csrf:
            await self.get("/sign-in")
        filled = {"csrf": self.csrf, **data} if isinstance(data, dict) else data
        return await self.ask("POST", path, data=filled or {"csrf": self.csrf}, **kwargs)

    async def ask(self, method: str, path: str, **kwargs: Any) -> ClientResponse:
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Accept": "text/html", **({"Cookie": jar} if jar else {})}
        headers |= kwargs.pop("headers", {})
        answer = await self.client.request(
            method, path, headers=headers, allow_redirects=False, **kwargs
        )
        for name, morsel in answer.cookies.items():
            self.cookies[name] = morsel.value
        if answer.content_type == "text/html":
            found = re.search(r'name="csrf" content="([0-9a-f]+)"', await answer.text())
            self.csrf = found[1] if found else self.csrf
        return answer


@pytest.fixture
async def console(tools: Tools) -> AsyncIterator[TestClient[Any, Any]]:
    app = make_api_app(tools)
    add_console(app, tools, {"watcher": Watcher(tools, embedded().watch)})
    # Browsers keep their cookies themselves: several share a client.
    async with TestClient(TestServer(app), cookie_jar=DummyCookieJar()) as client:
        yield client


async def enter(tools: Tools, name: str, roles: dict[str, bool]) -> int:
    person = persons.NewPerson(name=name, language="en", roles=roles)
    return await persons.create(tools, CONSOLE, person)


SignIn = Callable[..., Awaitable[Browser]]


async def sign_in(
    tools: Tools,
    client: TestClient[Any, Any],
    role: str,
    stage: Stage = Stage.FULL,
    person_id: int | None = None,
) -> Browser:
    """Enter a person and open a session of theirs, as if both factors had been given."""
    number = person_id or await enter(tools, f"Example console {role}", STAFF[role])

    def work(conn: Connection) -> str:
        credentials.ensure(conn, number)
        return sessions.open_session(
            conn, number, stage, Factor.TOTP, agent="test", at=tools.clock()
        )

    token = await tools.store.write(work)
    browser = Browser(client, number, {COOKIE: token})
    await browser.get("/")
    return browser


@pytest.fixture
def signed_in(tools: Tools, console: TestClient[Any, Any]) -> SignIn:
    async def run(role: str, stage: Stage = Stage.FULL, *, person_id: int | None = None) -> Browser:
        return await sign_in(tools, console, role, stage, person_id)

    return run


@dataclass
class Desk:
    """A real browser at a console over plain HTTP."""

    chromium: Chromium
    url: str
    tools: Tools
    token: str = field(default="", repr=False)  # of whoever sits there, if nobody else is named

    async def open(
        self,
        language: str = "en",
        size: tuple[int, int] = DESKTOP,
        *,
        person: Browser | None = None,
        **options: Any,
    ) -> Page:
        token = person.cookies[COOKIE] if person else self.token
        if token:
            session = await sessions.find(self.tools, token)
            assert session is not None
            await sessions.keep(self.tools, session.id, language=language)
        cookie = ("alertd_session", token or "nobody")
        return await open_page(self.chromium, self.url, cookie, language, size, **options)


@asynccontextmanager
async def desk_at(tools: Tools) -> AsyncIterator[Desk]:
    app = make_api_app(tools)
    local = replace(tools, console_url="http://127.0.0.1")
    add_console(app, local, {"watcher": Watcher(local, embedded().watch)})
    async with TestServer(app) as server, chromium() as opened:
        yield Desk(opened, f"http://127.0.0.1:{server.port}", tools)


@pytest.fixture
async def desk(tools: Tools) -> AsyncIterator[Desk]:
    async with desk_at(tools) as made:
        yield made


@dataclass
class Cases:
    """Alerts to look at, by what has become of them."""

    waiting: str
    live: str


@pytest.fixture
async def cases(
    submit: Submit,
    live: Live,
    activate: Activate,
    deliver: Deliver,
    photo: Callable[[str], Awaitable[str]],
) -> Cases:
    """An actual alert that waits and one that is out, beside an exercise that is."""
    exercise = await submit(case_reference="EX-2026-0002", children=[child_facts(name="Example")])
    await activate(exercise)
    await deliver()
    other = child_facts(name="Example Other", age=15)
    out = await live(case_reference="EX-2026-0003", children=[other], **ANOTHER)
    child = child_facts(photo=await photo("steelblue"))
    return Cases(await submit(status="actual", children=[child], **ANOTHER), out)
