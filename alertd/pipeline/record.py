"""Audit entries, written in the transaction of what they tell."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from alertd.core.audit import (
    DELIVERIES_SETTLED,
    GENESIS,
    SALT_SIZE,
    AttemptRow,
    Head,
    batch_digest,
    chain,
    text_digest,
)
from alertd.core.errors import ChainBroken
from alertd.store.schema import audit, audit_texts, marks
from alertd.store.store import wake

if TYPE_CHECKING:
    from alertd.vault import Sealer

HEAD = "audit_head"  # the mark that names the last entry, and the lock of the chain
STATE_CHANGED = "audit"  # topic woken by every entry but those of settled batches


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what. `data` holds nothing personal; what may be personal goes into `texts`."""

    actor: str
    action: str  # `alert.submitted`
    alert_id: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


def record(conn: Connection, entry: Entry, *, at: datetime, key: Sealer | None = None) -> int:
    """Append `entry` to the chain and give its number.

    `texts` enter by salted digest and stand beside it, sealed by `key`: the alert's own or,
    where `alert_id` is None, the vault's master. Of two transactions on PostgreSQL the second
    waits here until the first is done, so lock every other row before you come here.
    """
    if entry.texts and key is None:
        raise ValueError(f"{entry.action}: texts need a key to be sealed under")
    salts = {name: secrets.token_bytes(SALT_SIZE) for name in entry.texts}
    digests = {name: text_digest(salts[name], name, text) for name, text in entry.texts.items()}
    seq = _append(conn, entry, {"data": dict(entry.data), "texts": digests}, at)
    if entry.texts and key is not None:
        rows = [
            {"seq": seq, "name": name, "text": key.seal(salts[name] + text.encode())}
            for name, text in entry.texts.items()
        ]
        conn.execute(insert(audit_texts), rows)
    wake(conn, STATE_CHANGED)
    return seq


def record_batch(
    conn: Connection,
    *,
    at: datetime,
    node: str,
    rows: Sequence[AttemptRow],
    counts: Mapping[str, Mapping[str, int]],
) -> int:
    """Append the entry that covers `rows` and give its number.

    The caller inserts exactly these attempts, with `batch` set to that number, in the same
    transaction. `counts` tells how many there are per channel and result.
    """
    data = {"attempts": len(rows), "digest": batch_digest(rows), "counts": counts}
    return _append(conn, Entry(f"node:{node}", DELIVERIES_SETTLED), {"data": data}, at)


def open_text(sealed: bytes, key: Sealer) -> tuple[bytes, str]:
    """Give salt and text of a row of `audit_texts`; raises SealBroken."""
    opened = key.open(sealed)
    return opened[:SALT_SIZE], opened[SALT_SIZE:].decode()


def read_head(conn: Connection) -> Head:
    """Give the end of the chain; raises ChainBroken when its mark is lost."""
    value = conn.scalar(select(marks.c.value).where(marks.c.name == HEAD))
    if value is None:
        _expect_empty(conn)
        return GENESIS
    return _parse(value)


def _append(conn: Connection, entry: Entry, says: Mapping[str, Any], at: datetime) -> int:
    who = {"actor": entry.actor, "action": entry.action, "alert_id": entry.alert_id}
    link = chain(_take_head(conn), {**who, **says}, at)
    columns = ("seq", "at", "actor", "action", "alert_id", "body", "previous", "hash")
    conn.execute(insert(audit), {name: getattr(link, name) for name in columns})
    head = str(Head(link.seq, link.hash))
    conn.execute(update(marks).where(marks.c.name == HEAD).values(value=head))
    return link.seq


def _take_head(conn: Connection) -> Head:
    """Give the end of the chain and keep it from moving until this transaction is done."""
    # SQLite has one writer at a time, and SQLAlchemy leaves FOR UPDATE out there.
    query = select(marks.c.value).where(marks.c.name == HEAD).with_for_update()
    value = conn.scalar(query)
    if value is None:
        _begin_chain(conn)
        value = conn.scalar(query)
    return _parse(value)


def _begin_chain(conn: Connection) -> None:
    try:
        with conn.begin_nested():
            conn.execute(insert(marks).values(name=HEAD, value=str(GENESIS)))
    except IntegrityError:  # another node has begun it meanwhile
        return
    _expect_empty(conn)


def _expect_empty(conn: Connection) -> None:
    if conn.scalar(select(func.count()).select_from(audit)):
        raise ChainBroken("the mark of the audit chain's end is missing")


def _parse(value: str | None) -> Head:
    try:
        return Head.parse(value or "")
    except ValueError:
        raise ChainBroken("the mark of the audit chain's end cannot be read") from None
