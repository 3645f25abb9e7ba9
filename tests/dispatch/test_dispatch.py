"""From the last approval to every recipient accounted for."""

import asyncio

from sqlalchemy import Connection, func, select, update
from structlog.testing import capture_logs

from alertd.core.rendition import Kind
from alertd.demo.peer import DROP_TAKEN, DROP_UNREAD, GARBAGE, HANG_TAKEN, Fault
from alertd.pipeline.dispatch import Dispatch, open_dispatch
from alertd.pipeline.end import end
from alertd.pipeline.requeue import requeue
from alertd.store.schema import alerts, attempts, deliveries, dispatches, progress, renditions
from alertd.tools import Actor
from tests.dispatch.conftest import Town

OPERATOR = Actor(0, "console", frozenset({"operator"}))


async def test_an_approved_alert_reaches_every_recipient_on_every_channel(town: Town) -> None:
    await town.populate(5)
    alert_id = await town.send()
    await town.settled(alert_id)
    await town.peers.twilio.callbacks.wait_for(10)
    assert await town.states(alert_id) == {
        "sms": {"delivered": 5},
        "email": {"sent": 5},
        "webhook": {"delivered": 5},
        "feed": {"delivered": 2},
    }
    assert len({sms.to for sms in town.peers.twilio.messages}) == 5
    assert len({mail.recipients for mail in town.peers.smtp.messages}) == 5
    assert len({hook.path for hook in town.peers.webhooks.messages}) == 5


async def test_the_counters_equal_the_rows(town: Town) -> None:
    await town.populate(4)
    town.peers.webhooks.next(Fault(status=500), Fault(status=404), Fault(status=500))
    alert_id = await town.send()
    await town.settled(alert_id)
    await town.peers.twilio.callbacks.wait_for(8)
    counted, rows = await town.tools.store.read(_counts)
    assert counted == rows


async def test_an_exercise_reaches_no_real_recipient(town: Town) -> None:
    await town.populate(2, exercise=False)
    await town.populate(1, exercise=True)
    alert_id = await town.send(status="exercise")
    states = await town.settled(alert_id)
    assert {channel: sum(each.values()) for channel, each in states.items()} == {
        "sms": 1,
        "email": 1,
        "webhook": 1,
        "feed": 2,
    }


async def test_an_actual_alert_reaches_no_exercise_recipient(town: Town) -> None:
    await town.populate(2, exercise=True)
    alert_id = await town.send(status="actual")
    assert set(await town.settled(alert_id)) == {"feed"}


async def test_a_dispatch_forged_as_actual_still_sends_an_exercise_to_nobody_real(
    town: Town,
) -> None:
    """The statement reads the alert's own status, not what the dispatch says of it."""
    await town.populate(1, exercise=False)
    alert_id = await town.send(status="exercise")
    await town.settled(alert_id)
    await town.tools.store.write(_forge_dispatch, alert_id)
    states = await town.settled(alert_id)
    assert set(states) == {"feed"}


async def test_a_region_that_was_not_chosen_hears_nothing(town: Town) -> None:
    await town.populate(1, region="GR-M")
    await town.populate(1, region="GR")
    alert_id = await town.send()
    states = await town.settled(alert_id)
    assert sum(states["sms"].values()) == 1


async def test_throttled_and_failing_requests_are_tried_again_until_they_arrive(town: Town) -> None:
    await town.populate(3)
    town.peers.webhooks.next(
        Fault(status=429, headers={"Retry-After": "1"}), Fault(status=500), DROP_UNREAD
    )
    alert_id = await town.send()
    states = await town.settled(alert_id)
    assert states["webhook"] == {"delivered": 3}
    assert len({hook.id for hook in town.peers.webhooks.messages}) == 3


async def test_what_may_have_arrived_is_sent_again_under_the_same_id_marked_as_repeat(
    town: Town,
) -> None:
    await town.populate(1)
    town.peers.webhooks.next(DROP_TAKEN)
    alert_id = await town.send()
    states = await town.settled(alert_id)
    first, second = town.peers.webhooks.messages
    assert states["webhook"] == {"delivered": 1}
    assert first.id == second.id
    assert (first.repeat, second.repeat) == (False, True)


async def test_a_peer_that_hangs_or_talks_rubbish_delays_nobody_else(town: Town) -> None:
    await town.populate(6)
    town.peers.webhooks.next(HANG_TAKEN, GARBAGE, HANG_TAKEN)
    alert_id = await town.send()
    states = await town.settled(alert_id)
    assert states["webhook"] == {"delivered": 6}
    assert states["email"] == {"sent": 6}


