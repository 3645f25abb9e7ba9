"""An office with its officials: every stage on a real store and vault, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from alertd import plugins
from alertd.atlas import load_atlas
from alertd.channel import Environment
from alertd.core.ruleset import RuleSet
from alertd.pipeline import persons
from alertd.pipeline.approve import Approved, approve
from alertd.pipeline.render import Renderer
from alertd.pipeline.submit import Submitted, submit
from alertd.pipeline.versions import Version, latest
from alertd.resources import home
from alertd.rulebook import Rulebook
from alertd.store.schema import addresses, deliveries, dispatches, metadata
from alertd.store.store import Store
from alertd.templating import Templates
from alertd.tools import CONSOLE, Actor, Tools
from alertd.vault import Vault, open_vault
from tests.conftest import FakeClock
from tests.factories import make_alert, make_rules

PUBLIC_URL = "https://alerts.example.org"
SENDER = "alerts@example.org"
ROLES = ("police", "prosecutor", "activation")

CHANNELS: dict[str, dict[str, Any]] = {
    "sms": {"account_sid": f"AC{'0' * 32}", "auth_token": "not a token", "sender": "Example"},
    "email": {"host": "127.0.0.1", "port": 1, "tls": "none", "sender": SENDER},
    "webhook": {"http_hosts": ["127.0.0.1"]},
    "feed": {},
}


def rulebook(*rule_sets: RuleSet) -> Rulebook:
    return Rulebook({(rules.programme, rules.version): rules for rules in rule_sets})


@dataclass
class Office:
    """Officials at their work."""

    tools: Tools
    clock: FakeClock
    officials: Mapping[str, Actor] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Actor:
        return self.officials[name]

    async def submit(self, *, draft: bool = False, key: str | None = None, **changes: Any) -> str:
        done = await self.submitted(draft=draft, key=key, **changes)
        return done.alert_id

    async def submitted(
        self, *, draft: bool = False, key: str | None = None, **changes: Any
    ) -> Submitted:
        alert = make_alert(self.clock.now, **changes)
        return await submit(self.tools, self["submitter"], alert, draft=draft, idempotency_key=key)

    async def approve(self, alert_id: str, by: str, **changes: Any) -> Approved:
        """Approve what stands now, in the role that `by` is called after."""
        digest = (await self.version(alert_id)).digest
        given: dict[str, Any] = {"role": by, "digest": digest, "reference": "EX 1/2026"}
        return await approve(self.tools, self[by], alert_id, **given | changes)

    async def activate(self, *roles: str, **changes: Any) -> str:
        alert_id = await self.submit(**changes)
        for role in roles or ROLES:
            await self.approve(alert_id, role)
        return alert_id

    async def version(self, alert_id: str) -> Version:
        return await self.tools.store.read(latest, alert_id)

    async def dispatches(self, alert_id: str, *kinds: str) -> list[Any]:
        """Give the dispatches of an alert in their order."""
        query = select(dispatches).where(dispatches.c.alert_id == alert_id)
        if kinds:
            query = query.where(dispatches.c.kind.in_(kinds))
        return await self.rows(query.order_by(dispatches.c.id))

    async def asked(self, alert_id: str, kind: str = "request") -> list[tuple[str, str]]:
        """Give whom officials' messages of a kind went to: variant and address."""
        query = (
            select(dispatches.c.variant, addresses.c.address)
            .join(deliveries, deliveries.c.dispatch_id == dispatches.c.id)
            .join(addresses, addresses.c.id == deliveries.c.address_id)
            .where(dispatches.c.alert_id == alert_id, dispatches.c.kind == kind)
            .order_by(deliveries.c.id)
        )
        return [(row.variant, row.address) for row in await self.rows(query)]

    async def rows(self, query: Any) -> list[Any]:
        def read(conn: Connection) -> list[Any]:
            return list(conn.execute(query))

        return await self.tools.store.read(read)

    async def counts(self) -> dict[str, int]:
        """Count the rows of every table."""

        def read(conn: Connection) -> dict[str, int]:
            return {
                table.name: conn.scalar(select(func.count()).select_from(table)) or 0
                for table in metadata.sorted_tables
            }

        return await self.tools.store.read(read)

    def under(self, *rule_sets: RuleSet) -> Office:
        """Give the same office under other rules."""
        return replace(self, tools=replace(self.tools, rulebook=rulebook(*rule_sets)))


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    async with open_vault(f"sqlite:///{tmp_path}/keys.db", b"k" * 32) as opened:
        yield opened


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    channels = plugins.load(
        CHANNELS, Environment(public_url=PUBLIC_URL, sender_domain="example.org")
    )
    return Renderer(
        channels=channels,
        atlas=load_atlas(home("config") / "regions"),
        public_url=PUBLIC_URL,
        sender=SENDER,
        templates=Templates(),
    )


@pytest.fixture
def tools(store: Store, vault: Vault, renderer: Renderer, clock: FakeClock) -> Tools:
    return Tools(
        store=store,
        vault=vault,
        rulebook=rulebook(make_rules()),
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


@pytest.fixture
async def office(tools: Tools, clock: FakeClock) -> Office:
    names = ("submitter", *ROLES)
    return Office(tools, clock, {name: await enter(tools, name, name) for name in names})


async def enter(tools: Tools, name: str, *roles: str, deputy: bool = False) -> Actor:
    """Enter an official who is reached by mail."""
    number = await persons.create(
        tools,
        CONSOLE,
        persons.NewPerson(
            name=f"Example {name}",
            language="en",
            roles=dict.fromkeys(roles, deputy),
            addresses=[("email", f"{name}@example.org")],
        ),
    )
    return Actor(number, f"Example {name}", frozenset(roles))
