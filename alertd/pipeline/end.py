"""Takes a live alert down: what is queued stops, and whoever was reached is told why."""

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Connection

from alertd.core.errors import InvalidAlert, Problem
from alertd.core.lifecycle import Move, VersionState, move
from alertd.core.rendition import Kind
from alertd.core.ruleset import EndReason, RuleSet
from alertd.pipeline import notices
from alertd.pipeline.activate import Outgoing, dispatch
from alertd.pipeline.dispatch import stop
from alertd.pipeline.notices import Notice
from alertd.pipeline.record import Entry, record
from alertd.pipeline.versions import OPEN, Version, close, key_of, latest, live, take
from alertd.tools import Actor, Tools
from alertd.vault import Key

log = structlog.get_logger()

_ACTIONS = {Move.END: "alert.ended", Move.CORRECT: "alert.cancelled"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The end of an alert, ready to be written."""

    reason: EndReason
    why: str
    actor: Actor
    key: Key
    notice: Notice
    sender: str
    deadline_at: datetime
    at: datetime

    @property
    def move(self) -> Move:
        return Move.CORRECT if self.reason.correction else Move.END


async def end(
    tools: Tools, actor: Actor, alert_id: str, *, reason_code: str, why: str, confirm: bool
) -> VersionState:
    """End the live version with the texts that were approved with it.

    One person with a role of the rule set's `end_roles` suffices; a wrong end is undone by a
    new version. Without `confirm`, InvalidAlert tells what would happen.
    """
    seen = await tools.store.read(_live_or_latest, alert_id)
    actor.require(*seen.rules.end_roles)
    reason = _checked(seen, reason_code, why, confirm=confirm)
    now = tools.clock()
    event = "corrected" if reason.correction else "ended"
    ending = Ending(
        reason=reason,
        why=why.strip(),
        actor=actor,
        key=await key_of(tools, seen),
        notice=await notices.prepare(tools, seen, event),
        sender=tools.sender,
        deadline_at=now + tools.end_deadline,
        at=now,
    )
    async with tools.withdraw(alert_id):  # nobody is told before the files are gone
        state = await tools.store.write(_end, alert_id, ending)
    log.info(_ACTIONS[ending.move], alert_id=alert_id, reason=reason.name, person=actor.person_id)
    return state


def _live_or_latest(conn: Connection, alert_id: str) -> Version:
    return live(conn, alert_id) or latest(conn, alert_id)


def _checked(version: Version, reason_code: str, why: str, *, confirm: bool) -> EndReason:
    move(version.state, Move.END)
    reason = version.rules.end_reason(reason_code)
    problems = []
    if reason is None:
        problems.append(Problem("reason_code", f"is not one of: {_choice(version.rules)}"))
    if not why.strip():
        problems.append(Problem("why", "is required: say why the alert ends"))
    if not confirm:
        problems.append(Problem("confirm", _consequence(reason)))
    if problems or reason is None:
        raise InvalidAlert(problems)
    return reason


def _choice(rules: RuleSet) -> str:
    return ", ".join(reason.name for reason in rules.end_reasons)


def _consequence(reason: EndReason | None) -> str:
    what = "a correction" if reason and reason.correction else "the end of the search"
    return (
        f"must be true: nothing more of this alert is sent, everybody whom it reached is told"
        f" {what}, and so are its submitter and approvers"
    )


def _end(conn: Connection, alert_id: str, ending: Ending) -> VersionState:
    newest = take(conn, alert_id)
    version = live(conn, alert_id) or newest
    state = move(version.state, ending.move)
    close(conn, version, ending.move, reason=ending.reason.name, at=ending.at)
    if newest.id != version.id and newest.state in OPEN:
        # An update that still waits would bring the alert back by an approval given for less.
        close(conn, newest, Move.REJECT, reason="alert_ended", at=ending.at)
    stop(conn, alert_id, ending.at)
    outgoing = Outgoing(
        kind=Kind.CORRECTION if ending.reason.correction else Kind.END,
        variant=ending.reason.name,
        deadline_at=ending.deadline_at,
    )
    dispatch(conn, version, outgoing, sender=ending.sender, at=ending.at)
    notices.tell(conn, version, ending.notice, notices.involved(conn, version), at=ending.at)
    said = {"version": version.number, "reason": ending.reason.name}
    entry = Entry(ending.actor.label, _ACTIONS[ending.move], alert_id, said, {"why": ending.why})
    record(conn, entry, at=ending.at, key=ending.key)
    return state
