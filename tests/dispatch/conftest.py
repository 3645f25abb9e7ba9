"""A whole alertd in one process, between stand-ins of the outside world, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from alertd import node
from alertd.app import App
from alertd.core.alert import ChildAlert
from alertd.demo.smtp import SmtpSink
from alertd.demo.twilio import ACCOUNT_SID, AUTH_TOKEN, FakeTwilio
from alertd.demo.webhooks import WebhookSink
from alertd.pipeline import persons
from alertd.pipeline.approve import approve, preview
from alertd.pipeline.expand import pending
from alertd.pipeline.submit import submit
from alertd.settings import Settings, embedded
from alertd.store.schema import (
    addresses,
    deliveries,
    dispatches,
    recipient_regions,
    recipients,
)
from alertd.tools import CONSOLE, Actor, Tools
from tests.factories import alert_facts

ROLES = ("police", "prosecutor", "ngo")


@pytest.fixture(scope="session", autouse=True)
def read_once() -> Iterator[None]:
    """Let every alertd of these tests share what is the same in all, and changed by none."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("load_atlas", "Templates"):
            patch.setattr(node, name, cache(getattr(node, name)))
        yield


@dataclass
class Peers:
    twilio: FakeTwilio
    smtp: SmtpSink
    webhooks: WebhookSink


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    async with FakeTwilio() as twilio, SmtpSink() as smtp, WebhookSink() as webhooks:
        yield Peers(twilio, smtp, webhooks)


@pytest.fixture
def settings(peers: Peers, store_url: str, tmp_path: Path, unused_tcp_port: int) -> Settings:
    return embedded(
        {
            "data_dir": str(tmp_path),
            "database": {"url": store_url},
            "public_url": f"http://127.0.0.1:{unused_tcp_port}",
            "public": {"port": unused_tcp_port},
            "api": {"port": 0},
            "outbound": {"allow_addresses": ["127.0.0.0/8"]},
            "dispatch": {"lease_s": 5, "drain_s": 2},
            "channels": {
                "feed": {},
                "sms": {
                    "account_sid": ACCOUNT_SID,
                    "auth_token": AUTH_TOKEN,
                    "sender": "Example",
                    "base_url": peers.twilio.url,
                    "rate_per_s": 5000,
                    "price": 0.045,
                    "timeout_s": 1,
                },
                "email": {
                    "host": "127.0.0.1",
                    "port": peers.smtp.smtp_port,
                    "tls": "none",
                    "sender": "alerts@example.org",
                    "timeout_s": 1,
                },
                "webhook": {"http_hosts": ["127.0.0.1"], "timeout_s": 1},
                "websub": {"http_hosts": ["127.0.0.1"], "timeout_s": 1},
            },
        }
    )


@dataclass
class Town:
    """alertd at work, with officials who can submit and approve."""

    app: App
    tools: Tools
    peers: Peers
    officials: Mapping[str, Actor] = field(default_factory=dict)

    async def populate(self, count: int, *, exercise: bool = True, region: str = "GR-I") -> None:
        """Give the region `count` recipients on each channel."""
        await self.tools.store.write(
            _populate, self.tools, count, self.peers.webhooks.url, exercise, region
        )

    async def send(self, **changes: Any) -> str:
        """Submit an alert and give every approval; gives its id."""
        alert_id = await self.submit(**changes)
        await self.approve(alert_id)
        return alert_id

    async def submit(self, **changes: Any) -> str:
        alert = ChildAlert.model_validate(alert_facts(datetime.now(UTC), **changes))
        return (await submit(self.tools, self.officials["submitter"], alert)).alert_id

    async def approve(self, alert_id: str, roles: Sequence[str] = ROLES) -> None:
        for role in roles:
            actor, as_role = self.officials[role], _role(role)
            shown = await preview(self.tools, actor, alert_id, role=as_role)
            given = {"role": as_role, "digest": shown.digest, "reference": "EX 1/2026"}
            await approve(self.tools, actor, alert_id, **given)

    async def states(self, alert_id: str) -> dict[str, dict[str, int]]:
        """Count deliveries per channel and state, from the rows themselves."""
        return await self.tools.store.read(_states, alert_id)

    async def settled(self, alert_id: str, timeout_s: float = 20) -> dict[str, dict[str, int]]:
        """Wait until nothing of the alert is queued or in hand; gives the states."""
        async with asyncio.timeout(timeout_s):
            while True:
                states = await self.states(alert_id)
                busy = any(each.keys() & {"queued", "leased"} for each in states.values())
                if not busy and not await self.tools.store.read(pending):
                    return await self.states(alert_id)
                await asyncio.sleep(0.02)


def _role(name: str) -> str:
    return {"ngo": "activation"}.get(name, name)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[App]:
    stop = asyncio.Event()
    async with App.open(settings) as app:
        serving = asyncio.create_task(app.serve(stop))
        ready = asyncio.create_task(app.ready.wait())
        await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        try:
            yield app
        finally:
            ready.cancel()
            stop.set()
            await serving


@pytest.fixture
async def town(settings: Settings, peers: Peers) -> AsyncIterator[Town]:
    async with running(settings) as app:
        yield Town(app, app.tools, peers, await make_officials(app.tools))


async def make_officials(
    tools: Tools, roles: Sequence[str] = ("submitter", *ROLES)
) -> dict[str, Actor]:
    officials = {}
    for role in roles:
        person = persons.NewPerson(
            name=f"Example {role}", language="en", roles={_role(role): False}
        )
        number = await persons.create(tools, CONSOLE, person)
        officials[role] = Actor(number, person.name, frozenset({_role(role)}))
    return officials


def _populate(
    conn: Connection, tools: Tools, count: int, sink: str, exercise: bool, region: str
) -> None:
    now = tools.clock()
    base = (
        conn.execute(select(addresses.c.id).order_by(addresses.c.id.desc()).limit(1)).scalar() or 0
    )
    made = {
        "sms": [f"+30690{base + n:07}" for n in range(count)],
        "email": [f"reader{base + n}@example.org" for n in range(count)],
        "webhook": [f"{sink}/hook/{base + n}" for n in range(count)],
    }
    secret = tools.vault.master.seal(WebhookSink().secret.encode())
    for channel, found in made.items():
        lane = tools.channels[channel].lane
        for address in found:
            address_id = conn.execute(
                insert(addresses)
                .values(
                    channel=channel,
                    address=address,
                    lane=lane(address),
                    secret=secret if channel == "webhook" else None,
                    created_at=now,
                )
                .returning(addresses.c.id)
            ).scalar_one()
            recipient_id = conn.execute(
                insert(recipients)
                .values(
                    address_id=address_id,
                    label="Example",
                    recipient_class="public",
                    language="el",
                    exercise=exercise,
                    consent="form of the test",
                    consent_at=now - timedelta(days=1),
                    created_at=now,
                )
                .returning(recipients.c.id)
            ).scalar_one()
            conn.execute(insert(recipient_regions).values(recipient_id=recipient_id, region=region))


def _states(conn: Connection, alert_id: str) -> dict[str, dict[str, int]]:
    query = (
        select(deliveries.c.channel, deliveries.c.state)
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .where(dispatches.c.alert_id == alert_id, dispatches.c.kind.not_in(["request", "notice"]))
    )
    states: dict[str, dict[str, int]] = {}
    for channel, state in conn.execute(query):
        channel_states = states.setdefault(channel, {})
        channel_states[state] = channel_states.get(state, 0) + 1
    return states
