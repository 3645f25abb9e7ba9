"""What runs out is closed, whoever was reached is told if the rules want it, officials first."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from alertd.core.lifecycle import VersionState
from alertd.core.rendition import Kind
from alertd.pipeline.approve import send_back
from alertd.pipeline.expire import expire, warn
from alertd.pipeline.update import update
from tests.factories import make_alert, make_rules
from tests.pipeline.conftest import Office


async def test_an_alert_expires_in_its_second_and_its_queue_stops(office: Office) -> None:
    alert_id = await office.activate()
    office.clock.tick(hours=11, minutes=59, seconds=59)
    assert await expire(office.tools) == 0
    office.clock.tick(seconds=1)
    assert await expire(office.tools) == 1
    assert (await office.version(alert_id)).state is VersionState.EXPIRED
    assert (await office.dispatches(alert_id, "alert"))[0].stopped_at == office.clock.now
    assert await expire(office.tools) == 0


async def test_nobody_is_told_of_an_expiry_unless_the_rules_say_so(office: Office) -> None:
    alert_id = await office.activate()
    office.clock.tick(hours=12)
    await expire(office.tools)
    assert await office.dispatches(alert_id, "expiry") == []


async def test_those_reached_are_told_when_the_rules_say_so(office: Office) -> None:
    office = office.under(make_rules(notify_expiry=True))
    alert_id = await office.activate()
    office.clock.tick(hours=12)
    await expire(office.tools)
    [dispatch] = await office.dispatches(alert_id, "expiry")
    assert dispatch.kind == Kind.EXPIRY
    assert dispatch.identifier == f"example.{alert_id}.1.expired"
    assert dispatch.deadline_at == office.clock.now + office.tools.end_deadline
    assert f"example.{alert_id}.1," in dispatch.references


async def test_officials_hear_of_an_expiry(office: Office) -> None:
    alert_id = await office.activate()
    office.clock.tick(hours=12)
    await expire(office.tools)
    told = await office.asked(alert_id, "notice")
    assert ("expired", "submitter@example.org") in told
    assert ("expired", "police@example.org") in told


@pytest.mark.parametrize("returned", [False, True])
async def test_what_waited_too_long_expires(office: Office, returned: bool) -> None:
    alert_id = await office.submit()
    if returned:
        await send_back(office.tools, office["police"], alert_id, reason="Is this certain?")
    office.clock.tick(hours=12)
    assert await expire(office.tools) == 1
    assert (await office.version(alert_id)).state is VersionState.EXPIRED
    assert await office.dispatches(alert_id, "expiry") == []


async def test_a_draft_waits_for_another_time(office: Office) -> None:
    alert_id = await office.submit(draft=True)
    office.clock.tick(hours=12)
    assert await expire(office.tools) == 0
    assert (await office.version(alert_id)).state is VersionState.DRAFT


async def test_the_live_version_expires_while_its_update_waits(office: Office) -> None:
    alert_id = await office.activate()
    office.clock.tick(hours=11)
    alert = make_alert(office.clock.now)
    await update(office.tools, office["submitter"], alert_id, alert)
    office.clock.tick(hours=1)
    assert await expire(office.tools) == 1
    assert (await office.version(alert_id)).state is VersionState.SUBMITTED
    await office.approve(alert_id, "police")
    assert (await office.approve(alert_id, "activation")).activated


async def test_two_nodes_expire_once(office: Office) -> None:
    alert_id = await office.activate()
    office.clock.tick(hours=12)
    assert sorted(await asyncio.gather(expire(office.tools), expire(office.tools))) == [0, 1]
    told = await office.asked(alert_id, "notice")
    assert told.count(("expired", "police@example.org")) == 1


async def test_officials_are_warned_once_an_hour_before(office: Office) -> None:
    alert_id = await office.activate()
    office.clock.tick(hours=10, minutes=59)
    assert await warn(office.tools) == 0
    office.clock.tick(minutes=1)
    assert await warn(office.tools) == 1
    assert await warn(office.tools) == 0
    told = [each for each in await office.asked(alert_id, "notice") if each[0] == "expiring"]
    assert told == [
        ("expiring", f"{name}@example.org")
        for name in ("submitter", "police", "prosecutor", "activation")
    ]


async def test_how_long_before_is_the_rule_sets(office: Office) -> None:
    office = office.under(make_rules(warn_before_min=120))
    await office.activate()
    office.clock.tick(hours=9, minutes=59)
    assert await warn(office.tools) == 0
    office.clock.tick(minutes=1)
    assert await warn(office.tools) == 1


async def test_a_short_alert_is_warned_of_in_its_last_quarter(office: Office) -> None:
    soon = (office.clock.now + timedelta(minutes=40)).isoformat()
    await office.activate(expires_at=soon)
    assert await warn(office.tools) == 0
    office.clock.tick(minutes=30)
    assert await warn(office.tools) == 1
