from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, update

from alertd.core.audit import Fault
from alertd.core.errors import Conflict, NotFound
from alertd.core.retention import Ground, What
from alertd.pipeline.purge import finish_purges, purge
from alertd.pipeline.retention import purge_due, retain
from alertd.sections import Retention
from alertd.store.schema import (
    alerts,
    deliveries,
    dispatches,
    fingerprints,
    renditions,
    versions,
)

from .conftest import Ledger, attempt, checkpoint, files_with

NAME = "Παράδειγμα Exampleson"


@pytest.fixture
async def ledger(ledger: Ledger) -> Ledger:
    """An alert that is over, with the child's name wherever it can stand."""
    await ledger.record("alert.submitted", facts=NAME)
    await ledger.settle([attempt(number) for number in range(1, 5)])
    await ledger.store.write(_fill, ledger)
    return ledger


@pytest.fixture
def tools(ledger: Ledger, clock: Any) -> Any:
    return SimpleNamespace(store=ledger.store, vault=ledger.vault, clock=clock)


async def test_purged_alert_has_no_facts_texts_or_fingerprints_left(
    ledger: Ledger, tools: Any
) -> None:
    await purge(tools, "a1", by="person:1", ground=Ground.REQUEST)
    with pytest.raises(NotFound):
        await ledger.vault.key(ledger.key.id)
    left = await ledger.store.read(_left)
    assert left == {"facts": 0, "bodies": 0, "fingerprints": 0}


async def test_chain_verifies_after_a_purge_and_tells_of_it(ledger: Ledger, tools: Any) -> None:
    await ledger.record("alert.noted", why=NAME)
    anchor = await ledger.anchor()
    await purge(tools, "a1", by="person:1", ground=Ground.REQUEST)
    report = await ledger.verify(anchor)
    assert report.findings == []
    assert (report.texts, report.texts_purged, report.after_last_anchor) == (0, 2, 1)
    assert report.deliveries == 4


