"""Asks officials for their approval: at once, again after a while, then the deputies.

Each asking is a dispatch of its own, bound to the version's revision: after an edit everybody
is asked again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, exists, select

from alertd.core.approval import open_roles
from alertd.core.lifecycle import VersionState
from alertd.core.regions import Atlas
from alertd.core.rendition import Kind
from alertd.core.ruleset import RuleSet
from alertd.pipeline.dispatch import Dispatch, open_direct
from alertd.pipeline.jurisdiction import outside
from alertd.pipeline.people import Addressee, able
from alertd.pipeline.record import Entry, record
from alertd.pipeline.versions import Version, read_all, select_versions, standing, take
from alertd.store.schema import dispatches
from alertd.store.schema import versions as version_rows
from alertd.tools import ALERTD, Tools


@dataclass(frozen=True, slots=True)
class Step:
    """One of the askings of a revision."""

    number: int
    suffix: str  # of the rendition's variant: `police:reminder`
    deputies: bool = False

    def occurrence(self, version: Version) -> int:
        return version.revision * 10 + self.number


FIRST = Step(0, "")
REMINDER = Step(1, ":reminder")
DEPUTIES = Step(2, ":deputy", deputies=True)


def ask(conn: Connection, version: Version, step: Step, atlas: Atlas, at: datetime) -> list[Entry]:
    """Ask whoever can fill a role that is still open; gives the audit entries to record."""
    approved = standing(conn, version)
    excluded = {version.created_by} | {approval.person_id for approval in approved}
    excluded |= outside(conn, version.programme, version.regions, atlas)
    entries = []
    for role in open_roles(version.rules, version.kind, approved):
        if _asked(conn, version, role.name, step):
            continue
        people = able(conn, role.name, deputies=step.deputies, besides=excluded)
        _send(conn, version, role.name, step, people, at)
        said = {
            "role": role.name,
            "step": step.number,
            "revision": version.revision,
            "persons": sorted({person.person_id for person in people}),
        }
        entries.append(Entry(ALERTD, "approval.asked", version.alert_id, said))
    return entries


async def remind(tools: Tools) -> int:
    """Ask again where an approval is late; gives how many askings that made."""
    now = tools.clock()
    waiting = await tools.store.read(_waiting)
    asked = 0
    for version in waiting:
        if _due(version, now):
            asked += await tools.store.write(_remind, version.alert_id, tools.atlas, now)
    return asked


def _waiting(conn: Connection) -> list[Version]:
    return read_all(conn, select_versions().where(version_rows.c.state == VersionState.SUBMITTED))


def _due(version: Version, now: datetime) -> list[Step]:
    """Give the askings whose time has come."""
    if version.state is not VersionState.SUBMITTED or version.submitted_at is None:
        return []
    if version.expires_at <= now:
        return []
    waited = now - version.submitted_at
    return [step for step, after in _delays(version.rules) if waited >= after]


def _delays(rules: RuleSet) -> Sequence[tuple[Step, timedelta]]:
    return ((REMINDER, rules.remind_after), (DEPUTIES, rules.deputy_after))


def _remind(conn: Connection, alert_id: str, atlas: Atlas, now: datetime) -> int:
    version = take(conn, alert_id)
    entries = [
        entry for step in _due(version, now) for entry in ask(conn, version, step, atlas, now)
    ]
    for entry in entries:
        record(conn, entry, at=now)
    return len(entries)


def _asked(conn: Connection, version: Version, role: str, step: Step) -> bool:
    query = exists().where(
        dispatches.c.version_id == version.id,
        dispatches.c.kind == Kind.REQUEST,
        dispatches.c.variant == role + step.suffix,
        dispatches.c.occurrence == step.occurrence(version),
    )
    return bool(conn.scalar(select(query)))


def _send(
    conn: Connection,
    version: Version,
    role: str,
    step: Step,
    people: Sequence[Addressee],
    at: datetime,
) -> None:
    variant = role + step.suffix
    occurrence = step.occurrence(version)
    dispatch = Dispatch(
        alert_id=version.alert_id,
        version_id=version.id,
        kind=Kind.REQUEST,
        variant=variant,
        occurrence=occurrence,
        identifier=f"{version.identifier}.request.{role}.{occurrence}",
        exercise=version.exercise,
        sent_at=at,
        deadline_at=version.expires_at,
    )
    open_direct(conn, dispatch, [(each.address_id, each.language) for each in people])
