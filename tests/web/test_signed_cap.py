"""With a signer no CAP document is public unsigned; where it fails, all else goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from cryptography.hazmat.primitives import hashes
from lxml import etree
from sqlalchemy import Connection, select, update
from structlog.testing import capture_logs

from alertd.capprofiles import load_profiles
from alertd.core.cap import judge, open_tree
from alertd.core.delivery import State
from alertd.pipeline import purge
from alertd.pipeline.signatures import sign_due, watch_signer
from alertd.resources import home
from alertd.store.schema import audit, deliveries, dispatches, documents
from alertd.tools import Tools
from tests.conftest import FakeClock
from tests.core.test_cap import schema_faults
from tests.signing import START, Pair, holds, make_pair
from tests.web.conftest import Activate, Deliver, Person, Submit, both_databases

PLAIN = load_profiles(home("config") / "cap-profiles")["plain"]
Client = TestClient[Any, Any]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path)


@pytest.fixture
def tools(tools: Tools, pair: Pair) -> Tools:
    return replace(tools, signer=pair.signer())


@pytest.fixture
async def alert_id(submit: Submit, activate: Activate, deliver: Deliver) -> str:
    found = await submit()
    await activate(found)
    await deliver()
    return found


async def document(public: Client, identifier: str) -> bytes:
    answer = await public.get(f"/cap/{identifier}.xml")
    assert answer.status == 200, await answer.text()
    return await answer.read()


async def entries(tools: Tools, action: str) -> list[dict[str, Any]]:
    def read(conn: Connection) -> list[dict[str, Any]]:
        rows = conn.scalars(select(audit.c.body).where(audit.c.action == action))
        return [json.loads(body)["data"] for body in rows]

    return await tools.store.read(read)


@both_databases
async def test_a_document_is_signed_once_and_served_byte_for_byte(
    public: Client, tools: Tools, pair: Pair, alert_id: str
) -> None:
    first = await document(public, f"example.{alert_id}.1")
    assert holds(first, pair)
    await sign_due(tools)
    assert await document(public, f"example.{alert_id}.1") == first
    kept = await tools.store.read(lambda conn: conn.execute(select(documents)).all())
    assert [row.certificate for row in kept] == [pair.issued.fingerprint(hashes.SHA256()).hex()]
    assert first not in kept[0].body  # it is sealed


async def test_every_message_of_a_life_is_signed_and_breaks_no_rule(
    *,
    public: Client,
    people: dict[str, Person],
    facts: Callable[..., dict[str, Any]],
    activate: Activate,
    deliver: Deliver,
    pair: Pair,
    clock: FakeClock,
    alert_id: str,
) -> None:
    found = [await document(public, f"example.{alert_id}.1")]
    clock.tick(minutes=5)
    changed = facts(circumstances="Fictional example: seen again.")
    updated = await people["submitter"].post(f"/api/v1/alerts/{alert_id}/updates", changed)
    assert updated.status == 201
    await activate(alert_id)
    await deliver()
    found.append(await document(public, f"example.{alert_id}.2"))
    clock.tick(minutes=5)
    form = {"reason_code": "found", "why": "An example.", "confirm": True}
    assert (await people["police"].post(f"/api/v1/alerts/{alert_id}/end", form)).status == 200
    await deliver()
    found.append(await document(public, f"example.{alert_id}.2.end"))
    for each in found:
        assert holds(each, pair)
        assert not holds(each.replace(b"Public", b"Privat"), pair)
        assert judge(open_tree(each), PLAIN) == []
        assert schema_faults(each) == []
    kinds = [etree.fromstring(each).findtext("{*}msgType") for each in found]
    assert kinds == ["Alert", "Update", "Cancel"]


async def test_a_broken_key_keeps_cap_back_and_nothing_else(
    *,
    public: Client,
    tools: Tools,
    pair: Pair,
    submit: Submit,
    activate: Activate,
    deliver: Deliver,
    tmp_path: Path,
) -> None:
    key = pair.key.read_bytes()
    pair.key.write_text("broken")
    alert_id = await submit()
    await activate(alert_id)
    await deliver()
    with capture_logs() as logs:
        await sign_due(tools)
        await sign_due(tools)
    alarms = [each for each in logs if each["log_level"] == "critical"]
    assert [each["event"] for each in alarms] == ["cap.not_signed"]
    assert await entries(tools, "cap.not_signed") == [{"identifier": f"example.{alert_id}.1"}]

    assert (await public.get(f"/cap/example.{alert_id}.1.xml")).status == 503
    for path in ("/feeds/rss.xml", "/feeds/exercise/rss.xml", "/feeds/exercise/en/rss.xml"):
        answer = await public.get(path)
        assert answer.status == 200
        assert "enclosure" not in await answer.text()
    ready = await public.get("/readyz")
    assert ready.status == 200
    assert (await ready.json())["alarms"] == ["CAP documents cannot be signed"]
    queued = select(deliveries.c.channel).where(deliveries.c.state == State.DELIVERED)
    assert await tools.store.read(lambda conn: set(conn.scalars(queued))) == {"feed"}

    pair.key.write_bytes(key)
    await sign_due(tools)
    assert holds(await document(public, f"example.{alert_id}.1"), pair)
    assert "enclosure" in await (await public.get("/feeds/exercise/rss.xml")).text()
    assert await (await public.get("/readyz")).json() == {"status": "ok"}


async def test_nothing_is_signed_before_it_is_public(
    tools: Tools, submit: Submit, activate: Activate
) -> None:
    await activate(await submit())
    await sign_due(tools)
    assert await tools.store.read(lambda conn: conn.execute(select(documents)).all()) == []


async def test_the_pair_is_tried_and_its_faults_are_alarms(
    tools: Tools, pair: Pair, clock: FakeClock
) -> None:
    with capture_logs() as logs:
        await watch_signer(tools)
    assert [each for each in logs if each["event"].startswith("cap.")] == []
    clock.now = START.replace(year=2027, month=10, day=20)
    with capture_logs() as logs:
        await watch_signer(tools)
    assert [(each["event"], each["log_level"]) for each in logs] == [
        ("cap.certificate_expires", "warning")
    ]
    clock.now = START.replace(year=2028)
    with capture_logs() as logs:
        await watch_signer(tools)
    assert [(each["event"], each["log_level"]) for each in logs] == [
        ("cap.signer_failed", "critical")
    ]
    assert len(await entries(tools, "cap.signer_failed")) == 1


async def test_a_submitter_is_warned_that_cap_cannot_be_signed(
    people: dict[str, Person], facts: Callable[..., dict[str, Any]], pair: Pair
) -> None:
    answer = await people["submitter"].post("/api/v1/alerts", facts())
    assert (await answer.json())["warnings"] == []
    pair.key.unlink()
    changed = facts(not_a_duplicate_because="A second example.")
    answer = await people["submitter"].post("/api/v1/alerts", changed)
    (warning,) = (await answer.json())["warnings"]
    assert warning == "CAP documents of this alert will not be published: signing fails"


async def test_a_purge_takes_the_signed_document_too(
    public: Client,
    tools: Tools,
    people: dict[str, Person],
    deliver: Deliver,
    alert_id: str,
) -> None:
    await document(public, f"example.{alert_id}.1")
    form = {"reason_code": "found", "why": "An example.", "confirm": True}
    await people["police"].post(f"/api/v1/alerts/{alert_id}/end", form)
    for channel in tools.channels:
        await deliver(channel)
    await tools.store.write(
        lambda conn: conn.execute(update(dispatches).values(expanded_at=tools.clock()))
    )
    await tools.store.write(
        lambda conn: purge.forget(
            conn, alert_id, by="person:1", ground=purge.Ground.REQUEST, at=tools.clock()
        )
    )
    bodies = await tools.store.read(lambda conn: conn.scalars(select(documents.c.body)).all())
    assert bodies == [None]
    assert (await public.get(f"/cap/example.{alert_id}.1.xml")).status == 410
