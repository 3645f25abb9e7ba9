"""What the provider still holds when an alert ends is taken back, and that is accounted for."""

from __future__ import annotations

from typing import Any

import pytest

from alertd.demo.twilio import Ending
from alertd.pipeline.aftermath import read_takedown
from alertd.pipeline.end import end
from alertd.pipeline.recall import recall
from alertd.settings import Settings
from tests.dispatch.conftest import Town

SERVICE = "MG" + "0" * 32


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    if request.param == "sender":
        return settings
    sms: dict[str, Any] = {**settings.channels["sms"], "messaging_service_sid": SERVICE}
    del sms["sender"]
    return settings.model_copy(update={"channels": {**settings.channels, "sms": sms}})


async def ended_while_queued(town: Town) -> dict[str, int]:
    """End an alert whose text messages wait at the provider; gives how they stand there."""
    town.peers.twilio.script.ending = Ending(statuses=())
    await town.populate(3)
    alert_id = await town.send()
    await town.settled(alert_id)
    first = list(town.peers.twilio.messages)
    first[0].status = "sent"  # this one has just left
    await end(
        town.tools,
        town.officials["police"],
        alert_id,
        reason_code="found",
        why="Fictional reason.",
        confirm=True,
    )
    await town.settled(alert_id)
    await recall(town.tools)
    view = await town.tools.store.read(
        read_takedown, alert_id, town.tools.clock(), public_url=town.tools.public_url
    )
    standing = [sms.status for sms in first]
    told = next(each for each in view.told if each.channel == "sms")
    assert told.recalled == standing.count("canceled")
    assert await recall(town.tools) == 0
    return {status: standing.count(status) for status in standing}


@pytest.mark.parametrize("settings", ["service"], indirect=True)
async def test_queued_messages_are_cancelled_and_counted(town: Town) -> None:
    assert await ended_while_queued(town) == {"sent": 1, "canceled": 2}


@pytest.mark.parametrize("settings", ["sender"], indirect=True)
async def test_nothing_is_asked_where_the_provider_queues_nothing(town: Town) -> None:
    assert await ended_while_queued(town) == {"sent": 1, "queued": 2}
