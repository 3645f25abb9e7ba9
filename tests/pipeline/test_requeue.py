"""A dead letter gets another chance, unless nobody would be helped by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, select, update

from alertd.core.errors import Conflict, NotAllowed, NotFound
from alertd.pipeline.dispatch import stop
from alertd.pipeline.requeue import requeue
from alertd.store.schema import addresses, deliveries, dispatches, progress, to_micros
from alertd.tools import CONSOLE
from tests.pipeline.conftest import Office


async def dead_letter(office: Office) -> int:
    """Give a delivery that died after five attempts."""
    alert_id = await office.activate()
    query = (
        select(deliveries.c.id)
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .where(dispatches.c.alert_id == alert_id, dispatches.c.kind == "alert")
    )
    number: int = (await office.rows(query))[0].id

    def die(conn: Connection) -> None:
        mine = deliveries.c.id == number
        conn.execute(
            update(deliveries).where(mine).values(state="dead", attempts=5, reason="timeout")
        )
        row = conn.execute(select(deliveries).where(mine)).one()
        conn.execute(
            update(progress)
            .where(progress.c.dispatch_id == row.dispatch_id, progress.c.channel == row.channel)
            .values(state="dead")
        )

    await office.tools.store.write(die)
    return number


async def test_a_requeued_delivery_is_due_now_and_keeps_its_attempts(office: Office) -> None:
    number = await dead_letter(office)
    office.clock.tick(minutes=5)
    await requeue(office.tools, CONSOLE, number)
    [row] = await office.rows(select(deliveries).where(deliveries.c.id == number))
    assert (row.state, row.attempts, row.reason) == ("queued", 5, None)
    assert row.next_at == to_micros(office.clock.now)
    query = select(progress.c.state, progress.c.count).where(
        progress.c.dispatch_id == row.dispatch_id, progress.c.channel == row.channel
    )
    counts = {each.state: each.count for each in await office.rows(query)}
    assert counts == {"dead": 1, "queued": 1}  # one entry per language of the feed


def _stopped(office: Office) -> Callable[[Connection], object]:
    def work(conn: Connection) -> None:
        for alert_id in conn.scalars(select(dispatches.c.alert_id).distinct()).all():
            stop(conn, alert_id, office.clock.now)

    return work


def _too_late(office: Office) -> Callable[[Connection], object]:
    return lambda conn: conn.execute(update(dispatches).values(deadline_at=office.clock.now))


def _suppressed(office: Office) -> Callable[[Connection], object]:
    return lambda conn: conn.execute(update(addresses).values(suppressed_at=office.clock.now))


def _delivered(_: Office) -> Callable[[Connection], object]:
    return lambda conn: conn.execute(update(deliveries).values(state="delivered"))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_stopped, "ended or replaced"),
        (_too_late, "time is over"),
        (_suppressed, "asked not to be written to"),
        (_delivered, "this one is delivered"),
    ],
)
async def test_what_helps_nobody_is_not_requeued(
    office: Office, spoil: Callable[[Office], Callable[[Connection], object]], says: str
) -> None:
    number = await dead_letter(office)
    await office.tools.store.write(spoil(office))
    before = await office.counts()
    with pytest.raises(Conflict, match=says):
        await requeue(office.tools, CONSOLE, number)
    assert await office.counts() == before


async def test_only_an_operator_requeues(office: Office) -> None:
    with pytest.raises(NotAllowed):
        await requeue(office.tools, office["police"], 1)


async def test_an_unknown_delivery_is_not_found(office: Office) -> None:
    with pytest.raises(NotFound):
        await requeue(office.tools, CONSOLE, 999)
