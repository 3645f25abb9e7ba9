"""A night at the console: one alert out to everybody, two to be approved, two forms at hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import DummyCookieJar, FormData
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import Connection, insert, text, update

from alertd.anchors import Signer
from alertd.console.app import add_console
from alertd.console.officials.fields import Step, step_of
from alertd.console.officials.filling import filled
from alertd.core.delivery import State
from alertd.pipeline.rule_sets import register_all
from alertd.publishing.press import Press
from alertd.settings import embedded
from alertd.store.schema import dispatches, to_micros
from alertd.store.schema.accounts import person_regions
from alertd.tools import Tools
from alertd.watch.watcher import Watcher
from alertd.web import make_api_app, make_public_app
from tests.benchmarks.crowd import age, analyze, deliver, fill
from tests.console.conftest import STAFF as ROLES
from tests.console.conftest import Browser, enter, sign_in
from tests.console.officials.conftest import begin, fields_of, freshen
from tests.console.officials.conftest import fill as fill_in
from tests.factories import child_facts, make_alert
from tests.web.conftest import Sink, picture, settle_queued

APPROVERS = ("police", "prosecutor", "activation")
STAFF = ("submitter", *APPROVERS, "operator", "reader", "administrator")
REGIONAL = "regional operator"  # of the two regions whose recipients there are
SYNTHETIC = 3  # alerts; the fourth is the one that the pages show
_AFTER = 100_000_000  # where the deliveries of the big alert are numbered from
_NUMBERED = ("persons", "addresses", "recipients", "versions", "dispatches", "deliveries")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Who is there, and where the pages are that they look at."""

    tools: Tools
    press: Press
    public: TestClient[Any, Any]
    people: Mapping[str, Browser]
    live: str  # page of the alert that is out; an update of it waits
    waiting: str  # page of one that waits for its last approval
    form: str
    update_form: str
    photo: str  # digest

    async def freshen(self) -> None:
        """Give everybody's second factor anew: some pages ask for one of these minutes."""
        for browser in self.people.values():
            await freshen(self.tools, browser)


