"""How far an alert has come in each region, by counters that agree with the ledger."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from alertd.console.officials.live import Bar, read_live
from alertd.core.delivery import State
from alertd.demo.peer import Fault
from alertd.pipeline.update import update
from alertd.store.schema import deliveries, region_progress
from tests.dispatch.conftest import Town
from tests.factories import make_alert

Counts = dict[tuple[int, str, str], int]


def counted(conn: Connection) -> Counts:
    table = region_progress.c
    query = select(table.dispatch_id, table.region, table.state, table.count).where(table.count > 0)
    return {(row[0], row[1], row[2]): row[3] for row in conn.execute(query)}


def in_the_ledger(conn: Connection) -> Counts:
    by = (deliveries.c.dispatch_id, deliveries.c.region, deliveries.c.state)
    query = select(*by, func.count()).where(deliveries.c.region != "").group_by(*by)
    return {(row[0], row[1], row[2]): row[3] for row in conn.execute(query)}


def told_and_true(conn: Connection) -> tuple[Counts, Counts]:
    """Give both as they stand at one moment: providers go on reporting arrivals."""
    return counted(conn), in_the_ledger(conn)


async def bars(town: Town, alert_id: str) -> tuple[Bar, ...]:
    live = await town.tools.store.read(read_live, alert_id, datetime.now(UTC))
    return live.sendings[0].regions


async def test_each_region_fills_its_own_bar(town: Town) -> None:
    await town.populate(3)
    await town.populate(2, region="GR")
    alert_id = await town.send()
    await town.settled(alert_id)
    told, true = await town.tools.store.read(told_and_true)
    assert told == true
    shown = await bars(town, alert_id)
    found = {bar.name: (bar.planned, bar.sent + bar.delivered) for bar in shown}
    assert found == {"GR": (6, 6), "GR-I": (9, 9)}


async def test_failures_stand_in_the_bar_of_their_region(town: Town) -> None:
    await town.populate(1)
    town.peers.webhooks.next(Fault(status=404))
    alert_id = await town.send()
    await town.settled(alert_id)
    [bar] = await bars(town, alert_id)
    assert (bar.name, bar.failed, bar.waiting) == ("GR-I", 1, 0)
    told, true = await town.tools.store.read(told_and_true)
    assert told == true


async def test_an_update_counts_whom_it_follows_where_they_were_told(town: Town) -> None:
    await town.populate(2)
    alert_id = await town.send()
    await town.settled(alert_id)
    changed = make_alert(datetime.now(UTC), circumstances="Fictional, and other than before.")
    await update(town.tools, town.officials["submitter"], alert_id, changed)
    await town.approve(alert_id, roles=("police", "ngo"))
    await town.settled(alert_id)
    [bar] = await bars(town, alert_id)
    assert (bar.name, bar.planned) == ("GR-I", 6)
    told, true = await town.tools.store.read(told_and_true)
    assert told == true
    assert State.QUEUED not in {state for _, _, state in told}
