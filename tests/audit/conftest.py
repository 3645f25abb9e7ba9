from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, update

from alertd.anchors import Anchor, Signer
from alertd.core.audit import AttemptRow, Finding
from alertd.pipeline.auditor import Report
from alertd.pipeline.record import Entry, read_head, record, record_batch
from alertd.pipeline.verify import verify
from alertd.store.schema import (
    addresses,
    alerts,
    attempts,
    deliveries,
    dispatches,
    persons,
    versions,
)
from alertd.store.store import Store
from alertd.vault import Key, Vault, open_vault

MASTER = bytes(range(32))


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    async with open_vault(f"sqlite:///{tmp_path}/keys.db", MASTER) as opened:
        yield opened


@pytest.fixture
def signer() -> Signer:
    return Signer(bytes(range(1, 33)))


@dataclass
class Ledger:
    """A ledger with one alert in it, and the shortest ways to write into it and to audit it."""

    store: Store
    vault: Vault
    signer: Signer
    now: datetime
    key: Key

    async def record(self, action: str = "alert.edited", **texts: str) -> int:
        entry = Entry("person:1", action, "a1", {"revision": 1}, texts)
        return await self.store.write(record, entry, at=self.now, key=self.key)

    async def settle(self, rows: Sequence[AttemptRow]) -> int:
        return await self.store.write(settle, rows, self.now)

    async def anchor(self) -> Anchor:
        return self.signer.sign("test", await self.store.read(read_head), self.now)

    async def verify(self, *anchors: Anchor | Finding) -> Report:
        return await verify(
            self.store, anchors=anchors, verifiers=[self.signer.verifier], vault=self.vault
        )

    async def tamper(self, statement: Any) -> None:
        await self.store.write(lambda conn: conn.execute(statement))


@pytest.fixture
async def ledger(store: Store, vault: Vault, signer: Signer, clock: Any) -> Ledger:
    key = await vault.new()
    await store.write(_one_alert, key.id, clock())
    return Ledger(store, vault, signer, clock(), key)


def attempt(delivery: int = 1, **changes: Any) -> AttemptRow:
    fields: dict[str, Any] = {
        "number": 1,
        "started_at": 10,
        "finished_at": 20,
        "result": "sent",
        "reason": "",
        "detail": "201",
        "provider_ref": "SM1",
        "node": "n1",
        **changes,
    }
    number, started, finished, *words = fields.values()
    return (delivery, number, started, finished, *words)


def checkpoint(path: Path) -> None:
    """Bring everything from the write-ahead log into the file."""
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()


def files_with(folder: Path, *traces: bytes) -> list[tuple[str, bytes]]:
    """Name the files below `folder`, journals too, in which a trace can be found."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [(file.name, trace) for file in files for trace in traces if trace in file.read_bytes()]


def settle(conn: Connection, rows: Sequence[AttemptRow], at: datetime) -> int:
    """Do to attempts and deliveries what settling does."""
    counts = {"sms": {"sent": len(rows)}}
    seq = record_batch(conn, at=at, node="n1", rows=rows, counts=counts)
    names = [column.name for column in attempts.c if column.name not in ("id", "batch")]
    conn.execute(insert(attempts), [dict(zip(names, row, strict=True), batch=seq) for row in rows])
    for delivery, *_, result, _, _, _, _ in rows:
        conn.execute(update(deliveries).where(deliveries.c.id == delivery).values(state=result))
    return seq


def _one_alert(conn: Connection, key_id: str, at: datetime) -> None:
    conn.execute(insert(persons).values(id=1, name="Example Officer", language="el", created_at=at))
    conn.execute(
        insert(alerts).values(
            id="a1",
            programme="example",
            status="exercise",
            case_reference="EX-1",
            key_id=key_id,
            created_by=1,
            created_at=at,
        )
    )
    conn.execute(
        insert(versions).values(
            id=1,
            alert_id="a1",
            number=1,
            kind="alert",
            state="ended",
            revision=1,
            rule_set_version=1,
            regions=["GR"],
            languages=["el"],
            created_by=1,
            created_at=at,
            expires_at=at,
        )
    )
    conn.execute(
        insert(dispatches).values(
            id=1,
            alert_id="a1",
            version_id=1,
            kind="alert",
            variant="",
            occurrence=0,
            identifier="test.a1.1",
            priority=1,
            exercise=True,
            sent_at=at,
            deadline_at=at,
            references="",
            source="",
            expanded_to=0,
        )
    )
    for number in range(1, 5):
        conn.execute(
            insert(addresses).values(
                id=number,
                channel="sms",
                address=f"+30690000000{number}",
                lane="sms/example",
                created_at=at,
            )
        )
        conn.execute(
            insert(deliveries).values(
                id=number,
                dispatch_id=1,
                address_id=number,
                channel="sms",
                lane="sms/example",
                priority=1,
                language="el",
                state="queued",
                attempts=0,
                next_at=0,
                handed_over=False,
                repeat=False,
            )
        )
