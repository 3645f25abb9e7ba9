"""An install with recipients and officials, an alert that is sent, and what became of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select

from alertd.app import App
from alertd.core.alert import ChildAlert
from alertd.core.delivery import State
from alertd.demo.twilio import ACCOUNT_SID, AUTH_TOKEN
from alertd.demo.webhooks import SECRET
from alertd.pipeline.approve import approve, preview
from alertd.pipeline.expand import pending
from alertd.pipeline.submit import submit
from alertd.settings import embedded
from alertd.store.schema import addresses, deliveries, recipient_regions, recipients
from alertd.tools import Actor, Tools
from tests.acceptance.harness.sinks import Sinks
from tests.dispatch.conftest import ROLES, make_officials
from tests.factories import alert_facts, child_facts
from tests.ports import free_port

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")
WAITING = (State.QUEUED, State.LEASED, State.UNCERTAIN)
LEASE_S = 5

Merged = dict[str, Any]


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Merged:
    """Give `base` with `changes` over it, section by section."""
    result = dict(base)
    for name, value in changes.items():
        old = result.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[name] = merged(old, value) if both else value
    return result


def settings(folder: Path, database: str, sinks: Sinks, **changes: Any) -> Merged:
    """Give one node's settings; ports of its own, secrets and keys in `folder`."""
    public = free_port()
    base = {
        "data_dir": str(folder),
        "public_url": f"http://127.0.0.1:{public}",
        "database": {"url": database},
        "public": {"port": public},
        "api": {"port": free_port()},
        "outbound": {"allow_addresses": ["127.0.0.0/8"]},
        "dispatch": {"lease_s": LEASE_S, "drain_s": 2, "batch": 100},
        "channels": {
            "feed": {},
            "sms": {
                "account_sid": ACCOUNT_SID,
                "auth_token": AUTH_TOKEN,
                "sender": "Example",
                "base_url": f"http://127.0.0.1:{sinks.ports['sms']}",
                "rate_per_s": 5000,
                "timeout_s": 5,
            },
            "email": {
                "host": "127.0.0.1",
                "port": sinks.ports["email"],
                "tls": "none",
                "sender": "alerts@example.org",
                "timeout_s": 5,
            },
            "webhook": {"http_hosts": list(HOSTS), "timeout_s": 5},
        },
    }
    return merged(base, changes)


@dataclass
class Town:
    """What a test holds of an install: its tools, in the test's own process."""

    settings: Merged
    sinks: Sinks
    tools: Tools
    officials: Mapping[str, Actor] = field(default_factory=dict)
    people: dict[str, set[str]] = field(default_factory=dict)  # addresses by channel
    alerts: list[str] = field(default_factory=list)

    async def populate(self, count: int) -> None:
        """Enter `count` recipients on each channel."""
        hook = self.sinks.ports["webhook"]
        made = {
            "sms": [f"+30690{n:07}" for n in range(count)],
            "email": [f"reader{n}@example.org" for n in range(count)],
            "webhook": [f"http://{HOSTS[n % 4]}:{hook}/hook/{n}" for n in range(count)],
        }
        for channel, found in made.items():
            await self.enter(channel, found)

    async def enter(self, channel: str, found: list[str]) -> None:
        self.people.setdefault(channel, set()).update(found)
        await self.tools.store.write(_enter, self.tools, channel, found)

    async def send(self) -> str:
        """Submit an alert about another child each time, and give every approval; gives its id."""
        alert_id = await self.submit()
        await self.approve(alert_id)
        return alert_id

    async def submit(self) -> str:
        number = len(self.alerts)
        facts = alert_facts(
            datetime.now(UTC),
            case_reference=f"EX-2026-{number:04}",
            children=[child_facts(name=f"Example {_letters(number)}")],
            vehicle=None,
        )
        alert = ChildAlert.model_validate(facts)
        done = await submit(self.tools, self.officials["submitter"], alert)
        self.alerts.append(done.alert_id)
        return done.alert_id

    async def approve(self, alert_id: str) -> None:
        for role in ROLES:
            actor, as_role = self.officials[role], {"ngo": "activation"}.get(role, role)
            shown = await preview(self.tools, actor, alert_id, role=as_role)
            given = {"role": as_role, "digest": shown.digest, "reference": "EX 1/2026"}
            await approve(self.tools, actor, alert_id, **given)

    async def waiting(self) -> int:
        """Count what is not in a final state; what is still to be expanded counts as one."""
        return await self.tools.store.read(_waiting)

    async def done(self) -> int:
        return await self.tools.store.read(_done)

    async def until_done(self, count: int, timeout_s: float = 30) -> None:
        async with asyncio.timeout(timeout_s):
            while await self.done() < count:
                await asyncio.sleep(0.02)

    async def counts(self) -> Counter[str]:
        """Count the deliveries to recipients by state."""
        return await self.tools.store.read(_counts)

    async def settled(self, timeout_s: float = 240) -> None:
        """Return once nothing waits; raises AssertionError that tells what still does."""
        try:
            async with asyncio.timeout(timeout_s):
                while await self.waiting():
                    await asyncio.sleep(0.1)
        except TimeoutError:
            open_ = await self.tools.store.read(pending)
            counts = dict(await self.counts())
            raise AssertionError(f"after {timeout_s} s: {counts}, expanding {open_}") from None


@asynccontextmanager
async def town(own: Merged, sinks: Sinks) -> AsyncIterator[Town]:
    """Open an install in this process, beside the daemons that are to be hurt."""
    async with App.open(embedded(own)) as app:
        officials = await make_officials(app.tools)
        yield Town(own, sinks, app.tools, officials)


def _letters(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:05}").title()


def _enter(conn: Connection, tools: Tools, channel: str, found: list[str]) -> None:
    now = tools.clock()
    lane = tools.channels[channel].lane
    secret = tools.vault.master.seal(SECRET.encode()) if channel == "webhook" else None
    ids = _insert(
        conn,
        addresses,
        [
            {
                "channel": channel,
                "address": address,
                "lane": lane(address),
                "secret": secret,
                "created_at": now,
            }
            for address in found
        ],
    )
    people = _insert(
        conn,
        recipients,
        [
            {
                "address_id": address_id,
                "label": "Example",
                "recipient_class": "public",
                "language": "el",
                "exercise": True,
                "consent": "form of the test",
                "consent_at": now - timedelta(days=1),
                "created_at": now,
            }
            for address_id in ids
        ],
    )
    conn.execute(
        insert(recipient_regions), [{"recipient_id": id_, "region": "GR-I"} for id_ in people]
    )


def _insert(conn: Connection, table: Table, rows: list[dict[str, Any]]) -> list[int]:
    query = insert(table).returning(table.c.id, sort_by_parameter_order=True)
    return list(conn.execute(query, rows).scalars())


def _waiting(conn: Connection) -> int:
    query = select(func.count()).where(deliveries.c.state.in_(WAITING))
    return int(conn.scalar(query) or 0) + len(pending(conn))


def _counts(conn: Connection) -> Counter[str]:
    query = (
        select(deliveries.c.state, func.count())
        .where(deliveries.c.channel != "feed")
        .group_by(deliveries.c.state)
    )
    return Counter(dict(map(tuple, conn.execute(query))))


def _done(conn: Connection) -> int:
    query = select(func.count()).where(
        deliveries.c.state.not_in(WAITING), deliveries.c.channel != "feed"
    )
    return int(conn.scalar(query) or 0)