async def test_key_destroyed_without_an_entry_is_found(ledger: Ledger) -> None:
    await ledger.vault.destroy(ledger.key.id)
    report = await ledger.verify()
    assert [(f.fault, f.seq) for f in report.findings] == [(Fault.REMOVED, 1)]


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_no_file_holds_the_name_or_the_key_after_a_purge(
    ledger: Ledger, tools: Any, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.db"
    wrapped = _wrapped(keys, ledger.key.id)
    secret = ledger.vault.master.unwrap(ledger.key.id, wrapped)
    assert wrapped in keys.read_bytes()
    await purge(tools, "a1", by="person:1", ground=Ground.ORDER)
    checkpoint(tmp_path / "alertd.db")
    assert files_with(tmp_path, wrapped, secret, NAME.encode(), b"Exampleson") == []


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_backup_of_the_ledger_made_before_a_purge_does_not_open_after_it(
    ledger: Ledger, tools: Any, tmp_path: Path
) -> None:
    checkpoint(tmp_path / "alertd.db")
    shutil.copy(tmp_path / "alertd.db", tmp_path / "backup.db")
    await purge(tools, "a1", by="person:1", ground=Ground.REQUEST)
    with sqlite3.connect(tmp_path / "backup.db") as backup:
        (sealed,) = backup.execute("SELECT facts FROM versions").fetchone()
    backup.close()
    assert sealed is not None
    assert NAME.encode() not in (tmp_path / "backup.db").read_bytes()
    with pytest.raises(NotFound):
        await ledger.vault.key(ledger.key.id)


async def test_second_purge_changes_nothing(ledger: Ledger, tools: Any) -> None:
    await purge(tools, "a1", by="person:1", ground=Ground.REQUEST)
    entries = (await ledger.verify()).entries
    await purge(tools, "a1", by="person:1", ground=Ground.REQUEST)
    assert (await ledger.verify()).entries == entries


@pytest.mark.parametrize("state", ["draft", "submitted", "returned", "active"])
async def test_living_alert_cannot_be_purged(ledger: Ledger, tools: Any, state: str) -> None:
    await ledger.tamper(update(versions).values(state=state))
    with pytest.raises(Conflict, match=f"is {state}"):
        await purge(tools, "a1", by="person:1", ground=Ground.REQUEST)
    assert (await ledger.vault.key(ledger.key.id)).id == ledger.key.id


@pytest.mark.parametrize(
    "change",
    [
        update(deliveries).where(deliveries.c.id == 2).values(state="queued"),
        update(deliveries).where(deliveries.c.id == 2).values(state="leased"),
        update(dispatches).values(expanded_at=None),
    ],
    ids=["queued", "leased", "unexpanded"],
)
async def test_alert_with_messages_under_way_cannot_be_purged(
    ledger: Ledger, tools: Any, change: Any
) -> None:
    await ledger.tamper(change)
    with pytest.raises(Conflict, match="under way"):
        await purge(tools, "a1", by="person:1", ground=Ground.REQUEST)


async def test_unknown_alert_cannot_be_purged(tools: Any) -> None:
    with pytest.raises(NotFound):
        await purge(tools, "nope", by="person:1", ground=Ground.REQUEST)


async def test_purge_that_crashed_before_the_key_was_destroyed_is_finished(
    ledger: Ledger, tools: Any, clock: Any
) -> None:
    await ledger.tamper(update(alerts).values(purged_at=clock()))
    await finish_purges(tools)
    assert ledger.key.id not in await ledger.vault.ids()


async def test_retention_purges_what_closed_before_and_nothing_else(
    ledger: Ledger, tools: Any, clock: Any
) -> None:
    assert await purge_due(tools, What.ALERT, closed_before=clock()) == []
    assert await purge_due(tools, What.ALERT, closed_before=clock.tick(days=1)) == ["a1"]
    assert await purge_due(tools, What.ALERT, closed_before=clock()) == []


async def test_retention_leaves_what_is_still_under_way_to_the_next_turn(
    ledger: Ledger, tools: Any, clock: Any
) -> None:
    await ledger.tamper(update(deliveries).where(deliveries.c.id == 2).values(state="queued"))
    assert await purge_due(tools, What.ALERT, closed_before=clock.tick(days=1)) == []
    await ledger.tamper(update(deliveries).where(deliveries.c.id == 2).values(state="sent"))
    assert await purge_due(tools, What.ALERT, closed_before=clock()) == ["a1"]


@pytest.mark.parametrize(("days", "left"), [(None, True), (31, True), (30, False)])
async def test_retention_counts_days_from_the_end_and_is_off_by_default(
    ledger: Ledger, tools: Any, clock: Any, days: int | None, left: bool
) -> None:
    clock.tick(days=30, seconds=1)
    await retain(tools, Retention(closed_days=days))
    assert (ledger.key.id in await ledger.vault.ids()) == left


async def test_retention_leaves_alerts_with_an_open_version(
    ledger: Ledger, tools: Any, clock: Any
) -> None:
    await ledger.tamper(update(versions).values(closed_at=None))
    assert await purge_due(tools, What.ALERT, closed_before=clock.tick(days=1)) == []


def _fill(conn: Connection, ledger: Ledger) -> None:
    sealed = ledger.key.seal(NAME.encode())
    conn.execute(update(dispatches).values(expanded_at=ledger.now))
    conn.execute(update(versions).values(facts=sealed, closed_at=ledger.now))
    conn.execute(
        insert(renditions).values(
            version_id=1,
            kind="alert",
            variant="",
            channel="sms",
            language="el",
            form="message",
            media_type="text/plain",
            digest="0" * 64,
            body=sealed,
        )
    )
    mac = ledger.vault.master.mac("child", NAME)
    conn.execute(insert(fingerprints).values(version_id=1, mac=mac))


def _left(conn: Connection) -> dict[str, int]:
    def count(column: Any) -> int:
        return conn.scalar(select(func.count(column))) or 0

    return {
        "facts": count(versions.c.facts),
        "bodies": count(renditions.c.body),
        "fingerprints": count(fingerprints.c.mac),
    }


def _wrapped(path: Path, key_id: str) -> bytes:
    conn = sqlite3.connect(path)
    row = conn.execute("SELECT wrapped FROM keys WHERE id = ?", [key_id]).fetchone()
    conn.close()
    wrapped: bytes = row[0]
    return wrapped
