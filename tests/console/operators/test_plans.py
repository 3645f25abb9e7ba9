"""No operators' page scans or sorts the ledger: read from the database's own plans."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from alertd.console.officials.live import read_live
from alertd.core.delivery import State
from alertd.store.store import Store
from alertd.watch.board import read_board
from alertd.watch.dispatchlog import WINDOW, Filter, find, read_line
from alertd.watch.report import failures_of
from alertd.watch.roster import Standing, Wanted, find_recipients
from tests.benchmarks.crowd import NOW, RATES, fill
from tests.benchmarks.plans import faults, statements

COUNT = 60_000

ASKED = {
    "everything": Filter(),
    "a channel": Filter(channel="email"),
    "delivered": Filter(state=State.DELIVERED),
    "none sent": Filter(state=State.SENT),
    "queued": Filter(state=State.QUEUED, channel="sms"),
    "in hand": Filter(state=State.LEASED),
    "dead": Filter(state=State.DEAD),
    "dead of an alert": Filter(state=State.DEAD, alert_id="example03"),
    "a reason": Filter(reason="dns"),
    "a case": Filter(case_reference="EX-0003"),
    "an address": Filter(address_id=7),
}
ASKED |= {
    f"{name}, of one's own": replace(each, sees=lambda *_: True) for name, each in ASKED.items()
}
SOUGHT = {
    "recipients": Wanted(),
    "recipients of a channel": Wanted(channel="webhook"),
    "recipients of a region": Wanted(region="GR-I", language="en"),
    "recipients of no region": Wanted(region="GR-M"),
    "recipients of one's own": Wanted(within=frozenset({"GR", "GR-I", "GR-B"})),
    "recipients of others": Wanted(within=frozenset({"GR-M"})),
    "recipients who left": Wanted(standing=Standing.ENDED),
}


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


def scans(conn: Connection, read: Any) -> list[str]:
    """Give what reads one of the big tables from end to end."""
    with statements(conn) as seen:
        read(conn)
    assert seen
    return faults(conn, seen)


async def test_no_page_scans_the_ledger(store: Store) -> None:
    await store.write(fill, COUNT)
    reads: dict[str, Any] = {
        name: lambda conn, wanted=wanted: find(conn, wanted, after=None, limit=50)
        for name, wanted in ASKED.items()
    }
    reads["board"] = lambda conn: read_board(conn, RATES, NOW + timedelta(minutes=1))
    reads["own board"] = lambda conn: read_board(
        conn, RATES, NOW + timedelta(minutes=1), lambda *_: True
    )
    reads["a delivery"] = lambda conn: read_line(conn, 4711)
    reads["failures"] = lambda conn: failures_of(conn, "example05")
    reads["a live alert"] = lambda conn: read_live(conn, "example05", NOW)
    for name, wanted in SOUGHT.items():
        reads[name] = lambda conn, wanted=wanted: find_recipients(conn, wanted, after=0, limit=50)
    found = {name: await store.read(scans, read) for name, read in reads.items()}
    assert {name: steps for name, steps in found.items() if steps} == {}


async def test_a_report_counts_the_reasons_of_so_many_failures_and_no_more(store: Store) -> None:
    await store.write(fill, COUNT)
    all_of_them = await store.read(failures_of, "example05")
    few = await store.read(failures_of, "example05", most=3)
    assert sum(each.count for each in few) == 3 < sum(each.count for each in all_of_them)


async def test_the_check_of_plans_sees_a_scan(store: Store) -> None:
    await store.write(fill, 2000)

    def whole(conn: Connection) -> None:
        conn.execute(text("SELECT count(*) FROM attempts WHERE node = 'x'"))

    assert await store.read(scans, whole)


async def test_a_page_that_finds_too_little_says_how_far_it_has_looked(store: Store) -> None:
    await store.write(fill, COUNT)
    looked = await store.read(find, Filter(reason="dns"), after=None, limit=50)
    assert not looked.full
    assert looked.next == (COUNT + 1 - WINDOW,)
    rounds = 0
    while looked.next is not None:
        looked = await store.read(find, Filter(reason="dns"), after=looked.next, limit=50)
        rounds += 1
    assert looked.full
    assert rounds == COUNT // WINDOW


@pytest.mark.parametrize("name", ["everything", "dead", "queued", "an address"])
async def test_whoever_sees_no_alert_is_soon_told_that_there_is_nothing(
    store: Store, name: str
) -> None:
    await store.write(fill, 4000)
    page = await store.read(find, replace(ASKED[name], sees=lambda *_: False), after=None, limit=50)
    assert (page.lines, page.next) == ((), None)


@pytest.mark.parametrize("name", ASKED)
async def test_every_delivery_that_fits_comes_once_page_by_page(store: Store, name: str) -> None:
    await store.write(fill, 4000)
    wanted = ASKED[name]
    seen: list[int] = []
    page = await store.read(find, wanted, after=None, limit=37)
    while True:
        seen += [line.id for line in page.lines]
        if page.next is None:
            break
        page = await store.read(find, wanted, after=page.next, limit=37)
    assert len(seen) == len(set(seen))
    assert len(seen) == await store.read(_count, wanted)


def _count(conn: Connection, wanted: Filter) -> int:
    names = ("channel", "state", "reason", "address_id")
    asked = {name: getattr(wanted, name) for name in names if getattr(wanted, name)}
    fits = [f"deliveries.{name} = :{name}" for name in asked]
    if wanted.one_alert:
        asked |= {"alert": wanted.alert_id or "example03"}
        fits.append("dispatches.alert_id = :alert")
    where = " AND ".join(fits) or "1 = 1"
    joined = "deliveries JOIN dispatches ON dispatches.id = dispatch_id"
    query = text(f"SELECT count(*) FROM {joined} WHERE {where}")  # noqa: S608 - our own words
    return int(conn.scalar(query, asked))
