"""Approvals, returns and rejections: what the persons beside the submitter decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Connection, insert

from alertd.core.approval import (
    Approval,
    Ballot,
    Candidate,
    may_approve,
    needed_roles,
    open_roles,
    would_activate,
)
from alertd.core.errors import Conflict, InvalidAlert, NotAllowed, Problem
from alertd.core.lifecycle import Move, VersionState, move
from alertd.pipeline import notices
from alertd.pipeline.activate import activate
from alertd.pipeline.jurisdiction import hold
from alertd.pipeline.notices import Notice
from alertd.pipeline.record import Entry, record
from alertd.pipeline.versions import (
    Version,
    advance,
    close,
    key_of,
    latest,
    standing,
    take,
    void_approvals,
)
from alertd.store.schema import approvals
from alertd.tools import Actor, Tools
from alertd.vault import Key

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Approved:
    """Where a version stands after an approval."""

    state: VersionState
    activated: bool
    missing: tuple[str, ...]  # roles that nobody has approved in yet


@dataclass(frozen=True, slots=True)
class Preview:
    """What an approval in `role` would do, asked before it is given."""

    digest: str
    revision: int
    would_activate: bool
    missing: tuple[str, ...]


async def preview(tools: Tools, actor: Actor, alert_id: str, *, role: str) -> Preview:
    """Tell what this approval would do; raises what stands in its way, but for a reference."""
    await hold(tools, actor, alert_id, deciding=True)
    return await tools.store.read(_preview, actor, alert_id, role, tools.clock())


async def approve(
    tools: Tools, actor: Actor, alert_id: str, *, role: str, digest: str, reference: str = ""
) -> Approved:
    """Approve exactly the bytes of `digest`; the last approval activates in the same moment.

    Raises NotAllowed for the wrong person, Conflict when the digest is no longer current.
    """
    seen = await tools.store.read(latest, alert_id)
    candidate = Candidate(
        role=role,
        person_id=actor.person_id,
        roles=actor.roles,
        digest=digest,
        reference=reference.strip(),
    )
    vote = Vote(
        candidate=candidate,
        actor=actor,
        key=await key_of(tools, seen),
        notice=await notices.prepare(tools, seen, "activated"),
        sender=tools.sender,
        at=tools.clock(),
    )
    done = await tools.store.write(_approve, alert_id, vote)
    event = "alert.activated" if done.activated else "alert.approved"
    log.info(event, alert_id=alert_id, role=role, person=actor.person_id, missing=done.missing)
    return done


async def send_back(tools: Tools, actor: Actor, alert_id: str, *, reason: str) -> VersionState:
    """Return a version to its submitter for edit; what was approved of it is void."""
    return await _refuse(tools, actor, alert_id, Move.RETURN, reason)


async def reject(tools: Tools, actor: Actor, alert_id: str, *, reason: str) -> VersionState:
    """Reject a version for good; its submitter may also withdraw it so."""
    return await _refuse(tools, actor, alert_id, Move.REJECT, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """An approval ready to be counted."""

    candidate: Candidate
    actor: Actor
    key: Key
    notice: Notice
    sender: str
    at: datetime


def _ballot(conn: Connection, version: Version, now: datetime) -> Ballot:
    move(version.state, Move.ACTIVATE)
    if version.expires_at <= now or version.digest is None:
        raise Conflict("this alert has expired: it cannot go out any more")
    return Ballot(
        rules=version.rules,
        kind=version.kind,
        authors=frozenset({version.created_by}),
        digest=version.digest,
        standing=standing(conn, version),
    )


def _missing(version: Version, given: Sequence[Approval]) -> tuple[str, ...]:
    return tuple(role.name for role in open_roles(version.rules, version.kind, given))


def _preview(conn: Connection, actor: Actor, alert_id: str, role: str, now: datetime) -> Preview:
    version = latest(conn, alert_id)
    ballot = _ballot(conn, version, now)
    candidate = Candidate(
        role=role,
        person_id=actor.person_id,
        roles=actor.roles,
        digest=ballot.digest,
        reference="given with the approval itself",
    )
    may_approve(ballot, candidate)
    return Preview(
        digest=ballot.digest,
        revision=version.revision,
        would_activate=would_activate(ballot, candidate),
        missing=_missing(version, ballot.standing),
    )


def _approve(conn: Connection, alert_id: str, vote: Vote) -> Approved:
    version = take(conn, alert_id)
    ballot = _ballot(conn, version, vote.at)
    may_approve(ballot, vote.candidate)
    last = would_activate(ballot, vote.candidate)
    _insert(conn, version, vote)
    entries = []
    if last:
        entries = activate(conn, version, sender=vote.sender, at=vote.at)
        notices.tell(conn, version, vote.notice, notices.involved(conn, version), at=vote.at)
    record(conn, _entry(version, vote), at=vote.at, key=vote.key)
    for entry in entries:
        record(conn, entry, at=vote.at)
    state = VersionState.ACTIVE if last else version.state
    return Approved(state, last, _missing(version, standing(conn, version)))


def _insert(conn: Connection, version: Version, vote: Vote) -> None:
    conn.execute(
        insert(approvals).values(
            version_id=version.id,
            role=vote.candidate.role,
            person_id=vote.candidate.person_id,
            digest=vote.candidate.digest,
            reference=vote.candidate.reference,
            at=vote.at,
        )
    )


def _entry(version: Version, vote: Vote) -> Entry:
    said = {
        "version": version.number,
        "role": vote.candidate.role,
        "digest": vote.candidate.digest,
    }
    texts = {"reference": vote.candidate.reference} if vote.candidate.reference else {}
    return Entry(vote.actor.label, "alert.approved", version.alert_id, said, texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A return or a rejection ready to be written."""

    by: Move
    reason: str
    actor: Actor
    key: Key
    notice: Notice
    at: datetime


