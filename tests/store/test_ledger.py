"""Expanding, leasing and settling: what the statements promise, on both databases."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection, insert, select, update

from alertd.core.delivery import LONGEST_PAUSE, Result, UncertainPolicy
from alertd.core.errors import Reason
from alertd.core.rendition import Kind
from alertd.pipeline import lanes
from alertd.pipeline.activate import PUBLIC
from alertd.pipeline.deliver import bring_forward, give_up, put_off_too_far, reclaim, settle_again
from alertd.pipeline.dispatch import stop
from alertd.pipeline.expand import expand, sweep
from alertd.store.schema import (
    addresses,
    audit,
    deliveries,
    progress,
    recipient_regions,
    recipients,
    to_micros,
)
from tests.store.conftest import LEASE, Ledger


async def test_an_address_of_several_recipients_is_reached_once(ledger: Ledger) -> None:
    await ledger.recipients(3, regions=("GR", "GR-I"))
    await ledger.store.write(_share_first_address, ledger.clock())
    dispatch = await ledger.dispatch(await ledger.alert())
    await ledger.expand(chunk=2)
    assert await ledger.states(dispatch) == {"queued": 3}


async def test_expansion_goes_on_where_a_crash_left_it(ledger: Ledger) -> None:
    await ledger.recipients(10)
    dispatch = await ledger.dispatch(await ledger.alert())
    await ledger.store.write(expand, dispatch, now=ledger.clock(), chunk=3)
    await ledger.store.write(expand, dispatch, now=ledger.clock(), chunk=3)
    await ledger.expand(chunk=3)
    assert await ledger.states(dispatch) == {"queued": 10}


async def test_the_first_recipients_can_be_sent_to_while_others_are_added(ledger: Ledger) -> None:
    await ledger.recipients(10)
    dispatch = await ledger.dispatch(await ledger.alert())
    await ledger.store.write(expand, dispatch, now=ledger.clock(), chunk=4)
    await ledger.store.write(expand, dispatch, now=ledger.clock(), chunk=4)
    assert len(await ledger.lease()) > 0


async def test_two_processes_never_lease_the_same_delivery(ledger: Ledger) -> None:
    await ledger.recipients(60)
    await ledger.dispatch(await ledger.alert())
    await ledger.expand()
    taken = await asyncio.gather(*(ledger.lease(10, by=f"p{n}") for n in range(8)))
    ids = [row.id for rows in taken for row in rows]
    assert len(ids) == len(set(ids)) == 60


async def test_a_newer_alert_overtakes_what_is_still_queued_of_an_older_one(
    ledger: Ledger,
) -> None:
    await ledger.recipients(4)
    older = await ledger.dispatch(await ledger.alert())
    await ledger.expand()
    ledger.clock.tick(seconds=5)
    newer = await ledger.dispatch(await ledger.alert())
    await ledger.expand()
    assert [row.dispatch_id for row in await ledger.lease(8)] == [newer] * 4 + [older] * 4


async def test_ends_go_before_alerts_and_exercises_last(ledger: Ledger) -> None:
    await ledger.recipients(1)
    await ledger.recipients(1, exercise=False)
    exercise = await ledger.dispatch(await ledger.alert())
    await ledger.expand()
    ended = await ledger.alert(status="actual")
    first = await ledger.dispatch(ended, exercise=False)
    await ledger.expand()
    await ledger.settle(await ledger.lease(1))
    assert await ledger.states(first) == {"delivered": 1}
    end = await ledger.dispatch(ended, kind=Kind.END, exercise=False)
    actual = await ledger.dispatch(await ledger.alert(status="actual"), exercise=False)
    await ledger.expand()
    assert [row.dispatch_id for row in await ledger.lease()] == [end, actual, exercise]


async def test_a_process_that_wakes_late_writes_nothing(ledger: Ledger) -> None:
    await ledger.recipients(2)
    dispatch = await ledger.dispatch(await ledger.alert())
    await ledger.expand()
    asleep = await ledger.lease(by="asleep")
    ledger.clock.tick(seconds=LEASE.total_seconds() + 11)
    await _reclaim(ledger)
    awake = await ledger.lease(by="awake")
    assert len(awake) == 2
    assert all(row.repeat for row in awake)
    assert await ledger.settle(asleep, by="asleep") == 0
    assert await ledger.settle(awake, by="awake") == 2
    assert await ledger.states(dispatch) == {"delivered": 2}


async def test_outcomes_that_the_database_forgot_are_written_again_and_no_others(
    ledger: Ledger,
) -> None:
    """A standby took over that had not heard of them: of one, not even that it was leased."""
    await ledger.recipients(3)
    dispatch = await ledger.dispatch(await ledger.alert())
    await ledger.expand()
    known = ledger.outcomes(await ledger.lease())
    _, others, unleased = (each.change.id for each in known)
    await ledger.store.write(_stand, others, state="leased", lease="another")
    await ledger.store.write(_stand, unleased, state="queued", lease=None)
    now = to_micros(ledger.clock())
    for written in (2, 0):
        again = await ledger.store.write(settle_again, known, node="a", now=now)
        assert again == written
    assert await ledger.states(dispatch) == {"delivered": 2, "leased": 1}
    assert await ledger.store.read(_counted, dispatch) == {"delivered": 2, "queued": 1}


async def test_a_lost_lease_is_never_taken_back_early(ledger: Ledger) -> None:
    await ledger.recipients(1)
    await ledger.dispatch(await ledger.alert())
    await ledger.expand()
    await ledger.lease()
    ledger.clock.tick(seconds=LEASE.total_seconds() - 1)
    assert await _reclaim(ledger) == 0


async def test_a_clock_that_jumps_back_sends_nothing_early_and_loses_nothing(
    ledger: Ledger,
) -> None:
    await ledger.recipients(1)
    await ledger.dispatch(await ledger.alert())
    await ledger.expand()
    await ledger.settle(await ledger.lease(), Result.UNSENT)
    ledger.clock.tick(hours=-1)
    assert await ledger.lease() == []
    ledger.clock.tick(hours=1, minutes=2)
    assert len(await ledger.lease()) == 1


async def test_what_a_clock_that_ran_ahead_put_off_is_due_when_it_is_set_back(
    ledger: Ledger,
) -> None:
    await ledger.recipients(1)
    await ledger.dispatch(await ledger.alert())
    await ledger.expand()
    ledger.clock.tick(hours=1)
    (row,) = await ledger.lease()
    await ledger.settle([row], Result.UNSENT)
    await ledger.store.write(_stand, row.id, reason=Reason.CLOCK)
    ledger.clock.tick(hours=-1)
    now = ledger.clock()
    beyond = to_micros(now + LONGEST_PAUSE)
    late = await ledger.store.read(put_off_too_far, ["webhook"], beyond)
    assert len(late) == 1
    await ledger.store.write(bring_forward, late, to_micros(now))
    assert len(await ledger.lease()) == 1


async def test_nothing_of_a_stopped_dispatch_is_leased(ledger: Ledger) -> None:
    await ledger.recipients(5)
    alert = await ledger.alert()
    dispatch = await ledger.dispatch(alert)
    await ledger.expand()
    await ledger.store.write(stop, alert[0], ledger.clock())
    assert await ledger.lease() == []
    assert await ledger.states(dispatch) == {"cancelled": 5}


async def test_a_sweep_closes_what_a_stop_left_queued_in_chunks(ledger: Ledger) -> None:
    await ledger.recipients(5)
    alert = await ledger.alert()
    dispatch = await ledger.dispatch(alert)
    await ledger.expand()
    (leased,) = await ledger.lease(1)
    await ledger.store.write(stop, alert[0], ledger.clock())
    assert (await ledger.store.write(sweep, dispatch, now=ledger.clock(), chunk=3)).closed == 3
    assert (await ledger.store.write(sweep, dispatch, now=ledger.clock(), chunk=3)).closed == 1
    assert not (await ledger.store.write(sweep, dispatch, now=ledger.clock())).done
    await ledger.settle([leased])
    assert (await ledger.store.write(sweep, dispatch, now=ledger.clock())).done
    assert await ledger.states(dispatch) == {"cancelled": 4, "delivered": 1}


async def test_an_end_reaches_exactly_those_who_may_have_got_the_alert(ledger: Ledger) -> None:
    await ledger.recipients(6)
    alert = await ledger.alert()
    await ledger.dispatch(alert)
    await ledger.expand()
    got = await ledger.lease(2)
    await ledger.settle(got)
    in_flight = await ledger.lease(1)
    await ledger.store.write(stop, alert[0], ledger.clock())
    end = await ledger.dispatch(alert, kind=Kind.END)
    await ledger.expand()
    reached = {row.address_id for row in await ledger.lease(by="b")}
    assert reached == {row.address_id for row in got}
    await ledger.settle(in_flight)
    await ledger.expand()
    reached |= {row.address_id for row in await ledger.lease(by="b")}
    assert reached == {row.address_id for row in [*got, *in_flight]}
    assert sum((await ledger.states(end)).values()) == 3


@pytest.mark.parametrize(
    ("earlier", "following"), [(Kind.UPDATE, Kind.END), (Kind.END, Kind.UPDATE)]
)
async def test_what_follows_waits_though_the_address_has_an_older_message_already(
    ledger: Ledger, earlier: Kind, following: Kind
) -> None:
    await ledger.recipients(1)
    alert = await ledger.alert()
    await ledger.dispatch(alert)
    await ledger.expand()
    await ledger.settle(await ledger.lease())
    await ledger.store.write(stop, alert[0], ledger.clock(), kinds=PUBLIC)
    await ledger.dispatch(alert, kind=earlier, references="x")
    await ledger.expand()
    (in_flight,) = await ledger.lease()
    await ledger.store.write(stop, alert[0], ledger.clock(), kinds=PUBLIC)
    await ledger.dispatch(alert, kind=following, references="x")
    await ledger.expand()
    assert await ledger.lease(by="b") == []
    await ledger.settle([in_flight])
    await ledger.expand()
    assert len(await ledger.lease(by="b")) == 1


async def test_an_end_waits_for_an_address_whose_alert_is_in_flight(ledger: Ledger) -> None:
    await ledger.recipients(1)
    alert = await ledger.alert()
    await ledger.dispatch(alert)
    await ledger.expand()
    in_flight = await ledger.lease()
    await ledger.store.write(stop, alert[0], ledger.clock())
    end = await ledger.dispatch(alert, kind=Kind.END)
    await ledger.expand()
    assert await ledger.lease(by="b") == []
    await ledger.settle(in_flight)
    await ledger.expand()
    assert [row.dispatch_id for row in await ledger.lease(by="b")] == [end]


async def test_who_left_the_list_since_is_still_told_of_the_end(ledger: Ledger) -> None:
    await ledger.recipients(1)
    alert = await ledger.alert()
    await ledger.dispatch(alert)
    await ledger.expand()
    await ledger.settle(await ledger.lease())
    gone = update(recipients).values(ended_at=ledger.clock())
    await ledger.store.write(lambda conn: conn.execute(gone))
    await ledger.dispatch(alert, kind=Kind.END)
    await ledger.expand()
    assert len(await ledger.lease()) == 1


async def test_an_address_that_opted_out_meanwhile_gets_nothing_more(ledger: Ledger) -> None:
    await ledger.recipients(1)
    dispatch = await ledger.dispatch(await ledger.alert())
    await ledger.expand()
    out = update(addresses).values(suppressed_at=ledger.clock(), suppressed_reason="opted_out")
    await ledger.store.write(lambda conn: conn.execute(out))
    assert await ledger.lease() == []
    assert await ledger.states(dispatch) == {"cancelled": 1}


async def test_a_rate_holds_over_all_processes_together(ledger: Ledger) -> None:
    await ledger.recipients(50)
    await ledger.dispatch(await ledger.alert())
    await ledger.expand()
    taken = 0
    for second in range(4):
        for process in ("a", "b"):
            taken += len(await ledger.lease(20, by=f"{process}{second}", rate=10.0))
        ledger.clock.tick(seconds=1)
    assert taken == 40


async def test_a_lane_that_fails_again_and_again_rests_and_the_others_go_on(
    ledger: Ledger,
) -> None:
    await ledger.recipients(3, lane="webhook/sick.example.org:443")
    await ledger.recipients(2)
    await ledger.dispatch(await ledger.alert())
    await ledger.expand()
    sick = lanes.LaneNews("webhook", failures=lanes.TRIP_AFTER)
    news = {"webhook/sick.example.org:443": sick}
    await ledger.store.write(lanes.learn, news, to_micros(ledger.clock()))
    assert len(await ledger.lease()) == 2
    ledger.clock.tick(seconds=lanes.PAUSE_FIRST_S + 1)
    assert len(await ledger.lease(by="b")) == 2  # on probation: a few, not all


async def test_a_throttled_provider_is_left_alone_and_then_written_to_more_slowly(
    ledger: Ledger,
) -> None:
    await ledger.recipients(100, lane="webhook")
    await ledger.dispatch(await ledger.alert())
    await ledger.expand()
    assert len(await ledger.lease(rate=20.0)) == 20
    throttled = {"webhook": lanes.LaneNews("webhook", throttled_s=3)}
    await ledger.store.write(lanes.learn, throttled, to_micros(ledger.clock()))
    ledger.clock.tick(seconds=2)
    assert await ledger.lease(rate=20.0) == []
    ledger.clock.tick(seconds=2)
    assert len(await ledger.lease(rate=20.0)) == 10


async def test_what_stays_uncertain_to_its_deadline_becomes_a_dead_letter(ledger: Ledger) -> None:
    await ledger.recipients(1)
    dispatch = await ledger.dispatch(await ledger.alert())
    await ledger.expand()
    hold = update(deliveries).values(state="uncertain", next_at=to_micros(ledger.clock()))
    await ledger.store.write(lambda conn: conn.execute(hold))
    assert await ledger.store.write(give_up, node="a", now=to_micros(ledger.clock())) == 1
    assert await ledger.states(dispatch) == {"dead": 1}


async def test_counters_follow_every_move(ledger: Ledger) -> None:
    await ledger.recipients(8)
    alert = await ledger.alert()
    dispatch = await ledger.dispatch(alert)
    await ledger.expand(chunk=3)
    await ledger.settle(await ledger.lease(2))
    await ledger.settle(await ledger.lease(2), Result.UNSENT)
    await ledger.lease(1)
    ledger.clock.tick(seconds=LEASE.total_seconds() + 11)
    await _reclaim(ledger)
    await ledger.store.write(stop, alert[0], ledger.clock())
    while (await ledger.store.write(sweep, dispatch, now=ledger.clock())).closed:
        pass
    counted = await ledger.store.read(_counted, dispatch)
    assert counted == await ledger.states(dispatch) == {"delivered": 2, "cancelled": 6}


async def test_a_settled_batch_is_one_entry_of_the_record(ledger: Ledger) -> None:
    await ledger.recipients(50)
    await ledger.dispatch(await ledger.alert())
    await ledger.expand()
    await ledger.settle(await ledger.lease())
    entries = await ledger.store.read(
        lambda conn: list(conn.scalars(select(audit.c.action).order_by(audit.c.seq)))
    )
    assert entries == ["deliveries.settled"]


async def _reclaim(ledger: Ledger) -> int:
    policies = {"webhook": UncertainPolicy.RESEND}
    now = to_micros(ledger.clock())
    return await ledger.store.write(reclaim, policies, node="r", now=now)


def _stand(conn: Connection, id_: int, **how: object) -> None:
    conn.execute(update(deliveries).where(deliveries.c.id == id_).values(how))


def _counted(conn: Connection, dispatch_id: int) -> dict[str, int]:
    rows = conn.execute(select(progress).where(progress.c.dispatch_id == dispatch_id))
    return {row.state: row.count for row in rows if row.count}


def _share_first_address(conn: Connection, now: object) -> None:
    first = conn.execute(select(recipients).order_by(recipients.c.id).limit(1)).mappings().one()
    twin = {name: value for name, value in first.items() if name != "id"}
    made = conn.execute(insert(recipients).values(twin).returning(recipients.c.id)).scalar_one()
    conn.execute(insert(recipient_regions).values(recipient_id=made, region="GR-I"))
