"""What is purged of an ended alert, each thing after days of its own, and what then still holds."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import Connection, insert, select, update

from alertd.core.errors import Conflict, NotFound
from alertd.core.retention import FACTS, SPOKEN, Ground, What
from alertd.pipeline.deletions import read_deletions
from alertd.pipeline.end import end
from alertd.pipeline.pseudonyms import hashed
from alertd.pipeline.purge import purge
from alertd.pipeline.retention import purge_due, retain
from alertd.pipeline.thin import thin
from alertd.pipeline.update import update as update_alert
from alertd.pipeline.verify import verify
from alertd.pipeline.versions import key_of, open_facts
from alertd.sections import Retention
from alertd.store.schema import (
    addresses,
    deliveries,
    dispatches,
    documents,
    fingerprints,
    renditions,
)
from alertd.vault import Key, SealBroken
from alertd.views import list_deliveries, read_cursor
from alertd.watch.dispatchlog import read_address, read_line
from tests.audit.conftest import checkpoint, files_with
from tests.factories import NOW, child_facts, make_alert, make_rules

from .conftest import Office

NUMBER = "+306900000001"
TOLD = {
    What.COMPANION: "Εύα Υποδειγματική",
    What.VEHICLE: "ΥΥΥ-9999",
    What.PERSON: "Νίκη Υποθετικού",
}
FACTS_OF_ALL: dict[str, Any] = {
    "children": [child_facts(name=TOLD[What.PERSON], age=None, birth_date="2016-03-15")],
    "companions": [{"name": TOLD[What.COMPANION], "sex": "female", "relation": "aunt"}],
    "vehicle": {"plate": TOLD[What.VEHICLE]},
}


@pytest.fixture
async def over(office: Office) -> str:
    """An alert that ended, with nothing under way any more."""
    office = office.under(make_rules(allow_companion=True))
    alert_id = await office.activate(**FACTS_OF_ALL)
    await end_alert(office, alert_id)
    return alert_id


async def end_alert(office: Office, alert_id: str) -> None:
    why = "Νίκη Υποθετικού is back."
    by = office["police"]
    await end(office.tools, by, alert_id, reason_code="found", why=why, confirm=True)
    await office.tools.store.write(_settle, office.clock())


def _settle(conn: Connection, at: Any) -> None:
    conn.execute(update(dispatches).values(expanded_at=at))
    conn.execute(update(deliveries).values(state="expired"))


async def thinned(office: Office, alert_id: str, what: What) -> None:
    await thin(office.tools, alert_id, what, by="person:1", ground=Ground.REQUEST)


async def read(office: Office, work: Any, *args: Any, **kwargs: Any) -> Any:
    return await office.tools.store.read(work, *args, **kwargs)


async def key_now(office: Office, alert_id: str) -> Key:
    return await key_of(office.tools, await office.version(alert_id))


async def said(office: Office, alert_id: str, *kinds: str) -> str:
    """Give all messages of an alert that can still be opened."""
    key = await key_now(office, alert_id)
    version = await office.version(alert_id)
    query = select(renditions.c.body).where(
        renditions.c.version_id == version.id,
        renditions.c.kind.in_(kinds),
        renditions.c.body.is_not(None),
    )
    return "".join(key.open(row.body).decode() for row in await office.rows(query))


async def audited(office: Office) -> Any:
    return await verify(office.tools.store, anchors=(), verifiers=(), vault=office.tools.vault)


# --- the facts


@pytest.mark.parametrize("what", FACTS)
async def test_what_is_purged_is_gone_from_facts_and_messages_and_the_rest_stays(
    office: Office, over: str, what: What
) -> None:
    told = {each for each, word in TOLD.items() if word in await said(office, over, "alert")}
    assert told == set(TOLD)
    await thinned(office, over, what)
    version = await office.version(over)
    facts = open_facts(await key_now(office, over), version).model_dump_json()
    assert {each for each, word in TOLD.items() if word not in facts} == {what} & set(TOLD)
    assert bool(await said(office, over, "alert")) is (what not in SPOKEN)
    assert "search is over" in await said(office, over, "end")


@pytest.mark.parametrize("what", FACTS)
async def test_a_signed_document_that_tells_of_it_is_emptied_and_the_ends_stays(
    office: Office, over: str, what: What
) -> None:
    key = await key_now(office, over)
    sent = {row.kind: row.id for row in await office.dispatches(over, "alert", "end")}
    rows = [
        {"dispatch_id": sent[kind], "body": key.seal(kind.encode()), "certificate": "", "at": NOW}
        for kind in ("alert", "end")
    ]
    await office.tools.store.write(lambda conn: conn.execute(insert(documents), rows))
    await thinned(office, over, what)
    kept = await office.rows(select(documents.c.body).order_by(documents.c.dispatch_id))
    key = await key_now(office, over)
    opened = [row.body and key.open(row.body) for row in kept]
    assert opened == [None if what in SPOKEN else b"alert", b"end"]


async def test_of_a_child_age_sex_area_and_times_stay(office: Office, over: str) -> None:
    await thinned(office, over, What.PERSON)
    alert = open_facts(await key_now(office, over), await office.version(over))
    (child,) = alert.children
    assert (child.name, child.age, child.sex, child.birth_date) == ("unknown", 10, "female", None)
    assert (alert.last_seen.place, alert.last_seen.coordinates) == ("unknown", None)
    assert alert.circumstances == "unknown"
    assert {answer.reason for answer in alert.criteria} == {"unknown"}
    assert alert.area.regions == ("GR-I",)


@pytest.mark.parametrize("what", FACTS)
async def test_the_record_verifies_afterwards_and_tells_what_was_deleted(
    office: Office, over: str, what: What
) -> None:
    await thinned(office, over, what)
    report = await audited(office)
    assert report.findings == []
    assert (report.texts_purged > 0) is (what in SPOKEN)
    assert report.texts > 0  # the order's reference
    (row,) = await read(office, read_deletions, alert_id=over, after=0, limit=10)
    assert (row["what"], row["ground"], row["by"]) == (what, "request", "person:1")
    assert row["count"] == (what is not What.PHOTO)


async def test_a_text_that_no_purge_names_is_still_found_missing(office: Office, over: str) -> None:
    await thinned(office, over, What.VEHICLE)

    def tamper(conn: Connection) -> None:
        conn.exec_driver_sql("UPDATE audit_texts SET text = NULL WHERE name = 'reference'")

    await office.tools.store.write(tamper)
    assert [finding.fault for finding in (await audited(office)).findings] == ["removed"]


async def test_purged_twice_is_purged_once_and_all_of_it_may_still_go(
    office: Office, over: str
) -> None:
    for what in (What.VEHICLE, What.VEHICLE, What.PERSON):
        await thinned(office, over, what)
    await purge(office.tools, over, by="person:1", ground=Ground.REQUEST)
    rows = await read(office, read_deletions, alert_id=over, after=0, limit=10)
    assert [row["what"] for row in rows] == ["vehicle", "person", "alert"]
    assert await office.tools.vault.ids() == frozenset()
    assert (await audited(office)).findings == []


async def test_fingerprints_go_with_the_children_and_with_the_plate(
    office: Office, over: str
) -> None:
    assert await office.rows(select(fingerprints.c.mac))
    await thinned(office, over, What.VEHICLE)
    assert await office.rows(select(fingerprints.c.mac)) == []


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("what", FACTS)
async def test_no_key_that_is_left_opens_an_older_copy_of_the_ledger(
    office: Office, over: str, tmp_path: Path, what: What
) -> None:
    old = await key_now(office, over)
    checkpoint(tmp_path / "alertd.db")
    shutil.copy(tmp_path / "alertd.db", tmp_path / "backup.db")
    await thinned(office, over, what)
    with pytest.raises(NotFound):
        await office.tools.vault.key(old.id)
    left = [await office.tools.vault.key(key_id) for key_id in await office.tools.vault.ids()]
    with sqlite3.connect(tmp_path / "backup.db") as backup:
        sealed = [row[0] for row in backup.execute("SELECT facts FROM versions")]
        sealed += [row[0] for row in backup.execute("SELECT body FROM renditions")]
        sealed += [row[0] for row in backup.execute("SELECT text FROM audit_texts")]
    backup.close()
    for blob in sealed:
        for key in left:
            with pytest.raises(SealBroken):
                key.open(blob)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("what", FACTS)
async def test_no_file_or_journal_holds_the_key_or_anything_in_the_clear(
    office: Office, over: str, tmp_path: Path, what: What
) -> None:
    key = await key_now(office, over)
    (wrapped,) = _wrapped(tmp_path / "keys.db", key.id)
    secret = office.tools.vault.master.unwrap(key.id, wrapped)
    traces = [wrapped, secret, *(word.encode() for word in TOLD.values())]
    await thinned(office, over, what)
    checkpoint(tmp_path / "alertd.db")
    assert files_with(tmp_path, *traces) == []


async def test_a_living_alert_loses_nothing(office: Office) -> None:
    alert_id = await office.activate()
    keys = await office.tools.vault.ids()
    with pytest.raises(Conflict, match="is active"):
        await thinned(office, alert_id, What.PERSON)
    assert await office.tools.vault.ids() == keys


async def test_a_purge_that_another_one_overtook_leaves_everything_readable(
    office: Office, over: str
) -> None:
    vault = office.tools.vault

    async def new() -> Key:
        await thinned(office, over, What.COMPANION)
        return await vault.new()

    late = SimpleNamespace(new=new, key=vault.key, destroy=vault.destroy)
    tools = replace(office.tools, vault=cast("Any", late))
    with pytest.raises(Conflict, match="at the same moment"):
        await thin(tools, over, What.VEHICLE, by="person:1", ground=Ground.REQUEST)
    assert await office.tools.vault.ids() == {(await key_now(office, over)).id}
    assert "search is over" in await said(office, over, "end")


# --- whom it reached


@pytest.fixture
async def reached(office: Office, over: str) -> str:
    """As `over`, and somebody was sent the alert, and an endpoint as well."""
    await office.tools.store.write(_reach, over)
    return over


def _reach(conn: Connection, alert_id: str) -> None:
    dispatch_id = conn.scalar(
        select(dispatches.c.id).where(
            dispatches.c.alert_id == alert_id, dispatches.c.kind == "alert"
        )
    )
    endpoint = "https://news.example.org/hook"
    for channel, address in (("sms", NUMBER), ("webhook", endpoint)):
        address_id = conn.execute(
            insert(addresses)
            .values(channel=channel, address=address, lane=channel, created_at=NOW)
            .returning(addresses.c.id)
        ).scalar_one()
        conn.execute(
            insert(deliveries).values(
                dispatch_id=dispatch_id,
                address_id=address_id,
                channel=channel,
                lane=channel,
                priority=0,
                language="el",
                state="expired",
                attempts=0,
                next_at=0,
                handed_over=True,
                repeat=False,
            )
        )


async def test_a_hash_takes_the_place_of_a_persons_address_and_an_endpoints_stays(
    office: Office, reached: str, clock: Any
) -> None:
    assert await purge_due(office.tools, What.ADDRESS, closed_before=clock.tick(days=1)) == [
        reached
    ]
    page = await read(
        office, list_deliveries, reached, channel=None, state=None, after=None, limit=100
    )
    shown = {each.channel: each for each in page.items if each.kind == "alert"}
    assert shown["sms"].address.startswith("hash:")
    assert shown["webhook"].address == "https://news.example.org"
    mac = office.tools.vault.master.mac("reached", f"{reached}\nsms\n{NUMBER}")
    assert shown["sms"].address == f"hash:{int(mac, 16) >> 197:015x}"
    line, _ = await read(office, read_line, shown["sms"].id)
    assert line.address == shown["sms"].address
    assert await read(office, read_address, line.address_id) == hashed(line.address_id)


async def test_whom_officials_asked_stays_on_record(
    office: Office, reached: str, clock: Any
) -> None:
    asked = await office.asked(reached)
    await purge_due(office.tools, What.ADDRESS, closed_before=clock.tick(days=1))
    assert asked
    assert await office.asked(reached) == asked


async def test_deliveries_still_count_and_verify_when_nobody_is_named(
    office: Office, reached: str, clock: Any
) -> None:
    before = await audited(office)
    await purge_due(office.tools, What.ADDRESS, closed_before=clock.tick(days=1))
    after = await audited(office)
    assert after.findings == []
    assert after.deliveries == before.deliveries
    (row,) = await read(office, read_deletions, alert_id=reached, after=0, limit=10)
    assert (row["what"], row["count"]) == ("address", 1)
    assert await purge_due(office.tools, What.ADDRESS, closed_before=clock()) == []


async def test_addresses_go_also_of_an_alert_that_was_purged(
    office: Office, reached: str, clock: Any
) -> None:
    await purge(office.tools, reached, by="person:1", ground=Ground.REQUEST)
    due = await purge_due(office.tools, What.ADDRESS, closed_before=clock.tick(days=1))
    assert due == [reached]


@pytest.mark.parametrize("cursor", ["12.-345", "12.345"])
def test_a_cursor_may_stand_at_a_hash(cursor: str) -> None:
    assert read_cursor(cursor, 2) == tuple(map(int, cursor.split(".")))


# --- the duty


@pytest.mark.parametrize("what", list(What))
async def test_each_thing_goes_after_its_own_days_and_no_sooner(
    office: Office, reached: str, clock: Any, what: What
) -> None:
    key = {What.ALERT: "closed_days"}.get(what, f"{what}_days")
    retention = Retention(**{key: 30})
    clock.tick(days=29, hours=23)
    await retain(office.tools, retention)
    assert await read(office, read_deletions, alert_id=None, after=0, limit=10) == []
    clock.tick(hours=2)
    await retain(office.tools, retention)
    rows = await read(office, read_deletions, alert_id=None, after=0, limit=10)
    assert [(row["what"], row["by"], row["ground"]) for row in rows] == [
        (what, "alertd", "retention")
    ]


async def test_an_alert_whose_wrong_end_was_undone_is_purged_again_after_its_next_end(
    office: Office, over: str, clock: Any
) -> None:
    await purge_due(office.tools, What.PERSON, closed_before=clock.tick(days=2))
    await update_alert(office.tools, office["submitter"], over, make_alert(clock()))
    for role in ("police", "activation"):
        await office.approve(over, role)
    assert await purge_due(office.tools, What.PERSON, closed_before=clock.tick(hours=1)) == []
    await end_alert(office, over)
    assert await purge_due(office.tools, What.PERSON, closed_before=clock.tick(days=2)) == [over]
    facts = open_facts(await key_now(office, over), await office.version(over))
    assert facts.children[0].name == "unknown"
    assert await purge_due(office.tools, What.PERSON, closed_before=clock.tick(days=2)) == []


async def test_nothing_goes_by_itself_without_days(
    office: Office, reached: str, clock: Any
) -> None:
    clock.tick(days=4000)
    await retain(office.tools, Retention())
    assert await read(office, read_deletions, alert_id=None, after=0, limit=10) == []


async def test_everything_at_once_leaves_one_record_of_each(
    office: Office, reached: str, clock: Any
) -> None:
    clock.tick(days=2)
    days = {f"{what}_days": 1 for what in What if what is not What.ALERT}
    await retain(office.tools, Retention(**days))
    await retain(office.tools, Retention(**days, closed_days=1))
    rows = await read(office, read_deletions, alert_id=None, after=0, limit=10)
    assert sorted(row["what"] for row in rows) == sorted(What)
    assert (await audited(office)).findings == []


async def test_what_is_still_under_way_is_left_to_the_next_turn(
    office: Office, reached: str, clock: Any
) -> None:
    def queue(conn: Connection) -> None:
        conn.execute(update(deliveries).where(deliveries.c.channel == "sms").values(state="queued"))

    await office.tools.store.write(queue)
    clock.tick(days=2)
    days = Retention(person_days=1, address_days=1)
    await retain(office.tools, days)
    assert await read(office, read_deletions, alert_id=None, after=0, limit=10) == []
    await office.tools.store.write(_settle, clock())
    await retain(office.tools, days)
    rows = await read(office, read_deletions, alert_id=None, after=0, limit=10)
    assert {row["what"] for row in rows} == {"person", "address"}


def _wrapped(path: Path, key_id: str) -> tuple[bytes]:
    conn = sqlite3.connect(path)
    row: tuple[bytes] = conn.execute("SELECT wrapped FROM keys WHERE id = ?", [key_id]).fetchone()
    conn.close()
    return row
