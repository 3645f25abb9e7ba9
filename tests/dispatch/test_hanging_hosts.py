"""Endpoints that never answer, each on a host of its own, delay nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import Connection, insert

from alertd.demo.peer import Inbox
from alertd.demo.webhooks import SECRET
from alertd.settings import Settings
from alertd.store.schema import addresses, recipient_regions, recipients
from alertd.tools import Tools
from tests.dispatch.conftest import Town

COUNT = 100  # of each kind; requests in flight are 64
TIMEOUT_S = 30
HANG, ANSWER = "127.0.1", "127.0.2"


@dataclass
class Hosts:
    """Two hundred hosts on loopback, half of which never answer."""

    port: int = 0
    asked: set[str] = field(default_factory=set)
    answered: Inbox[str] = field(default_factory=Inbox)

    async def take(self, request: web.Request) -> web.Response:
        await request.read()
        self.asked.add(request.host)
        if request.host.startswith(HANG):
            await asyncio.Event().wait()
        await self.answered.add(request.host)
        return web.Response(status=204)


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/alertd.db"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    webhook = {"http_hosts": _hosts(), "timeout_s": TIMEOUT_S}
    return settings.model_copy(update={"channels": settings.channels | {"webhook": webhook}})


@pytest.fixture
async def hosts() -> AsyncIterator[Hosts]:
    served = Hosts()
    app = web.Application()
    app.add_routes([web.post("/{path:.*}", served.take)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", 0).start()  # noqa: S104 - for all of loopback
    served.port = runner.addresses[0][1]
    yield served
    await runner.cleanup()


async def test_a_hundred_hosts_that_hang_delay_none_of_a_hundred_that_answer(
    town: Town, hosts: Hosts
) -> None:
    await town.tools.store.write(_populate, town.tools, hosts.port)
    await town.send()
    await hosts.answered.wait_for(COUNT, timeout_s=TIMEOUT_S / 3)
    assert len(set(hosts.answered.latest)) == COUNT
    assert sum(host.startswith(HANG) for host in hosts.asked) > 64


def _hosts() -> list[str]:
    return [f"{kind}.{n}" for kind in (ANSWER, HANG) for n in range(1, COUNT + 1)]


def _populate(conn: Connection, tools: Tools, port: int) -> None:
    now = tools.clock()
    secret = tools.vault.master.seal(SECRET.encode())
    channel = tools.channels["webhook"]
    for host in _hosts():
        address = f"http://{host}:{port}/"
        values = {
            "channel": "webhook",
            "address": address,
            "lane": channel.lane(address),
            "secret": secret,
            "created_at": now,
        }
        address_id = conn.scalar(insert(addresses).values(values).returning(addresses.c.id))
        person = {
            "address_id": address_id,
            "label": "Example",
            "recipient_class": "public",
            "language": "el",
            "exercise": True,
            "consent": "form of the test",
            "consent_at": now,
            "created_at": now,
        }
        recipient = conn.scalar(insert(recipients).values(person).returning(recipients.c.id))
        conn.execute(insert(recipient_regions).values(recipient_id=recipient, region="GR-I"))
