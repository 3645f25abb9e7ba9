"""A false alarm is corrected by one call, which reaches whoever got it or may have got it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Connection, select, update

from alertd.demo.peer import DROP_TAKEN, Fault
from alertd.pipeline import persons
from alertd.store.schema import (
    addresses,
    deliveries,
    dispatches,
    recipients,
    rule_sets,
    to_micros,
)
from alertd.tools import CONSOLE
from tests.dispatch.conftest import Town


async def call(town: Town, who: str, path: str, form: dict[str, Any]) -> int:
    """Ask the API as a person would; gives the status."""
    person = town.officials[who].person_id
    minted = await persons.mint(
        town.tools, CONSOLE, person, label="example", lifetime=timedelta(hours=1)
    )
    url = f"http://127.0.0.1:{town.app.ports['api']}/api/v1{path}"
    headers = {"Authorization": f"Bearer {minted.token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json=form, headers=headers) as answer,
    ):
        return answer.status


async def tried(town: Town, alert_id: str) -> dict[str, list[str]]:
    """Wait until each webhook had its first attempt, and no second; gives addresses by state."""
    async with asyncio.timeout(20):
        while True:
            await town.tools.store.write(_put_off, alert_id)
            rows = await town.tools.store.read(_webhooks, alert_id)
            if len(rows) == 4 and all(row.attempts for row in rows):
                found: dict[str, list[str]] = {}
                for row in rows:
                    found.setdefault(row.state, []).append(row.address)
                return found
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("tell_opted_out", [False, True])
async def test_one_call_corrects_and_tells_exactly_those_who_may_have_been_misled(
    town: Town, *, tell_opted_out: bool
) -> None:
    await town.populate(4)
    if tell_opted_out:
        await town.tools.store.write(_tell_opted_out)
    town.peers.webhooks.next(DROP_TAKEN, Fault(status=400))
    alert_id = await town.send()
    states = await tried(town, alert_id)
    (uncertain,), (refused,), (left, opted_out) = (
        states[name] for name in ("queued", "dead", "delivered")
    )
    await town.tools.store.write(_leave, left)
    await town.tools.store.write(_opt_out, opted_out)
    before = len(town.peers.webhooks.messages)
    form = {"reason_code": "issued_in_error", "why": "Fictional reason.", "confirm": True}
    assert await call(town, "police", f"/alerts/{alert_id}/end", form) == 200
    await town.settled(alert_id)
    after = town.peers.webhooks.messages[before:]
    told = [town.peers.webhooks.url + hook.path for hook in after]
    wanted = [left, uncertain, *([opted_out] if tell_opted_out else [])]
    assert sorted(told) == sorted(wanted)
    assert refused not in told
    assert {hook.payload["type"] for hook in after} == {"alert.corrected"}


def _webhooks(conn: Connection, alert_id: str) -> list[Any]:
    query = (
        select(deliveries.c.state, deliveries.c.attempts, addresses.c.address)
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .join(addresses, addresses.c.id == deliveries.c.address_id)
        .where(
            dispatches.c.alert_id == alert_id,
            dispatches.c.kind == "alert",
            deliveries.c.channel == "webhook",
        )
    )
    return list(conn.execute(query))


def _put_off(conn: Connection, alert_id: str) -> None:
    """Keep what is uncertain from its second try, which would make it certain."""
    mine = select(dispatches.c.id).where(dispatches.c.alert_id == alert_id)
    tried = (deliveries.c.state == "queued") & (deliveries.c.attempts > 0)
    waits = tried & deliveries.c.dispatch_id.in_(mine)
    later = datetime.now(UTC) + timedelta(minutes=10)
    conn.execute(update(deliveries).where(waits).values(next_at=to_micros(later)))


def _leave(conn: Connection, address: str) -> None:
    mine = select(addresses.c.id).where(addresses.c.address == address)
    theirs = recipients.c.address_id.in_(mine)
    conn.execute(update(recipients).where(theirs).values(ended_at=datetime.now(UTC)))


def _opt_out(conn: Connection, address: str) -> None:
    gone = {"suppressed_at": datetime.now(UTC), "suppressed_reason": "opted_out"}
    conn.execute(update(addresses).where(addresses.c.address == address).values(**gone))


def _tell_opted_out(conn: Connection) -> None:
    for row in conn.execute(select(rule_sets)).all():
        mine = rule_sets.c.programme == row.programme
        body = row.body | {"tell_opted_out": True}
        conn.execute(update(rule_sets).where(mine).values(body=body))
