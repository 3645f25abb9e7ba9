"""Signs CAP documents once they are public: each once, kept, and served byte for byte.

With a signer none is public unsigned. Where it fails, everything else of the alert goes on, and
operators are told: in the log, the audit log and `/readyz`.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, Select, exists, insert, select
from sqlalchemy.exc import IntegrityError

from alertd.capsign import NotSigned, read_signed
from alertd.core.delivery import State
from alertd.core.errors import NotFound
from alertd.core.rendition import fill_some
from alertd.core.ruleset import RuleSet
from alertd.pipeline.filling import at_activation
from alertd.pipeline.record import Entry, record
from alertd.store.schema import (
    alerts,
    deliveries,
    dispatches,
    documents,
    renditions,
    rule_sets,
    versions,
)
from alertd.tools import ALERTD, Tools
from alertd.vault import Key

log = structlog.get_logger()

NOT_SIGNED = "cap.not_signed"
SIGNER_FAILED = "cap.signer_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """A public CAP document that has no signature yet; its bytes are those that were approved."""

    dispatch_id: int
    alert_id: str
    identifier: str
    language: str
    body: bytes
    key_id: str
    sent_at: datetime
    references: str
    zone: str


async def document_of(tools: Tools, dispatch_id: int, key: Key, document: bytes) -> bytes | None:
    """Give a public document, signed if there is a signer; None when that fails, or once purged.

    `document` is the approved one, its slots filled.
    """
    stored = await tools.store.read(_stored, dispatch_id)
    if stored is None:
        if tools.signer is None:
            return document
        stored = await _sign(tools, dispatch_id, key, document)
    return key.open(stored) if stored else None


async def sign_due(tools: Tools) -> None:
    """Sign what is public and has no signature; what cannot be is an alarm, once."""
    if tools.signer is None:
        return
    for each in await tools.store.read(_unsigned, tools.clock()):
        try:
            key = await tools.vault.key(each.key_id)
        except NotFound:  # purged meanwhile
            continue
        slots = at_activation(
            each.language, sent_at=each.sent_at, zone=each.zone, references=each.references
        )
        document = fill_some(key.open(each.body), slots)
        signed = await document_of(tools, each.dispatch_id, key, document)
        if signed is None and each.dispatch_id not in tools.signer.told:
            tools.signer.told.add(each.dispatch_id)
            log.critical(NOT_SIGNED, alert_id=each.alert_id, why=tools.signer.fault)
            entry = Entry(ALERTD, NOT_SIGNED, each.alert_id, {"identifier": each.identifier})
            await tools.store.write(_record, entry, tools.clock())


async def watch_signer(tools: Tools) -> None:
    """Try key and certificate; what is wrong is an alarm, what soon will be a warning."""
    if tools.signer is None:
        return
    trouble = await asyncio.to_thread(tools.signer.trouble, tools.clock())
    if tools.signer.fault is not None:
        log.critical(SIGNER_FAILED, why=tools.signer.fault)
        entry = Entry(ALERTD, SIGNER_FAILED, None, {"why": tools.signer.fault})
        await tools.store.write(_record, entry, tools.clock())
    elif trouble is not None:
        log.warning("cap.certificate_expires", why=trouble)


async def warnings_of(tools: Tools) -> list[str]:
    """Give what a submitter should know of the signer before an alert depends on it."""
    if tools.signer is None:
        return []
    trouble = await asyncio.to_thread(tools.signer.trouble, tools.clock())
    if tools.signer.fault:  # which file it is concerns the operator alone
        log.critical(SIGNER_FAILED, why=tools.signer.fault)
        return ["CAP documents of this alert will not be published: signing fails"]
    return [trouble] if trouble else []


async def _sign(tools: Tools, dispatch_id: int, key: Key, document: bytes) -> bytes | None:
    if tools.signer is None:
        return None
    now = tools.clock()
    try:
        signed = await asyncio.to_thread(tools.signer.sign, document, now)
    except NotSigned:
        return None
    made = {
        "dispatch_id": dispatch_id,
        "body": key.seal(signed),
        "certificate": read_signed(signed, None, now).fingerprint,
        "at": now,
    }
    return await tools.store.write(_keep, made)


def _stored(conn: Connection, dispatch_id: int) -> bytes | None:
    """Give the sealed document; empty once it is purged, None when there was never one."""
    row = conn.execute(
        select(documents.c.body).where(documents.c.dispatch_id == dispatch_id)
    ).one_or_none()
    return None if row is None else row.body or b""


def _keep(conn: Connection, made: dict[str, object]) -> bytes | None:
    """Store it unless somebody else was first; gives what is stored."""
    try:
        with conn.begin_nested():
            conn.execute(insert(documents).values(made))
    except IntegrityError:
        pass
    return _stored(conn, int(str(made["dispatch_id"])))


def _record(conn: Connection, entry: Entry, at: datetime) -> None:
    record(conn, entry, at=at)


def _unsigned(conn: Connection, now: datetime) -> list[Unsigned]:
    query = _select_public().where(dispatches.c.deadline_at > now)
    found = []
    for row in conn.execute(query).mappings():
        values = {name: value for name, value in row.items() if name != "rules"}
        zone = RuleSet.model_validate(row["rules"]).authority_timezone
        found.append(Unsigned(**values, zone=zone))
    return found


def _select_public() -> Select[Any]:
    """Give the query for CAP documents of which a feed delivery is done, and no signature."""
    rendered = (
        (renditions.c.version_id == dispatches.c.version_id)
        & (renditions.c.kind == dispatches.c.kind)
        & (renditions.c.variant == dispatches.c.variant)
        & (renditions.c.form == "cap")
    )
    ruled = (rule_sets.c.programme == alerts.c.programme) & (
        rule_sets.c.version == versions.c.rule_set_version
    )
    delivered = exists().where(
        deliveries.c.dispatch_id == dispatches.c.id,
        deliveries.c.channel == "feed",
        deliveries.c.state == State.DELIVERED,
    )
    signed = exists().where(documents.c.dispatch_id == dispatches.c.id)
    return (
        select(
            dispatches.c.id.label("dispatch_id"),
            dispatches.c.alert_id,
            dispatches.c.identifier,
            renditions.c.language,
            renditions.c.body,
            alerts.c.key_id,
            dispatches.c.sent_at,
            dispatches.c.references,
            rule_sets.c.body.label("rules"),
        )
        .join(versions, versions.c.id == dispatches.c.version_id)
        .join(alerts, alerts.c.id == dispatches.c.alert_id)
        .join(renditions, rendered)
        .join(rule_sets, ruled)
        .where(dispatches.c.occurrence == 0, renditions.c.body.is_not(None), delivered, ~signed)
    )
