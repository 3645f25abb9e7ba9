from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select

from alertd.core.audit import read_body
from alertd.core.errors import ChainBroken
from alertd.pipeline.record import (
    HEAD,
    STATE_CHANGED,
    Entry,
    open_text,
    read_head,
    record,
    record_batch,
)
from alertd.pipeline.replay import advance, read_links
from alertd.store.schema import audit, audit_texts, marks

from .conftest import Ledger, attempt


async def test_entries_are_numbered_from_one_without_gaps(ledger: Ledger) -> None:
    assert [await ledger.record() for _ in range(3)] == [1, 2, 3]


async def test_entry_of_a_transaction_that_failed_leaves_no_gap(ledger: Ledger) -> None:
    def fail(conn: Connection) -> None:
        record(conn, Entry("person:1", "x"), at=ledger.now)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await ledger.store.write(fail)
    assert await ledger.record() == 1
    assert (await ledger.verify()).ok


async def test_writers_at_the_same_time_make_one_chain(ledger: Ledger) -> None:
    seqs = await asyncio.gather(*(ledger.record() for _ in range(40)))
    assert sorted(seqs) == list(range(1, 41))
    assert (await ledger.verify()).ok


async def test_text_stands_beside_the_chain_and_only_sealed(ledger: Ledger) -> None:
    await ledger.record(why="Παράδειγμα Child")
    (link,) = await ledger.store.read(read_links, 0)
    assert "Child" not in link.body
    (sealed,) = await ledger.store.read(lambda conn: conn.scalars(select(audit_texts.c.text)).all())
    assert b"Child" not in sealed
    assert open_text(sealed, ledger.key)[1] == "Παράδειγμα Child"


async def test_same_text_has_another_digest_each_time(ledger: Ledger) -> None:
    await ledger.record(why="same")
    await ledger.record(why="same")
    one, two = [read_body(link)["texts"] for link in await ledger.store.read(read_links, 0)]
    assert one.keys() == two.keys() == {"why"}
    assert one != two


async def test_text_without_a_key_is_refused(ledger: Ledger) -> None:
    entry = Entry("person:1", "lane.closed", texts={"why": "x"})
    with pytest.raises(ValueError, match="need a key"):
        await ledger.store.write(record, entry, at=ledger.now)


async def test_text_about_no_alert_is_sealed_by_the_master(ledger: Ledger) -> None:
    entry = Entry("person:1", "lane.closed", texts={"why": "x"})
    await ledger.store.write(record, entry, at=ledger.now, key=ledger.vault.master)
    report = await ledger.verify()
    assert (report.texts, report.ok) == (1, True)


async def test_state_change_wakes_the_anchor_and_a_batch_does_not(ledger: Ledger) -> None:
    woken = ledger.store.listen(STATE_CHANGED)
    await ledger.settle([attempt()])
    await asyncio.sleep(0)
    assert not woken.is_set()
    await ledger.record()
    await asyncio.wait_for(woken.wait(), 5)


async def test_batch_entry_tells_number_and_counts(ledger: Ledger) -> None:
    await ledger.settle([attempt(1), attempt(2)])
    (link,) = await ledger.store.read(read_links, 0)
    said = read_body(link)["data"]
    assert (link.actor, link.action) == ("node:n1", "deliveries.settled")
    assert (said["attempts"], said["counts"]) == (2, {"sms": {"sent": 2}})


@pytest.mark.parametrize("value", [None, "not a head"])
async def test_lost_head_mark_stops_issuing(ledger: Ledger, value: str | None) -> None:
    await ledger.record()
    if value is None:
        await ledger.tamper(delete(marks).where(marks.c.name == HEAD))
    else:
        await ledger.tamper(marks.update().where(marks.c.name == HEAD).values(value=value))
    with pytest.raises(ChainBroken):
        await ledger.record()


async def test_advance_gives_the_end_from_any_known_head(ledger: Ledger) -> None:
    await ledger.record()
    since = await ledger.store.read(read_head)
    await ledger.record()
    head, _ = await ledger.store.read(advance, since)
    assert (head.seq, head) == (2, await ledger.store.read(read_head))


async def test_advance_refuses_a_chain_that_does_not_follow(ledger: Ledger) -> None:
    await ledger.record()
    since = await ledger.store.read(read_head)
    await ledger.record()
    await ledger.tamper(audit.update().where(audit.c.seq == 2).values(body="{}"))
    with pytest.raises(ChainBroken, match="entry 2: changed"):
        await ledger.store.read(advance, since)


async def test_advance_refuses_a_chain_that_became_shorter(ledger: Ledger) -> None:
    await ledger.record()
    await ledger.record()
    since = await ledger.store.read(read_head)
    await ledger.tamper(delete(audit))
    await ledger.tamper(delete(marks))
    with pytest.raises(ChainBroken):
        await ledger.store.read(advance, since)


async def test_batch_of_500_is_recorded_in_milliseconds(ledger: Ledger) -> None:
    rows = [attempt(number) for number in range(500)]
    times: list[float] = []

    def timed(conn: Connection) -> Any:
        begun = time.perf_counter()
        record_batch(conn, at=ledger.now, node="n1", rows=rows, counts={})
        times.append(time.perf_counter() - begun)

    for _ in range(5):
        await ledger.store.write(timed)
    assert min(times) < 0.05  # some 2 ms where nothing else runs
