"""Changes a version that is not out yet, or submits it: approvals are void, all is asked anew."""

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Connection, update

from alertd.core.alert import ChildAlert
from alertd.core.errors import NotAllowed
from alertd.core.lifecycle import Move, VersionState, move
from alertd.core.ruleset import RuleSet
from alertd.pipeline import contents, rule_sets
from alertd.pipeline.contents import Content
from alertd.pipeline.jurisdiction import require_area
from alertd.pipeline.record import Entry, record
from alertd.pipeline.submit import Submitted, open_for_approval, said
from alertd.pipeline.turns import Turn, take_turn
from alertd.pipeline.validate import check
from alertd.pipeline.versions import (
    Version,
    advance,
    key_of,
    latest,
    open_facts,
    refuse_changes,
    take_unchanged,
    void_approvals,
)
from alertd.store.schema import alerts, versions
from alertd.tools import Actor, Tools
from alertd.vault import Key

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to become of a version, ready to be stored."""

    seen: Version
    by: Move
    alert: ChildAlert
    content: Content
    rules: RuleSet
    key: Key
    actor: Actor
    at: datetime


async def edit(
    tools: Tools, actor: Actor, alert_id: str, alert: ChildAlert, *, revision: int
) -> Submitted:
    """Replace what a version says.

    One that waits for approvals is rendered and asked for again at once; a draft or a
    returned one when it is submitted. Raises StaleVersion when `revision` is not its own.
    """
    seen = await _own(tools, actor, alert_id, revision)
    move(seen.state, Move.EDIT)
    _refuse_another_alert(seen, alert)
    require_area(tools, actor, alert)
    key = await key_of(tools, seen)
    now = tools.clock()
    if seen.state is VersionState.SUBMITTED:
        alert = check(alert, seen.rules, tools.atlas, now=now)
        subject = await contents.subject_of(tools, key, seen, alert)
        content = await contents.prepare(tools, key, subject)
    else:
        content = await contents.facts_only(tools, key, alert, alert_id=alert_id)
    change = Change(
        seen=seen,
        by=Move.EDIT,
        alert=alert,
        content=content,
        rules=seen.rules,
        key=key,
        actor=actor,
        at=now,
    )
    return await _write(tools, change)


async def submit_draft(tools: Tools, actor: Actor, alert_id: str, *, revision: int) -> Submitted:
    """Put a draft, or a version that was returned, before its approvers.

    A draft comes under the rules of now, a returned version stays under its own.
    """
    seen = await _own(tools, actor, alert_id, revision)
    move(seen.state, Move.SUBMIT)
    key = await key_of(tools, seen)
    now = tools.clock()
    draft = seen.state is VersionState.DRAFT
    rules = tools.rulebook.current(seen.programme) if draft else seen.rules
    alert = check(open_facts(key, seen), rules, tools.atlas, now=now)
    subject = await contents.subject_of(tools, key, seen, alert, rules=rules)
    change = Change(
        seen=seen,
        by=Move.SUBMIT,
        alert=alert,
        content=await contents.prepare(tools, key, subject),
        rules=rules,
        key=key,
        actor=actor,
        at=now,
    )
    return await _write(tools, change)


async def _own(tools: Tools, actor: Actor, alert_id: str, revision: int) -> Version:
    actor.require("submitter")
    seen = await tools.store.read(latest, alert_id)
    if seen.created_by != actor.person_id:
        raise NotAllowed("only the person who submitted this may change it")
    seen.expect(revision=revision)
    return seen


def _refuse_another_alert(seen: Version, alert: ChildAlert) -> None:
    """Refuse what would make it another alert: an exercise never turns into the real thing."""
    fixed = {"programme"}
    if seen.state is not VersionState.DRAFT:
        fixed.add("status")
    if seen.number > 1:
        fixed.add("case_reference")
    refuse_changes(seen, alert, fixed)


async def _write(tools: Tools, change: Change) -> Submitted:
    digest = tools.rulebook.digest(change.rules)
    done = await tools.store.write(_apply, change, digest, tools)
    log.info(
        _ACTIONS[change.by],
        alert_id=done.alert_id,
        state=done.state,
        revision=done.revision,
        person=change.actor.person_id,
    )
    return done


_ACTIONS = {Move.EDIT: "alert.edited", Move.SUBMIT: "alert.submitted"}


def _apply(conn: Connection, change: Change, rules_digest: str, tools: Tools) -> Submitted:
    take_turn(conn, Turn.SUBMISSION)
    take_unchanged(conn, change.seen)
    at = change.at
    rule_sets.register(conn, change.rules, rules_digest, at=at, confirmed_at=at)
    version = _store(conn, change)
    voided = void_approvals(conn, version, at=change.at)
    asked = []
    if change.content.digest is None:
        advance(conn, version, change.by, revision=version.revision + 1)
    else:
        contents.refuse_duplicate(conn, version, change.alert, change.content, at=change.at)
        asked = open_for_approval(conn, version, change.by, tools=tools, at=change.at)
    entry = Entry(
        change.actor.label,
        _ACTIONS[change.by],
        version.alert_id,
        said(change.content, change.rules, number=version.number) | {"voided": voided},
        {"facts": change.alert.model_dump_json()},
    )
    record(conn, entry, at=change.at, key=change.key)
    for each in asked:
        record(conn, each, at=change.at)
    done = latest(conn, version.alert_id)
    return Submitted(done.alert_id, done.state, done.revision)


def _store(conn: Connection, change: Change) -> Version:
    seen = change.seen
    names = ("status", "kind", "reported_at", "case_reference")
    conn.execute(
        update(alerts)
        .where(alerts.c.id == seen.alert_id)
        .values({name: getattr(change.alert, name) for name in names})
    )
    conn.execute(
        update(versions)
        .where(versions.c.id == seen.id)
        .values(rule_set_version=change.rules.version)
    )
    contents.store(conn, seen.id, change.content)
    return latest(conn, seen.alert_id)
