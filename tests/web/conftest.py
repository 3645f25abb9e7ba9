"""A whole API and a whole public side over real sockets, with a real ledger behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image
from sqlalchemy import Connection, select

from alertd import plugins
from alertd.anchors import Signer
from alertd.atlas import load_atlas
from alertd.channel import Channel, Environment, Report
from alertd.core.delivery import State
from alertd.core.regions import Atlas
from alertd.pipeline import persons
from alertd.pipeline.render import Renderer
from alertd.publishing.press import Press
from alertd.resources import home
from alertd.rulebook import Rulebook
from alertd.store import ledger
from alertd.store.schema import deliveries, to_micros
from alertd.store.store import Store
from alertd.templating import Templates
from alertd.tools import CONSOLE, Tools
from alertd.vault import open_vault
from alertd.web import make_api_app, make_public_app
from tests.conftest import FakeClock
from tests.factories import alert_facts

PUBLIC_URL = "https://alerts.example.org"
SENDER = "alerts@example.org"
AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
CHANNELS: Mapping[str, Mapping[str, Any]] = {
    "sms": {"account_sid": "AC" + "0" * 32, "auth_token": AUTH_TOKEN, "sender": "Example"},
    "email": {"host": "127.0.0.1", "tls": "none", "sender": "alerts@example.org"},
    "webhook": {},
    "feed": {},
}
PEOPLE = {
    "submitter": {"submitter": False},
    "police": {"police": False},
    "prosecutor": {"prosecutor": False},
    "activation": {"activation": False},
    "operator": {"operator": False},
    "reader": {"reader": False},
    "nobody": {"visitor": False},
}


both_databases = pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def store_url(request: pytest.FixtureRequest) -> str:
    """Give SQLite, unless a test asks for `both_databases`."""
    name = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}
    url: str = request.getfixturevalue(name[getattr(request, "param", "sqlite")])
    return url


@pytest.fixture
def channels() -> dict[str, Channel]:
    environment = Environment(public_url=PUBLIC_URL, sender_domain="example.org")
    return plugins.load(CHANNELS, environment)


@pytest.fixture(scope="session")
def atlas() -> Atlas:
    return load_atlas(home("config") / "regions")


@pytest.fixture(scope="session")
def templates() -> Templates:
    return Templates()


@pytest.fixture
def renderer(channels: dict[str, Channel], atlas: Atlas, templates: Templates) -> Renderer:
    return Renderer(
        channels=channels,
        atlas=atlas,
        public_url=PUBLIC_URL,
        sender=SENDER,
        templates=templates,
    )


@pytest.fixture
async def tools(
    store: Store, clock: FakeClock, renderer: Renderer, tmp_path: Path
) -> AsyncIterator[Tools]:
    async with open_vault(f"sqlite:///{tmp_path}/keys.db", bytes(32)) as vault:
        yield Tools(
            store=store,
            vault=vault,
            rulebook=Rulebook.load(home("config") / "rulesets"),
            atlas=renderer.atlas,
            renderer=renderer,
            channels=renderer.channels,
            uncertain={},
            clock=clock,
            public_url=PUBLIC_URL,
            console_url="https://console.example.org",
            install="example",
            sender=SENDER,
            end_deadline=timedelta(hours=24),
        )


@dataclass
class Person:
    """An official at the API; speaks JSON."""

    client: TestClient[Any, Any]
    token: str = field(repr=False)

    async def get(self, path: str, **kwargs: Any) -> ClientResponse:
        return await self.ask("GET", path, **kwargs)

    async def post(self, path: str, json: Any = None, **kwargs: Any) -> ClientResponse:
        return await self.ask("POST", path, **({} if json is None else {"json": json}), **kwargs)

    async def ask(self, method: str, path: str, **kwargs: Any) -> ClientResponse:
        headers = {"Authorization": f"Bearer {self.token}", **kwargs.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **kwargs)


@dataclass
class Sink:
    """Keeps the reports that callbacks gave."""

    reports: list[Report] = field(default_factory=list)

    async def put(self, report: Report) -> None:
        self.reports.append(report)


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
async def api(tools: Tools) -> AsyncIterator[TestClient[Any, Any]]:
    async with TestClient(TestServer(make_api_app(tools, body_bytes=256 * 1024))) as client:
        yield client


@pytest.fixture
def press(tools: Tools) -> Press:
    return Press(tools, Signer(bytes(32)))


@pytest.fixture
async def public(tools: Tools, sink: Sink, press: Press) -> AsyncIterator[TestClient[Any, Any]]:
    async with TestClient(TestServer(make_public_app(tools, sink, press))) as client:
        yield client


@pytest.fixture
async def people(tools: Tools, api: TestClient[Any, Any]) -> dict[str, Person]:
    found = {}
    for name, roles in PEOPLE.items():
        official = persons.NewPerson(name=f"Example {name}", language="en", roles=roles)
        number = await persons.create(tools, CONSOLE, official)
        minted = await persons.mint(
            tools, CONSOLE, number, label="test", lifetime=timedelta(hours=8)
        )
        found[name] = Person(api, minted.token)
    return found


Submit = Callable[..., Awaitable[str]]


@pytest.fixture
def facts(clock: FakeClock) -> Callable[..., dict[str, Any]]:
    return lambda **changes: alert_facts(clock(), **changes)


@pytest.fixture
def submit(people: dict[str, Person], facts: Callable[..., dict[str, Any]]) -> Submit:
    """Submit an alert as an official would; gives its id."""

    async def run(**changes: Any) -> str:
        answer = await people["submitter"].post("/api/v1/alerts", facts(**changes))
        said = await answer.json()
        assert answer.status == 201, said
        return str(said["id"])

    return run


Activate = Callable[[str], Awaitable[None]]
APPROVALS: Sequence[tuple[str, str]] = (
    ("police", ""),
    ("prosecutor", "EX 12/2026"),
    ("activation", ""),
)


@pytest.fixture
def activate(people: dict[str, Person]) -> Activate:
    """Give every approval that an alert needs."""

    async def run(alert_id: str) -> None:
        for name, reference in APPROVALS:
            shown = await (await people[name].get(f"/api/v1/alerts/{alert_id}/renditions")).json()
            for role in shown["you_may_approve_as"]:
                given = {"role": role, "digest": shown["digest"]}
                given |= {"reference": reference} if reference else {}
                answer = await people[name].post(f"/api/v1/alerts/{alert_id}/approvals", given)
                assert answer.status == 201, await answer.json()

    return run


def settle_queued(
    conn: Connection, channel: str, state: State, now: int, was: State = State.QUEUED
) -> int:
    """Settle what is queued on a channel as a worker would; gives how many that were."""
    rows = conn.execute(
        select(deliveries).where(deliveries.c.channel == channel, deliveries.c.state == was)
    ).all()
    counts: Counter[ledger.ProgressKey] = Counter()
    changes = []
    for row in rows:
        ledger.moved(counts, (row.dispatch_id, row.channel, row.region), was, state)
        changes.append(
            ledger.Change(
                id=row.id,
                was=was,
                state=state,
                next_at=now,
                attempts=1,
                reason="rejected" if state is State.DEAD else None,
                sent_at=None if state is State.DEAD else now,
                delivered_at=now if state is State.DELIVERED else None,
            )
        )
    ledger.change(conn, changes)
    ledger.add_progress(conn, counts, now)
    return len(rows)


Deliver = Callable[..., Awaitable[int]]


@pytest.fixture
def deliver(tools: Tools) -> Deliver:
    """Settle what is queued on a channel as a worker would; gives how many that were."""

    async def run(
        channel: str = "feed", state: State = State.DELIVERED, was: State = State.QUEUED
    ) -> int:
        now = to_micros(tools.clock())
        return await tools.store.write(settle_queued, channel, state, now, was)

    return run


Live = Callable[..., Awaitable[str]]
NAMES = ("Παραδειγματίδου", "Μαρία", "red jacket", "XXX-0000")


def picture(colour: str = "red") -> bytes:
    """Give a photo of nobody."""
    out = BytesIO()
    Image.new("RGB", (1000, 500), colour).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def live(submit: Submit, activate: Activate, deliver: Deliver) -> Live:
    """Bring a real alert before the public; gives its id."""

    async def run(**changes: Any) -> str:
        alert_id = await submit(**{"status": "actual", **changes})
        await activate(alert_id)
        await deliver()
        return alert_id

    return run


@pytest.fixture
def amend(
    people: dict[str, Person], activate: Activate, deliver: Deliver, facts: Any
) -> Callable[..., Any]:
    """Bring an update of an alert before the public."""

    async def run(alert_id: str, **changes: Any) -> None:
        answer = await people["submitter"].post(
            f"/api/v1/alerts/{alert_id}/updates", facts(status="actual", **changes)
        )
        assert answer.status == 201, await answer.text()
        await activate(alert_id)
        await deliver()

    return run


@pytest.fixture
def end(people: dict[str, Person]) -> Callable[..., Any]:
    """End an alert as the police would."""

    async def run(alert_id: str, code: str = "found") -> None:
        form = {"reason_code": code, "why": "An example.", "confirm": True}
        answer = await people["police"].post(f"/api/v1/alerts/{alert_id}/end", form)
        assert answer.status == 200, await answer.text()

    return run


@pytest.fixture
def photo(people: dict[str, Person]) -> Callable[..., Awaitable[str]]:
    """Take a picture in; gives the digest that an alert names."""

    async def run(colour: str = "red") -> str:
        headers = {"Content-Type": "image/jpeg"}
        answer = await people["submitter"].post(
            "/api/v1/photos", data=picture(colour), headers=headers
        )
        said = await answer.json()
        assert answer.status == 201, said
        return str(said["digest"])

    return run


async def get(public: TestClient[Any, Any], path: str) -> str:
    answer = await public.get(path)
    assert answer.status == 200, f"{path}: {await answer.text()}"
    return await answer.text()
