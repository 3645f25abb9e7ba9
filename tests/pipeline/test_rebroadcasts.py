"""A live alert is sent again as planned, and never once it is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alertd.core.ruleset import Rebroadcast
from alertd.pipeline.end import end
from alertd.pipeline.rebroadcast import rebroadcast
from tests.factories import make_rules
from tests.pipeline.conftest import Office

SENT = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
PLAN = {"channels": ["sms"], "steps": [{"every_min": 30, "until_h": 1}]}


def moments(*steps: tuple[int, float], hours: float = 48) -> list[int]:
    """Give the minutes after which a plan repeats."""
    said = [{"every_min": every, "until_h": until} for every, until in steps]
    plan = Rebroadcast.model_validate({"channels": ["sms"], "steps": said})
    found = plan.moments(SENT, SENT + timedelta(hours=hours))
    return [int((at - SENT).total_seconds()) // 60 for at in found]


def test_every_quarter_of_an_hour_for_three_hours() -> None:
    assert moments((15, 3)) == list(range(15, 181, 15))


def test_second_step_begins_where_the_first_one_ends() -> None:
    found = moments((30, 8), (50, 48))
    assert found[:17] == [*range(30, 481, 30), 530]
    assert found[-1] == 2830


@given(
    st.lists(st.tuples(st.integers(5, 600), st.integers(1, 60)), min_size=1, max_size=4),
    st.integers(1, 72),
)
def test_moments_only_grow_and_never_reach_the_expiry(
    steps: list[tuple[int, int]], hours: int
) -> None:
    found = moments(*sorted(steps, key=lambda step: step[1]), hours=hours)
    assert found == sorted(set(found))
    assert all(0 < minute < hours * 60 for minute in found)


def test_steps_that_do_not_follow_each_other_are_refused() -> None:
    steps = [{"every_min": 30, "until_h": 8}, {"every_min": 50, "until_h": 8}]
    with pytest.raises(ValidationError):
        make_rules(rebroadcasts=[{"channels": ["sms"], "steps": steps}])


async def activated(office: Office, *plans: dict[str, Any]) -> tuple[Office, str]:
    office = office.under(make_rules(rebroadcasts=list(plans)))
    return office, await office.activate()


async def test_each_repetition_is_opened_once_in_its_time(office: Office) -> None:
    office, alert_id = await activated(office, PLAN)
    assert await rebroadcast(office.tools) == 0
    office.clock.tick(minutes=30)
    assert await rebroadcast(office.tools) == 1
    assert await rebroadcast(office.tools) == 0
    office.clock.tick(minutes=30)
    assert await rebroadcast(office.tools) == 1
    opened = await office.dispatches(alert_id, "alert")
    assert [each.occurrence for each in opened] == [0, 1, 2]
    assert [each.channels for each in opened] == [None, ["sms"], ["sms"]]
    assert len({each.identifier for each in opened}) == 1


async def test_what_was_missed_is_not_made_up_for(office: Office) -> None:
    office, alert_id = await activated(office, PLAN)
    office.clock.tick(minutes=61)
    assert await rebroadcast(office.tools) == 1
    opened = await office.dispatches(alert_id, "alert")
    assert [each.occurrence for each in opened] == [0, 2]


async def test_two_plans_repeat_side_by_side(office: Office) -> None:
    other = {"channels": ["email"], "classes": ["media"], "steps": PLAN["steps"]}
    office, alert_id = await activated(office, PLAN, other)
    office.clock.tick(minutes=30)
    assert await rebroadcast(office.tools) == 2
    opened = (await office.dispatches(alert_id, "alert"))[1:]
    assert [(each.channels, each.classes) for each in opened] == [
        (["sms"], None),
        (["email"], ["media"]),
    ]


async def test_an_end_stops_what_is_repeated_and_all_to_come(office: Office) -> None:
    office, alert_id = await activated(office, PLAN)
    office.clock.tick(minutes=30)
    await rebroadcast(office.tools)
    said = {"reason_code": "found", "why": "Fictional.", "confirm": True}
    await end(office.tools, office["police"], alert_id, **said)
    office.clock.tick(minutes=30)
    assert await rebroadcast(office.tools) == 0
    opened = await office.dispatches(alert_id, "alert")
    assert None not in [each.stopped_at for each in opened]