async def test_a_refused_address_is_a_dead_letter_with_a_reason_and_can_be_requeued(
    town: Town,
) -> None:
    await town.populate(1)
    town.peers.webhooks.next(Fault(status=404))
    alert_id = await town.send()
    states = await town.settled(alert_id)
    assert states["webhook"] == {"dead": 1}
    dead = await town.tools.store.read(_dead)
    assert [reason for _, reason in dead] == ["rejected"]
    await requeue(town.tools, OPERATOR, dead[0][0])
    states = await town.settled(alert_id)
    assert states["webhook"] == {"delivered": 1}


async def test_wrong_credentials_pause_the_channel_and_count_no_attempt(town: Town) -> None:
    await town.populate(2)
    town.peers.twilio.auth_token = "changed-at-the-provider"
    alert_id = await town.send()
    await town.peers.webhooks.wait_for(2)
    states = await town.states(alert_id)
    assert states["sms"] in ({"queued": 2}, {"leased": 2}, {"queued": 1, "leased": 1})
    assert await town.tools.store.read(_attempts, "sms") == 0


async def test_an_end_stops_what_is_queued_and_tells_those_who_got_the_alert(town: Town) -> None:
    await town.populate(2)
    town.peers.webhooks.next(*[Fault(status=503, headers={"Retry-After": "60"})] * 2)
    alert_id = await town.send()
    await town.peers.smtp.wait_for(2)
    await town.peers.twilio.callbacks.wait_for(4)
    await end(
        town.tools,
        town.officials["ngo"],
        alert_id,
        reason_code="found",
        why="Fictional: found in the exercise.",
        confirm=True,
    )
    states = await town.settled(alert_id)
    assert states["webhook"] == {"cancelled": 2}
    await town.peers.smtp.wait_for(4)
    await town.peers.twilio.wait_for(4)
    to_alert, to_end = town.peers.smtp.messages[:2], town.peers.smtp.messages[2:]
    assert {m.recipients for m in to_alert} == {m.recipients for m in to_end}
    assert all(mail.message["In-Reply-To"] for mail in to_end)
    assert not town.peers.webhooks.messages


async def test_bytes_that_were_not_approved_never_leave(town: Town) -> None:
    await town.populate(1)
    alert_id = await town.submit()
    key = await town.tools.vault.key(await town.tools.store.read(_key_id, alert_id))
    await town.tools.store.write(_swap_bodies, key.seal(b"something else"))
    with capture_logs() as logs:
        await town.approve(alert_id)
        async with asyncio.timeout(10):
            while not any(entry["event"] == "dispatch.not_approved" for entry in logs):
                await asyncio.sleep(0.02)
    states = await town.states(alert_id)
    assert all(set(each) <= {"queued", "leased"} for each in states.values())
    assert not town.peers.smtp.messages
    assert not town.peers.webhooks.messages
    assert not town.peers.twilio.messages


def _key_id(conn: Connection, alert_id: str) -> str:
    return str(conn.scalar(select(alerts.c.key_id).where(alerts.c.id == alert_id)))


def _swap_bodies(conn: Connection, body: bytes) -> None:
    outgoing = (renditions.c.kind == "alert") & (renditions.c.channel != "feed")
    conn.execute(update(renditions).where(outgoing).values(body=body))


def _forge_dispatch(conn: Connection, alert_id: str) -> None:
    ours = (dispatches.c.alert_id == alert_id) & (dispatches.c.kind == "alert")
    row = conn.execute(select(dispatches).where(ours)).mappings().one()
    names = ("alert_id", "version_id", "identifier", "sent_at", "deadline_at")
    same = {name: row[name] for name in names}
    open_dispatch(conn, Dispatch(kind=Kind.ALERT, occurrence=1, exercise=False, **same))


def _counts(conn: Connection) -> tuple[dict[object, int], dict[object, int]]:
    counted = {
        (row.dispatch_id, row.channel, row.state): row.count
        for row in conn.execute(select(progress))
        if row.count
    }
    rows = conn.execute(
        select(
            deliveries.c.dispatch_id, deliveries.c.channel, deliveries.c.state, func.count()
        ).group_by(deliveries.c.dispatch_id, deliveries.c.channel, deliveries.c.state)
    )
    return counted, {(row[0], row[1], row[2]): row[3] for row in rows}


def _dead(conn: Connection) -> list[tuple[int, str]]:
    query = select(deliveries.c.id, deliveries.c.reason).where(deliveries.c.state == "dead")
    return [(row.id, row.reason) for row in conn.execute(query)]


def _attempts(conn: Connection, channel: str) -> int:
    query = (
        select(func.count())
        .select_from(attempts.join(deliveries, deliveries.c.id == attempts.c.delivery_id))
        .where(deliveries.c.channel == channel)
    )
    return int(conn.scalar(query) or 0)