@asynccontextmanager
async def played(tools: Tools, count: int, *, entries: int, past: int) -> AsyncIterator[Scene]:
    """Fill the ledger with `count` deliveries, and serve console and public side on it."""
    press = Press(tools, Signer(bytes(32)))
    api = make_api_app(tools)
    add_console(api, tools, {"watcher": Watcher(tools, embedded().watch)})
    async with AsyncExitStack() as stack:

        async def serve(app: Any) -> TestClient[Any, Any]:
            client = TestClient(TestServer(app), cookie_jar=DummyCookieJar())
            return await stack.enter_async_context(client)

        console = await serve(api)
        public = await serve(make_public_app(tools, Sink(), press))
        await register_all(tools)
        await tools.store.write(_fill, count, entries, past)
        yield await _play(tools, press, console, public, count // (SYNTHETIC + 1))


def _fill(conn: Connection, count: int, entries: int, past: int) -> None:
    if conn.dialect.name == "postgresql":
        conn.execute(text("SET LOCAL statement_timeout = 0"))
    fill(conn, count * SYNTHETIC // (SYNTHETIC + 1), alerts=SYNTHETIC)
    conn.execute(text("UPDATE alerts SET programme = 'amber-alert-hellas'"))
    age(conn, entries, past)
    _number_on(conn)


def _number_on(conn: Connection) -> None:
    """Let PostgreSQL number on after the rows that brought their own numbers."""
    if conn.dialect.name == "postgresql":
        for table in _NUMBERED:
            newest = f"(SELECT max(id) FROM {table})"
            conn.execute(text(f"SELECT setval('{table}_id_seq', {newest})"))


async def _play(
    tools: Tools,
    press: Press,
    console: TestClient[Any, Any],
    public: TestClient[Any, Any],
    crowd: int,
) -> Scene:
    people = {role: await sign_in(tools, console, role) for role in STAFF}
    bounded = await enter(tools, "Example regional operator", ROLES["operator"])
    await tools.store.write(_bound, bounded)
    people[REGIONAL] = await sign_in(tools, console, "operator", person_id=bounded)
    author = people["submitter"]
    live = await _submit(tools, author, case_reference="EX-2026-0001")
    for role in APPROVERS:
        await _approve(tools, people[role], live, role)
    await tools.store.write(settle_queued, "feed", State.DELIVERED, to_micros(tools.clock()))
    await tools.store.write(_send, live.rpartition("/")[2], crowd)
    other = [child_facts(name="Example Child", age=5, clothing="blue coat")]
    waiting = await _submit(tools, author, case_reference="EX-2026-0002", children=other)
    for role in APPROVERS[:-1]:
        await _approve(tools, people[role], waiting, role)
    update_form = await _update_form(tools, author, live)
    third = [child_facts(name="Example Third", age=7, clothing="green coat")]
    form = await _fill_in(tools, author, case_reference="EX-2026-0003", children=third)
    photo = fields_of(await author.read(f"{form}/who"), "children.0.photo")[0]
    await tools.store.write(analyze)
    return Scene(
        tools=tools,
        press=press,
        public=public,
        people=people,
        live=live,
        waiting=waiting,
        form=form,
        update_form=update_form,
        photo=photo,
    )


async def _submit(tools: Tools, author: Browser, **changes: Any) -> str:
    path = await _fill_in(tools, author, **changes)
    other = {"not_a_duplicate_because": "Fictional example: not the same child."}
    answer = await author.post(f"{path}/check/send", other)
    assert answer.status == 303, await answer.text()
    return answer.headers["Location"]


async def _fill_in(tools: Tools, author: Browser, **changes: Any) -> str:
    """Fill in a form to its end, with a photo."""
    alert = make_alert(tools.clock(), **changes)
    path = await begin(author)
    await fill_in(author, path, alert, tools)
    revision = fields_of(await author.read(f"{path}/who"), "revision")[0]
    form = FormData({"csrf": author.csrf, "revision": revision, "go": "next"})
    for name, values in filled(alert, tools.rulebook.current(alert.programme)).items():
        if step_of(name) is Step.WHO:
            form.add_field(name, values[0])
    form.add_field("upload.0", picture(), filename="example.jpg", content_type="image/jpeg")
    answer = await author.post(f"{path}/who", form)
    assert answer.status == 303, await answer.text()
    return path


async def _approve(tools: Tools, browser: Browser, page: str, role: str) -> None:
    await freshen(tools, browser)
    shown = await browser.read(f"{page}/approve/{role}")
    given = {"digest": fields_of(shown, "digest")[0], "reference": "EX 1/2026"}
    answer = await browser.post(f"{page}/approve/{role}", given)
    assert answer.status == 303, await answer.text()


async def _update_form(tools: Tools, author: Browser, page: str) -> str:
    begun = await author.post(f"{page}/update", {})
    path = begun.headers["Location"].rpartition("/")[0]
    facts = make_alert(tools.clock(), area={"regions": ["GR-I", "GR-B"]})
    await fill_in(author, path, facts, tools)
    return path


def _send(conn: Connection, alert_id: str, count: int) -> None:
    """Bring the alert to everybody, as if workers had done it."""
    mine = (dispatches.c.alert_id == alert_id) & (dispatches.c.kind == "alert")
    sent = update(dispatches).where(mine).values(expanded_at=dispatches.c.sent_at)
    number = conn.scalars(sent.returning(dispatches.c.id)).one()
    if conn.dialect.name == "postgresql":
        conn.execute(text("SET LOCAL statement_timeout = 0"))
    deliver(conn, number, count, base=_AFTER, last=True)
    _number_on(conn)


def _bound(conn: Connection, person_id: int) -> None:
    """Bind a person to regions."""
    rows = [{"person_id": person_id, "region": region} for region in ("GR-I", "GR-B")]
    conn.execute(insert(person_regions), rows)
