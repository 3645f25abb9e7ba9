"""Whoever can write the database cannot change the record unseen."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from alertd.anchors import Anchor
from alertd.core.audit import GENESIS, Fault, Finding, Head, Link, chain, read_body
from alertd.pipeline.auditor import MAX_FINDINGS, Auditor, Report
from alertd.pipeline.hold import note_loss
from alertd.pipeline.record import HEAD, read_head
from alertd.pipeline.replay import read_links
from alertd.pipeline.verify import _read_end
from alertd.store.schema import attempts, audit, audit_texts, deliveries, marks

from .conftest import Ledger, attempt


@pytest.fixture
async def ledger(ledger: Ledger) -> Ledger:
    """Five entries: two with a text, one about a batch of four attempts."""
    await ledger.record("alert.submitted", why="Παράδειγμα one")
    await ledger.record("alert.edited", why="Παράδειγμα two")
    await ledger.settle([attempt(number) for number in range(1, 5)])
    await ledger.record("alert.ended")
    await ledger.record("alert.noted")
    return ledger


def faults(report: Report) -> list[tuple[Fault, int]]:
    return [(finding.fault, finding.seq) for finding in report.findings]


async def test_untouched_ledger_verifies(ledger: Ledger) -> None:
    report = await ledger.verify(await ledger.anchor())
    assert (faults(report), report.ok) == ([], True)
    assert (report.entries, report.attempts, report.deliveries, report.texts) == (5, 4, 4, 2)
    assert report.after_last_anchor == 0
    assert "nothing is wrong" in list(report.lines())


async def test_changed_body_is_found(ledger: Ledger) -> None:
    (body,) = await ledger.store.read(
        lambda conn: conn.scalars(select(audit.c.body).where(audit.c.seq == 4)).all()
    )
    changed = body.replace("person:1", "person:2")
    await ledger.tamper(update(audit).where(audit.c.seq == 4).values(body=changed))
    assert faults(await ledger.verify()) == [(Fault.CHANGED, 4)]


async def test_changed_hash_is_found(ledger: Ledger) -> None:
    await ledger.tamper(update(audit).where(audit.c.seq == 4).values(hash="0" * 64))
    assert faults(await ledger.verify()) == [(Fault.CHANGED, 4)]


async def test_changed_column_is_found(ledger: Ledger) -> None:
    await ledger.tamper(update(audit).where(audit.c.seq == 4).values(actor="person:2"))
    assert faults(await ledger.verify()) == [(Fault.CHANGED, 4)]


async def test_removed_middle_entry_is_found(ledger: Ledger) -> None:
    await ledger.tamper(delete(audit).where(audit.c.seq == 4))
    assert faults(await ledger.verify()) == [(Fault.REMOVED, 4)]


async def test_cut_off_end_is_found_by_the_head_mark(ledger: Ledger) -> None:
    await ledger.tamper(delete(audit).where(audit.c.seq == 5))
    assert faults(await ledger.verify()) == [(Fault.CUT_OFF, 5)]


async def test_cut_off_end_with_a_matching_head_mark_is_found_by_the_anchor(
    ledger: Ledger,
) -> None:
    anchor = await ledger.anchor()
    await ledger.store.write(_cut_after, 3)
    assert faults(await ledger.verify()) == []
    assert faults(await ledger.verify(anchor)) == [(Fault.CUT_OFF, 5)]


async def test_emptied_ledger_is_found_by_the_anchor(ledger: Ledger) -> None:
    anchor = await ledger.anchor()
    for table in (audit_texts, attempts, audit, marks, deliveries):
        await ledger.tamper(delete(table))
    assert faults(await ledger.verify(anchor)) == [(Fault.CUT_OFF, 5)]


async def test_chain_made_anew_is_found_by_the_anchor_alone(ledger: Ledger) -> None:
    anchor = await ledger.anchor()
    await ledger.store.write(_rewrite, 4)
    assert faults(await ledger.verify()) == []
    assert faults(await ledger.verify(anchor)) == [(Fault.REWRITTEN, 5)]


async def test_many_anchors_of_another_chain_are_counted_not_listed(ledger: Ledger) -> None:
    anchors = [await ledger.anchor()]
    for _ in range(3):
        await ledger.record()
        anchors.append(await ledger.anchor())
    await ledger.store.write(_rewrite, 1)
    (first, summary) = (await ledger.verify(*anchors)).findings
    assert (first.fault, first.seq) == (Fault.REWRITTEN, 5)
    assert "4 anchors in all" in summary.what


async def lose_the_last(ledger: Ledger, kept: int) -> list[Anchor]:
    """Lose what followed `kept` as in a fail-over; gives the anchor of what is lost."""
    anchors = [await ledger.anchor()]
    known = await ledger.store.read(read_head)
    await ledger.store.write(_cut_after, kept)
    left = await ledger.store.read(read_head)
    await ledger.store.write(partial(note_loss, at=ledger.now, hold=False), left, known)
    return anchors


async def test_a_loss_that_the_record_tells_of_is_told_apart_from_tampering(
    ledger: Ledger,
) -> None:
    anchors = await lose_the_last(ledger, kept=3)
    anchors.append(await ledger.anchor())
    report = await ledger.verify(*anchors)
    assert (faults(report), report.ok, report.only_lost) == ([(Fault.LOST, 4)], False, True)
    *_, verdict = report.lines()
    assert "LOST" in verdict
    await ledger.tamper(update(audit).where(audit.c.seq == 2).values(actor="person:2"))
    report = await ledger.verify(*anchors)
    assert faults(report) == [(Fault.CHANGED, 2), (Fault.LOST, 4)]
    *_, verdict = report.lines()
    assert (report.only_lost, "TAMPERED" in verdict) == (False, True)


async def test_a_loss_that_nobody_signed_is_not_believed(ledger: Ledger) -> None:
    anchors = await lose_the_last(ledger, kept=3)
    assert faults(await ledger.verify(*anchors)) == [(Fault.CUT_OFF, 5)]


async def test_a_signed_loss_explains_no_anchor_beyond_it(ledger: Ledger) -> None:
    anchors = await lose_the_last(ledger, kept=3)
    later = ledger.signer.sign("test", Head(6, "0" * 64), ledger.now)
    report = await ledger.verify(*anchors, await ledger.anchor(), later)
    assert faults(report) == [(Fault.LOST, 4), (Fault.CUT_OFF, 6)]


async def test_forged_anchor_is_found_and_not_believed(ledger: Ledger) -> None:
    anchor = await ledger.anchor()
    await ledger.store.write(_cut_after, 3)
    forged = replace(anchor, seq=3, hash=(await ledger.anchor()).hash)
    report = await ledger.verify(forged)
    assert faults(report) == [(Fault.FORGED, 3)]
    assert report.last_anchor is None


@pytest.mark.parametrize("name", ["install", "at", "key_id", "signature"])
async def test_anchor_with_any_field_changed_is_forged(ledger: Ledger, name: str) -> None:
    forged = replace(await ledger.anchor(), **{name: "x"})
    assert faults(await ledger.verify(forged)) == [(Fault.FORGED, 5)]


async def test_what_lies_after_the_last_anchor_is_counted(ledger: Ledger) -> None:
    anchor = await ledger.anchor()
    await ledger.record()
    await ledger.record()
    report = await ledger.verify(anchor)
    assert (report.after_last_anchor, report.ok) == (2, True)


async def test_missing_head_mark_is_found_and_stops_issuing(ledger: Ledger) -> None:
    await ledger.tamper(delete(marks).where(marks.c.name == HEAD))
    assert faults(await ledger.verify()) == [(Fault.REMOVED, 5)]


@pytest.mark.parametrize(
    "change", [{"result": "undeliverable"}, {"detail": "30003"}, {"finished_at": 99}, {"node": "x"}]
)
async def test_changed_attempt_is_found(ledger: Ledger, change: dict[str, Any]) -> None:
    await ledger.tamper(update(attempts).where(attempts.c.delivery_id == 2).values(**change))
    assert (Fault.CHANGED, 3) in faults(await ledger.verify())


async def test_removed_attempt_is_found(ledger: Ledger) -> None:
    await ledger.tamper(delete(attempts).where(attempts.c.delivery_id == 2))
    report = await ledger.verify()
    assert (Fault.REMOVED, 3) in faults(report)
    assert "4 attempts are not as recorded; there are 3" in report.findings[0].what


async def test_attempt_put_into_a_batch_is_found(ledger: Ledger) -> None:
    await ledger.tamper(insert(attempts).values(_values(1, batch=3)))
    assert faults(await ledger.verify()) == [(Fault.INSERTED, 3)]


@pytest.mark.parametrize("batch", [4, 99])
async def test_attempt_that_no_entry_covers_is_found(ledger: Ledger, batch: int) -> None:
    await ledger.tamper(insert(attempts).values(_values(1, batch=batch)))
    assert faults(await ledger.verify()) == [(Fault.INSERTED, batch)]


@pytest.mark.parametrize("state", ["queued", "dead", "delivered", "cancelled"])
async def test_changed_delivery_is_found(ledger: Ledger, state: str) -> None:
    await ledger.tamper(update(deliveries).where(deliveries.c.id == 2).values(state=state))
    report = await ledger.verify()
    assert faults(report) == [(Fault.CHANGED, 3)]
    assert "delivery 2" in report.findings[0].what


async def test_removed_delivery_is_found(ledger: Ledger) -> None:
    await ledger.tamper(delete(deliveries).where(deliveries.c.id == 2))
    assert faults(await ledger.verify()) == [(Fault.REMOVED, 3)]


async def test_texts_that_changed_places_are_found(ledger: Ledger) -> None:
    def swap(conn: Connection) -> None:
        texts = dict(conn.execute(select(audit_texts.c.seq, audit_texts.c.text)).all())
        for seq, other in ((1, 2), (2, 1)):
            where = audit_texts.c.seq == seq
            conn.execute(update(audit_texts).where(where).values(text=texts[other]))

    await ledger.store.write(swap)
    assert faults(await ledger.verify()) == [(Fault.CHANGED, 1), (Fault.CHANGED, 2)]


async def test_text_that_does_not_open_is_found(ledger: Ledger) -> None:
    await ledger.tamper(update(audit_texts).where(audit_texts.c.seq == 1).values(text=b"x" * 60))
    assert faults(await ledger.verify()) == [(Fault.CHANGED, 1)]


@pytest.mark.parametrize(
    "how", [delete(audit_texts), update(audit_texts).values(text=None)], ids=["row", "text"]
)
async def test_text_removed_without_a_purge_is_found(ledger: Ledger, how: Any) -> None:
    await ledger.tamper(how)
    report = await ledger.verify()
    assert faults(report) == [(Fault.REMOVED, 1)]
    assert "2 texts of alert a1" in report.findings[0].what


async def test_text_that_was_never_recorded_is_found(ledger: Ledger) -> None:
    sealed = ledger.key.seal(bytes(16) + b"x")
    await ledger.tamper(insert(audit_texts).values(seq=4, name="why", text=sealed))
    assert faults(await ledger.verify()) == [(Fault.INSERTED, 4)]


async def test_each_finding_stands_in_the_printed_report(ledger: Ledger) -> None:
    await ledger.tamper(delete(audit).where(audit.c.seq == 4))
    lines = list((await ledger.verify()).lines())
    assert "entry 4: removed: is missing" in lines
    assert "nothing is wrong" not in lines


def _values(delivery: int, batch: int) -> dict[str, Any]:
    names = [column.name for column in attempts.c if column.name not in ("id", "batch")]
    return {**dict(zip(names, attempt(delivery), strict=True)), "batch": batch}


def _cut_after(conn: Connection, seq: int) -> None:
    conn.execute(delete(audit).where(audit.c.seq > seq))
    _mark_end(conn)


def _rewrite(conn: Connection, seq: int) -> None:
    """Change entry `seq` and make every hash from there on anew, as an insider would."""
    links = read_links(conn, 0)
    head = GENESIS if seq == 1 else Head(seq - 1, links[seq - 2].hash)
    for link in links[seq - 1 :]:
        said = read_body(link)
        if link.seq == seq:
            said["data"]["revision"] = 99
        made = chain(head, {k: v for k, v in said.items() if k not in ("seq", "at")}, link.at)
        values = {"body": made.body, "previous": made.previous, "hash": made.hash}
        conn.execute(update(audit).where(audit.c.seq == link.seq).values(**values))
        head = Head(made.seq, made.hash)
    _mark_end(conn)


def _mark_end(conn: Connection) -> None:
    last: Link = read_links(conn, 0)[-1]
    value = str(Head(last.seq, last.hash))
    conn.execute(update(marks).where(marks.c.name == HEAD).values(value=value))


async def test_entries_appended_while_it_is_being_verified_are_taken_along(ledger: Ledger) -> None:
    auditor = Auditor([])
    assert await ledger.store.read(_read_end, auditor) == []
    assert auditor.head == await ledger.store.read(read_head)


def test_findings_beyond_a_bound_are_counted_only() -> None:
    report = Report()
    report.add(Finding(Fault.CHANGED, seq, "x") for seq in range(MAX_FINDINGS + 7))
    assert len(report.findings) == MAX_FINDINGS
    assert "and 7 more findings" in list(report.lines())