_EVENTS = {Move.RETURN: "returned", Move.REJECT: "rejected"}
_ACTIONS = {by: f"alert.{event}" for by, event in _EVENTS.items()}


async def _refuse(tools: Tools, actor: Actor, alert_id: str, by: Move, reason: str) -> VersionState:
    if not reason.strip():
        raise InvalidAlert([Problem("reason", "is required: say why")])
    seen = await tools.store.read(latest, alert_id)
    refusal = Refusal(
        by=by,
        reason=reason.strip(),
        actor=actor,
        key=await key_of(tools, seen),
        notice=await notices.prepare(tools, seen, _EVENTS[by]),
        at=tools.clock(),
    )
    state = await tools.store.write(_write_refusal, alert_id, refusal)
    log.info(_ACTIONS[by], alert_id=alert_id, person=actor.person_id)
    return state


def _write_refusal(conn: Connection, alert_id: str, refusal: Refusal) -> VersionState:
    version = take(conn, alert_id)
    _may_refuse(version, refusal)
    move(version.state, refusal.by)
    if refusal.by is Move.REJECT:
        close(conn, version, Move.REJECT, reason="rejected", at=refusal.at)
    else:
        void_approvals(conn, version, at=refusal.at)
        advance(conn, version, Move.RETURN)
    if version.created_by != refusal.actor.person_id:
        notices.tell(conn, version, refusal.notice, {version.created_by}, at=refusal.at)
    said = {"version": version.number}
    entry = Entry(
        refusal.actor.label, _ACTIONS[refusal.by], alert_id, said, {"reason": refusal.reason}
    )
    record(conn, entry, at=refusal.at, key=refusal.key)
    return move(version.state, refusal.by)


def _may_refuse(version: Version, refusal: Refusal) -> None:
    """Whoever could approve may refuse; its submitter may withdraw it."""
    if version.created_by == refusal.actor.person_id:
        if refusal.by is Move.REJECT:
            return
        raise NotAllowed("you submitted this: edit it as it is")
    if version.state is VersionState.DRAFT:
        raise NotAllowed("a draft is its author's own")
    refusal.actor.require(*(role.name for role in needed_roles(version.rules, version.kind)))
