"""`audit verify`: holds the ledger against its chain, and the chain against its anchors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from alertd.anchors import Anchor, Verifier
from alertd.core.agreement import disagreement
from alertd.core.audit import (
    DELIVERIES_SETTLED,
    AttemptRow,
    Fault,
    Finding,
    Link,
    batch_digest,
    check_end,
    read_body,
)
from alertd.core.errors import ChainBroken, NotFound
from alertd.pipeline.auditor import Auditor, OpenedText, Report
from alertd.pipeline.record import open_text, read_head
from alertd.pipeline.replay import read_links
from alertd.store.schema import alerts, attempts, audit, audit_texts, deliveries
from alertd.store.store import Store
from alertd.vault import SealBroken, Sealer, Vault

_ENTRIES = 200  # at a time; each may cover some thousand attempts
_DELIVERIES = 5000

_ATTEMPT = (
    attempts.c.delivery_id,
    attempts.c.number,
    attempts.c.started_at,
    attempts.c.finished_at,
    attempts.c.result,
    attempts.c.reason,
    attempts.c.detail,
    attempts.c.provider_ref,
    attempts.c.node,
)


@dataclass(slots=True)
class Chunk:
    """Some entries of the ledger with all that hangs on them, from one snapshot."""

    links: list[Link]
    texts: dict[int, dict[str, bytes | None]] = field(default_factory=dict)  # sealed
    key_ids: dict[str, str] = field(default_factory=dict)  # of alerts
    attempts: int = 0
    findings: list[Finding] = field(default_factory=list)


async def verify(
    store: Store,
    *,
    anchors: Iterable[Anchor | Finding],
    verifiers: Sequence[Verifier],
    vault: Vault | None = None,
) -> Report:
    """Check everything; without `vault` the texts are left unread."""
    auditor = Auditor(verifiers)
    for anchor in anchors:
        auditor.add_anchor(anchor)
    report = auditor.report
    while (chunk := await store.read(read_chunk, auditor.head.seq)).links:
        for entry in chunk.links:
            auditor.add(entry)
            if vault is None:
                auditor.skip_texts(entry)
            else:
                auditor.add_texts(entry, await open_texts(entry, chunk, vault))
        report.attempts += chunk.attempts
        report.add(chunk.findings)
    report.add(await store.read(_read_end, auditor))
    report.add(await store.read(_strays))
    last: int | None = 0
    while last is not None:
        count, last, findings = await store.read(_read_deliveries, last)
        report.deliveries += count
        report.add(findings)
    auditor.finish()
    return report


def read_chunk(conn: Connection, after: int) -> Chunk:
    """Give the entries that follow entry `after`."""
    chunk = Chunk(read_links(conn, after, _ENTRIES))
    if not chunk.links:
        return chunk
    span = (chunk.links[0].seq, chunk.links[-1].seq)
    rows = conn.execute(
        select(audit_texts.c.seq, audit_texts.c.name, audit_texts.c.text).where(
            audit_texts.c.seq.between(*span)
        )
    )
    for seq, name, sealed in rows:
        chunk.texts.setdefault(seq, {})[name] = sealed
    named = {entry.alert_id for entry in chunk.links if entry.alert_id}
    found = conn.execute(select(alerts.c.id, alerts.c.key_id).where(alerts.c.id.in_(named)))
    chunk.key_ids = dict(found.all())
    for entry in chunk.links:
        if entry.action == DELIVERIES_SETTLED:
            _check_batch(conn, entry, chunk)
    return chunk


def _check_batch(conn: Connection, entry: Link, chunk: Chunk) -> None:
    rows: list[Any] = [
        tuple(row) for row in conn.execute(select(*_ATTEMPT).where(attempts.c.batch == entry.seq))
    ]
    covered: list[AttemptRow] = rows
    chunk.attempts += len(covered)
    told = read_body(entry).get("data", {})
    if batch_digest(covered) == told.get("digest"):
        return
    count = told.get("attempts", 0)
    kinds = {True: Fault.REMOVED, False: Fault.INSERTED}
    fault = Fault.CHANGED if len(covered) == count else kinds[len(covered) < count]
    what = f"its {count} attempts are not as recorded; there are {len(covered)}"
    chunk.findings.append(Finding(fault, entry.seq, what))


async def open_texts(entry: Link, chunk: Chunk, vault: Vault) -> dict[str, OpenedText | None]:
    """Give what stands beside `entry`; None for a text whose key is gone."""
    sealed = chunk.texts.get(entry.seq, {})
    opened: dict[str, OpenedText | None] = dict.fromkeys(sealed)
    key = await _key(entry, chunk, vault) if any(sealed.values()) else None
    for name, text in sealed.items():
        if key is None or text is None:
            continue
        try:
            opened[name] = open_text(text, key)
        except (SealBroken, UnicodeDecodeError):
            opened[name] = (b"", "")  # no salt is empty: it matches no digest
    return opened


async def _key(entry: Link, chunk: Chunk, vault: Vault) -> Sealer | None:
    if entry.alert_id is None:
        return vault.master
    try:
        return await vault.key(chunk.key_ids[entry.alert_id])
    except (NotFound, SealBroken, KeyError):
        return None


def _read_end(conn: Connection, auditor: Auditor) -> list[Finding]:
    """Compare the end with its mark, and take what was appended since the last chunk."""
    while links := read_links(conn, auditor.head.seq):
        for entry in links:
            auditor.add(entry)
            auditor.skip_texts(entry)
    try:
        return list(check_end(auditor.head, read_head(conn)))
    except ChainBroken as error:
        return [Finding(Fault.REMOVED, auditor.head.seq, str(error))]


def _strays(conn: Connection) -> list[Finding]:
    """Find attempts that no entry covers."""
    rows = conn.execute(
        select(attempts.c.batch, func.count())
        .select_from(attempts.outerjoin(audit, audit.c.seq == attempts.c.batch))
        .where(or_(audit.c.seq.is_(None), audit.c.action != DELIVERIES_SETTLED))
        .group_by(attempts.c.batch)
        .order_by(attempts.c.batch)
    )
    return [
        Finding(Fault.INSERTED, batch, f"{count} attempts that no entry covers")
        for batch, count in rows
    ]


def _read_deliveries(conn: Connection, after: int) -> tuple[int, int | None, list[Finding]]:
    """Check some deliveries against their attempts; gives count, last id (None: done), findings."""
    query = select(deliveries.c.id, deliveries.c.state).where(deliveries.c.id > after)
    states = dict(conn.execute(query.order_by(deliveries.c.id).limit(_DELIVERIES)).all())
    last = max(states) if len(states) == _DELIVERIES else None
    tried = _tried(conn, after, last)
    findings = []
    for lost in sorted(tried.keys() - states.keys()):
        gone = f"delivery {lost} is missing, its attempts stand"
        findings.append(Finding(Fault.REMOVED, tried[lost][-1].batch, gone))
    for delivery, state in states.items():
        rows = tried.get(delivery, [])
        if what := disagreement(state, [(row.number, row.result) for row in rows]):
            seq = rows[-1].batch if rows else 0
            findings.append(Finding(Fault.CHANGED, seq, f"delivery {delivery} {what}"))
    return len(states), last, findings


def _tried(
    conn: Connection, after: int, last: int | None
) -> dict[int, list[Row[int, int, str, int]]]:
    """Give the attempts of each delivery after `after`, up to `last`, as they were recorded."""
    query = select(
        attempts.c.delivery_id, attempts.c.number, attempts.c.result, attempts.c.batch
    ).where(attempts.c.delivery_id > after)
    if last is not None:
        query = query.where(attempts.c.delivery_id <= last)
    found: dict[int, list[Row[int, int, str, int]]] = {}
    for row in conn.execute(query.order_by(attempts.c.delivery_id, attempts.c.id)):
        found.setdefault(row.delivery_id, []).append(row)
    return found
