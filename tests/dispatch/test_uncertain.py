"""What happens when nobody knows whether a text message arrived, by the channel's policy."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from alertd import plugins
from alertd.core.errors import ConfigError
from alertd.demo.peer import DROP_TAKEN, DROP_UNREAD
from alertd.demo.twilio import Ending
from alertd.pipeline.end import end
from alertd.pipeline.requeue import requeue
from alertd.settings import Settings
from alertd.store.schema import deliveries, to_micros
from alertd.testing import make_environment
from alertd.tools import CONSOLE
from alertd.watch.alarms import standing
from tests.dispatch.conftest import Town


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/alertd.db"


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Let text messages follow the policy that the test names, if it names one."""
    policy = getattr(request, "param", None)
    changes = {"uncertain": {"sms": policy}} if policy else {}
    return settings.model_copy(update={"dispatch": settings.dispatch.model_copy(update=changes)})


async def lose_one(town: Town, fault: Any = DROP_TAKEN) -> str:
    """Send one text message whose answer never comes; gives its alert."""
    town.peers.twilio.script.ending = Ending(statuses=())
    town.peers.twilio.next(fault)
    await town.populate(1)
    alert_id = await town.send()
    await state_is(town, alert_id, attempts=1)
    return alert_id


async def state_is(town: Town, alert_id: str, **wanted: Any) -> None:
    """Wait until the alert's text message stands so."""

    def read(conn: Connection) -> bool:
        query = select(deliveries).where(deliveries.c.channel == "sms")
        row = conn.execute(query).mappings().one_or_none()  # None: not expanded yet
        return row is not None and all(row[name] == value for name, value in wanted.items())

    async with asyncio.timeout(15):
        while not await town.tools.store.read(read):
            await asyncio.sleep(0.02)


async def hurry(town: Town) -> None:
    """Let the moment come for which a queued text message waits."""
    now = to_micros(town.tools.clock())
    mine = (deliveries.c.channel == "sms") & (deliveries.c.state == "queued")
    await town.tools.store.write(
        lambda conn: conn.execute(update(deliveries).where(mine).values(next_at=now))
    )


async def test_by_default_it_is_sent_once_more_marked_as_a_repeat(town: Town) -> None:
    alert_id = await lose_one(town)
    await hurry(town)
    await state_is(town, alert_id, state="sent", repeat=True, attempts=2)
    assert len(town.peers.twilio.messages) == 2
    assert town.peers.twilio.asked == 0


@pytest.mark.parametrize("settings", ["reconcile"], indirect=True)
async def test_reconciling_finds_what_the_provider_took_and_sends_it_once(town: Town) -> None:
    alert_id = await lose_one(town)
    await hurry(town)
    await state_is(town, alert_id, state="sent", attempts=2)
    [taken] = town.peers.twilio.messages
    await state_is(town, alert_id, provider_ref=taken.sid)
    assert town.peers.twilio.asked == 1


@pytest.mark.parametrize("settings", ["reconcile"], indirect=True)
async def test_reconciling_sends_what_the_provider_never_took(town: Town) -> None:
    alert_id = await lose_one(town, DROP_UNREAD)
    assert not town.peers.twilio.messages
    await hurry(town)
    await state_is(town, alert_id, state="sent", attempts=2)
    assert (len(town.peers.twilio.messages), town.peers.twilio.asked) == (1, 1)


@pytest.mark.parametrize("settings", ["reconcile"], indirect=True)
async def test_nothing_is_sent_again_while_the_provider_cannot_be_asked(town: Town) -> None:
    town.peers.twilio.script.unanswered = 2
    alert_id = await lose_one(town)
    for attempts in (2, 3):
        await hurry(town)
        await state_is(town, alert_id, state="queued", attempts=attempts)
        assert len(town.peers.twilio.messages) == 1
    await hurry(town)
    await state_is(town, alert_id, state="sent")
    assert len(town.peers.twilio.messages) == 1


@pytest.mark.parametrize("settings", ["hold"], indirect=True)
async def test_what_is_held_raises_an_alarm_until_an_operator_releases_it(town: Town) -> None:
    alert_id = await lose_one(town)
    await state_is(town, alert_id, state="uncertain")
    assert ("uncertain", "sms") in await alarmed(town)
    await requeue(town.tools, CONSOLE, await town.tools.store.read(_number))
    await state_is(town, alert_id, state="sent", repeat=True)
    assert len(town.peers.twilio.messages) == 2
    assert ("uncertain", "sms") not in await alarmed(town)


@pytest.mark.parametrize("settings", ["hold"], indirect=True)
async def test_what_is_held_of_an_ended_alert_alarms_nobody_and_is_not_released(
    town: Town,
) -> None:
    alert_id = await lose_one(town)
    await state_is(town, alert_id, state="uncertain")
    why = {"reason_code": "found", "why": "Fictional: found in the exercise.", "confirm": True}
    await end(town.tools, town.officials["ngo"], alert_id, **why)
    assert ("uncertain", "sms") not in await alarmed(town)


def test_a_policy_that_a_channel_cannot_follow_is_refused_by_name(settings: Settings) -> None:
    channels = plugins.load(settings.channels, make_environment())
    with pytest.raises(ConfigError) as refused:
        plugins.uncertain_policies(channels, {"email": "reconcile", "fax": "hold"})
    said = str(refused.value)
    assert "dispatch.uncertain.email: email has nobody to ask; choose resend or hold" in said
    assert "dispatch.uncertain.fax: no such channel is in use" in said


async def alarmed(town: Town) -> set[tuple[str, str]]:
    await town.app.watcher.look()
    return {(alarm.kind, alarm.subject) for alarm in await town.tools.store.read(standing)}


def _number(conn: Connection) -> int:
    query = select(deliveries.c.id).where(deliveries.c.channel == "sms")
    return int(conn.scalars(query).one())
