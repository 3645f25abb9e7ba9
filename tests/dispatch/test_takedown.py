"""After the end: endpoints acknowledge, the silent are asked again, the report tells it all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from sqlalchemy import Connection, select, update

from alertd.core.alert import ChildAlert
from alertd.pipeline.aftermath import read_takedown
from alertd.pipeline.end import end
from alertd.pipeline.takedown import chase
from alertd.pipeline.update import update as submit_update
from alertd.shapes import TakedownView
from alertd.store.schema import addresses, dispatches, rule_sets
from alertd.watch import takedowns
from tests.dispatch.conftest import ROLES, Town
from tests.factories import alert_facts


async def finish(town: Town, alert_id: str, reason: str = "found") -> None:
    """End an alert and wait until everyone was told."""
    police = town.officials["police"]
    await end(
        town.tools, police, alert_id, reason_code=reason, why="Fictional reason.", confirm=True
    )
    await town.settled(alert_id)


async def report(town: Town, alert_id: str) -> TakedownView:
    now = town.tools.clock()
    return await town.tools.store.read(
        read_takedown, alert_id, now, public_url=town.tools.public_url
    )


def ends(town: Town) -> list[dict[str, Any]]:
    said = [hook.payload for hook in town.peers.webhooks.messages]
    return [each for each in said if each["type"] == "alert.ended"]


async def post(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.post(url) as answer:
        return answer.status


async def test_endpoint_acknowledges_by_the_address_it_was_given(town: Town) -> None:
    await town.populate(2)
    alert_id = await town.send()
    await town.settled(alert_id)
    await finish(town, alert_id)
    urls = [each["data"]["acknowledge_url"] for each in ends(town)]
    assert len(set(urls)) == 2
    assert await post(urls[0]) == 204
    assert await post(urls[0]) == 204
    assert await post(urls[1][:-1] + ("A" if urls[1][-1] != "A" else "B")) == 404
    answers = [each.acknowledged_at for each in (await report(town, alert_id)).endpoints]
    assert sorted(answer is None for answer in answers) == [False, True]


async def test_only_who_is_silent_is_asked_again_and_not_for_ever(town: Town) -> None:
    await town.populate(2)
    alert_id = await town.send()
    await town.settled(alert_id)
    await finish(town, alert_id)
    assert await chase(town.tools) == 0
    assert await post(ends(town)[0]["data"]["acknowledge_url"]) == 204
    for _ in range(5):
        await town.tools.store.write(_time_passes, timedelta(hours=1, seconds=1))
        await chase(town.tools)
        await town.settled(alert_id)
    assert len(ends(town)) == 2 + 3
    asked = sorted(each.asked for each in (await report(town, alert_id)).endpoints)
    assert asked == [1, 1 + 3]
    assert await post(ends(town)[-1]["data"]["acknowledge_url"]) == 204
    answers = [each.acknowledged_at for each in (await report(town, alert_id)).endpoints]
    assert None not in answers


async def test_how_often_the_silent_are_asked_is_the_rule_sets(town: Town) -> None:
    await town.populate(1)
    await town.tools.store.write(_rule, chase_times=1, chase_after_min=30)
    alert_id = await town.send()
    await town.settled(alert_id)
    await finish(town, alert_id)
    for _ in range(3):
        await town.tools.store.write(_time_passes, timedelta(minutes=31))
        await chase(town.tools)
        await town.settled(alert_id)
    assert len(ends(town)) == 2


async def test_report_tells_what_is_gone_who_was_told_and_what_stays(town: Town) -> None:
    await town.populate(3)
    alert_id = await town.send()
    await town.settled(alert_id)
    before = await report(town, alert_id)
    assert {each.gone_at for each in before.taken_down} == {None}
    await finish(town, alert_id)
    await takedowns.look(town.tools)
    view = await report(town, alert_id)
    assert (view.state, view.reason) == ("ended", "found")
    assert all(each.gone_at >= each.over_at for each in view.taken_down)
    assert {each.what for each in view.taken_down} == {"feed entry", "page", "CAP document"}
    reached = {each.channel: each.reached for each in view.told}
    assert {name: reached[name] for name in ("sms", "email", "webhook")} == dict.fromkeys(
        ("sms", "email", "webhook"), 3
    )
    assert any(each.startswith("3 text messages stay") for each in view.not_recallable)
    assert "alert.ended" in [step.action for step in view.timeline]


async def test_who_opted_out_hears_of_the_end_only_where_the_rules_say_so(town: Town) -> None:
    await town.populate(1)
    alert_id = await town.send()
    await town.settled(alert_id)
    await town.tools.store.write(_opt_out)
    await finish(town, alert_id)
    assert ends(town) == []


async def test_who_opted_out_hears_of_the_end_where_the_rules_say_so(town: Town) -> None:
    await town.populate(1)
    alert_id = await town.send()
    await town.settled(alert_id)
    await town.tools.store.write(_opt_out)
    await town.tools.store.write(_rule, tell_opted_out=True)
    await finish(town, alert_id)
    assert len(ends(town)) == 1


async def test_wrong_end_that_is_undone_reaches_nobody_after_the_new_version(town: Town) -> None:
    await town.populate(4)
    alert_id = await town.send()
    await town.settled(alert_id)
    police = town.officials["police"]
    await end(town.tools, police, alert_id, reason_code="found", why="Wrong child.", confirm=True)
    changed = alert_facts(datetime.now(UTC), circumstances="Fictional: the search goes on.")
    await submit_update(
        town.tools, town.officials["submitter"], alert_id, ChildAlert.model_validate(changed)
    )
    for role in ROLES:
        if role != "prosecutor":  # an update needs two
            await town.approve(alert_id, roles=(role,))
    await town.settled(alert_id)
    for path in {hook.path for hook in town.peers.webhooks.messages}:
        said = [h.payload["type"] for h in town.peers.webhooks.messages if h.path == path]
        assert said[0] == "alert.published"
        assert said[-1] == "alert.updated", said


def _time_passes(conn: Connection, span: timedelta) -> None:
    ended = dispatches.c.kind == "end"
    for row in conn.execute(select(dispatches.c.id, dispatches.c.sent_at).where(ended)).all():
        earlier = row.sent_at - span
        conn.execute(update(dispatches).where(dispatches.c.id == row.id).values(sent_at=earlier))


def _opt_out(conn: Connection) -> None:
    gone = {"suppressed_at": datetime.now(UTC), "suppressed_reason": "opted_out"}
    conn.execute(update(addresses).where(addresses.c.channel == "webhook").values(**gone))


def _rule(conn: Connection, **changes: Any) -> None:
    for row in conn.execute(select(rule_sets)).all():
        body = row.body | changes
        conn.execute(
            update(rule_sets).where(rule_sets.c.programme == row.programme).values(body=body)
        )
