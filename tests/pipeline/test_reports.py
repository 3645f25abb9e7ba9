"""What a provider reports afterwards is judged as what it answers at once."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Row, select, update

from alertd.channel import Report
from alertd.core.errors import Reason
from alertd.pipeline.dispatch import stop
from alertd.pipeline.reports import delivery_ref, settle_reports
from alertd.store.schema import deliveries, dispatches, progress, to_micros
from tests.pipeline.conftest import Office

NEVER_ARRIVED = {"state": "failed", "reason": Reason.ADDRESS_UNREACHABLE, "retry": True}


async def reported(office: Office, attempts: int, *, ended: bool = False, **said: object) -> Row:
    """Give a delivery that was handed over at its so many-th attempt, after a report about it."""
    alert_id = await office.activate()
    query = (
        select(deliveries.c.id)
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .where(dispatches.c.alert_id == alert_id, dispatches.c.kind == "alert")
    )
    number = (await office.rows(query))[0].id

    def settle(conn: Connection) -> None:
        mine = deliveries.c.id == number
        conn.execute(update(deliveries).where(mine).values(state="sent", attempts=attempts))
        conn.execute(update(progress).values(state="sent"))
        if ended:
            stop(conn, alert_id, office.clock.now)
        report = Report(delivery_ref(alert_id, number), **said)
        settle_reports(conn, [report], node="example", now=to_micros(office.clock.now))

    await office.tools.store.write(settle)
    [row] = await office.rows(select(deliveries).where(deliveries.c.id == number))
    return row


@pytest.mark.parametrize(("attempts", "pause_s"), [(1, 1), (3, 5), (11, 300)])
async def test_a_phone_that_was_off_is_tried_again_after_a_longer_pause_each_time(
    office: Office, attempts: int, pause_s: int
) -> None:
    row = await reported(office, attempts, **NEVER_ARRIVED)
    assert (row.state, row.reason) == ("queued", "address_unreachable")
    assert row.next_at == to_micros(office.clock.now) + pause_s * 1_000_000


async def test_a_phone_that_stays_off_becomes_a_dead_letter(office: Office) -> None:
    row = await reported(office, 12, **NEVER_ARRIVED)
    assert (row.state, row.reason) == ("dead", "address_unreachable")


async def test_what_another_try_cannot_help_is_a_dead_letter_at_once(office: Office) -> None:
    row = await reported(office, 1, state="failed", reason="of a channel to come")
    assert (row.state, row.reason) == ("dead", "rejected")


async def test_nothing_is_tried_again_of_an_alert_that_is_over(office: Office) -> None:
    assert (await reported(office, 1, ended=True, **NEVER_ARRIVED)).state == "cancelled"
