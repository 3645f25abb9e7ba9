"""Makes the next version of an alert that went out; the live one stands until it is approved."""

from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy import Connection

from alertd.core.alert import ChildAlert
from alertd.core.errors import Conflict, InvalidAlert, Problem
from alertd.core.lifecycle import Move
from alertd.core.rendition import Kind
from alertd.pipeline import contents
from alertd.pipeline.contents import Content
from alertd.pipeline.jurisdiction import require_area
from alertd.pipeline.record import Entry, record
from alertd.pipeline.submit import Submitted, insert_version, open_for_approval, said
from alertd.pipeline.turns import Turn, take_turn
from alertd.pipeline.validate import check
from alertd.pipeline.versions import (
    OPEN,
    Version,
    key_of,
    last_sent,
    latest,
    live,
    open_facts,
    refuse_changes,
    take_unchanged,
)
from alertd.tools import Actor, Tools
from alertd.vault import Key

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """The next version of an alert, ready to be stored."""

    seen: Version  # the newest version before it
    alert: ChildAlert
    content: Content
    key: Key
    actor: Actor
    at: datetime


async def update(tools: Tools, actor: Actor, alert_id: str, alert: ChildAlert) -> Submitted:
    """Submit a new version under the approvals that the rule set wants of an update.

    This also undoes a wrong end: an alert that ended, was cancelled or expired goes out again
    once its new version is approved.
    """
    actor.require("submitter")
    seen = await tools.store.read(latest, alert_id)
    sent = await tools.store.read(last_sent, alert_id)
    if seen.state in OPEN:
        raise Conflict(f"version {seen.number} is still {seen.state}: edit or reject it first")
    if sent is None:
        raise Conflict("this alert never went out: submit a new one")
    refuse_changes(seen, alert, {"programme", "status", "case_reference"})
    require_area(tools, actor, alert)
    now = tools.clock()
    alert = check(alert, seen.rules, tools.atlas, now=now)
    key = await key_of(tools, seen)
    following = replace(seen, number=seen.number + 1, kind=Kind.UPDATE)
    subject = await contents.subject_of(tools, key, following, alert)
    successor = Successor(
        seen=seen,
        alert=alert,
        content=await contents.prepare(tools, key, subject),
        key=key,
        actor=actor,
        at=now,
    )
    done = await tools.store.write(_keep, successor, tools)
    log.info("alert.update_submitted", alert_id=alert_id, person=actor.person_id)
    return done


async def extend(tools: Tools, actor: Actor, alert_id: str, *, expires_at: datetime) -> Submitted:
    """Submit an update of the live version that changes nothing but when it expires."""
    actor.require("submitter")
    seen = await tools.store.read(live, alert_id)
    if seen is None:
        raise Conflict("only an alert that is out can be extended")
    if expires_at <= seen.expires_at:
        until = seen.expires_at.isoformat()
        raise InvalidAlert([Problem("expires_at", f"must be later than {until}")])
    said = open_facts(await key_of(tools, seen), seen)
    return await update(tools, actor, alert_id, said.model_copy(update={"expires_at": expires_at}))


def _keep(conn: Connection, successor: Successor, tools: Tools) -> Submitted:
    take_turn(conn, Turn.SUBMISSION)
    seen = take_unchanged(conn, successor.seen)
    insert_version(
        conn,
        successor.content,
        actor=successor.actor,
        at=successor.at,
        alert_id=seen.alert_id,
        number=seen.number + 1,
        kind=Kind.UPDATE,
        rule_set_version=seen.rules.version,
    )
    version = latest(conn, seen.alert_id)
    contents.refuse_duplicate(conn, version, successor.alert, successor.content, at=successor.at)
    asked = open_for_approval(conn, version, Move.SUBMIT, tools=tools, at=successor.at)
    entry = Entry(
        successor.actor.label,
        "alert.update_submitted",
        seen.alert_id,
        said(successor.content, seen.rules, number=version.number),
        {"facts": successor.alert.model_dump_json()},
    )
    record(conn, entry, at=successor.at, key=successor.key)
    for each in asked:
        record(conn, each, at=successor.at)
    done = latest(conn, seen.alert_id)
    return Submitted(done.alert_id, done.state, done.revision)
