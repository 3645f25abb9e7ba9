"""A ledger with recipients and an alert that wants one more approval, ready to be copied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, select, text

from alertd.core.alert import ChildAlert
from alertd.core.rendition import Kind
from alertd.node import Node
from alertd.pipeline import persons
from alertd.pipeline.approve import approve, preview
from alertd.pipeline.submit import submit
from alertd.settings import Settings, embedded
from alertd.store.schema import addresses, recipient_regions, recipients, renditions
from alertd.tools import CONSOLE, Actor, Tools
from tests.benchmarks.sinks import Sinks
from tests.factories import alert_facts

APPROVALS = (("police", "police"), ("prosecutor", "prosecutor"), ("ngo", "activation"))
SECRET = "whsec_" + "ZXhhbXBsZS1zZWNyZXQtb2YtdGhlLWJlbmNo"
CHUNK = 20_000  # rows in one INSERT


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What one measured alertd works with; goes to its processes as JSON."""

    folder: str
    database: str
    channel: str
    settings: dict[str, Any]  # of the channel

    def alertd(self) -> Settings:
        return embedded(
            {
                "data_dir": self.folder,
                "database": {"url": self.database},
                "public_url": "https://alerts.example.org",
                "public": {"port": 0},
                "api": {"port": 0},
                "outbound": {"allow_addresses": ["127.0.0.0/8"]},
                "channels": {
                    "feed": {},
                    **({self.channel: self.settings} if self.settings else {}),
                },
            }
        )

    def as_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Waiting:
    """An alert with all approvals but the last."""

    alert_id: str
    official: int
    size: int  # bytes of the message

    def write(self, folder: Path) -> None:
        (folder / "waiting.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: str) -> Waiting:
        return cls(**json.loads((Path(folder) / "waiting.json").read_text()))


def channel_settings(channel: str, sinks: Sinks, *, tls: bool = False) -> dict[str, Any]:
    """Aim a channel at its sink, as wide as the bare loop beside it."""
    if channel == "webhook":
        hosts = {"http_hosts": ["127.0.0.1"]}
        return {"concurrency": 32, "concurrency_per_host": 32} | ({} if tls else hosts)
    if channel == "sms":
        return {
            "account_sid": "AC" + "0" * 32,
            "auth_token": "token",
            "sender": "Example",
            "base_url": f"http://127.0.0.1:{sinks.http}",
            "rate_per_s": 10_000,
            "concurrency": 32,
        }
    return {
        "host": "127.0.0.1",
        "port": sinks.smtp,
        "tls": "none",
        "sender": "alerts@example.org",
        "concurrency": 8,
    }


async def prepare(place: Place, count: int, url: str) -> Waiting:
    """Fill a fresh ledger; `url` begins the address of every webhook."""
    async with Node.open(place.alertd()) as node:
        tools = node.tools
        officials = await make_officials(tools)
        made = _addresses(place.channel, count, url)
        while chunk := list(islice(made, CHUNK)):
            await tools.store.write(_populate, tools, place.channel, chunk)
        alert_id = await submit_one(tools, officials)
        for name, role in APPROVALS[:-1]:
            await approve_one(tools, officials[name], alert_id, role)
        size = await tools.store.read(_size, place.channel)
        waiting = Waiting(alert_id, officials[APPROVALS[-1][0]].person_id, size)
        waiting.write(Path(place.folder))
        return waiting


async def make_officials(tools: Tools) -> dict[str, Actor]:
    officials = {}
    for name, role in (("submitter", "submitter"), *APPROVALS):
        person = persons.NewPerson(name=f"Example {name}", language="en", roles={role: False})
        number = await persons.create(tools, CONSOLE, person)
        officials[name] = Actor(number, person.name, frozenset({role}))
    return officials


async def submit_one(tools: Tools, officials: dict[str, Actor], **changes: Any) -> str:
    alert = ChildAlert.model_validate(alert_facts(datetime.now(UTC), **changes))
    return (await submit(tools, officials["submitter"], alert)).alert_id


async def approve_one(tools: Tools, actor: Actor, alert_id: str, role: str) -> None:
    shown = await preview(tools, actor, alert_id, role=role)
    await approve(tools, actor, alert_id, role=role, digest=shown.digest, reference="EX 1/2026")


def _addresses(channel: str, count: int, url: str) -> Iterator[str]:
    patterns = {"webhook": f"{url}%d", "sms": "+30690%07d", "email": "reader%d@example.org"}
    return (patterns[channel] % n for n in range(count))


def _populate(conn: Connection, tools: Tools, channel: str, chunk: list[str]) -> None:
    now, seal = tools.clock(), tools.vault.master.seal
    first = (conn.scalar(select(func.max(addresses.c.id))) or 0) + 1
    lane = tools.channels[channel].lane(chunk[0])
    rows = list(enumerate(chunk, first))
    conn.execute(
        insert(addresses),
        [
            {
                "id": n,
                "channel": channel,
                "address": address,
                "lane": lane,
                "secret": seal(SECRET.encode()) if channel == "webhook" else None,
                "created_at": now,
            }
            for n, address in rows
        ],
    )
    told = {"label": "Example", "recipient_class": "public", "language": "el", "exercise": True}
    told |= {"consent": "form of the example", "consent_at": now, "created_at": now}
    conn.execute(insert(recipients), [{"id": n, "address_id": n, **told} for n, _ in rows])
    regions = [{"region": "GR-I", "recipient_id": n} for n, _ in rows]
    conn.execute(insert(recipient_regions), regions)
    if conn.dialect.name == "postgresql":  # the numbers given here are taken
        for table in ("addresses", "recipients"):
            conn.execute(text(f"SELECT setval('{table}_id_seq', {rows[-1][0]})"))


def _size(conn: Connection, channel: str) -> int:
    query = select(func.max(func.length(renditions.c.body))).where(
        renditions.c.channel == channel, renditions.c.kind == Kind.ALERT
    )
    return conn.execute(query).scalar() or 0
