"""Alert versions as the stages read and move them."""

import json
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Connection, Select, Text, cast, select, update

from alertd.core.alert import ChildAlert
from alertd.core.approval import Approval
from alertd.core.errors import Conflict, InvalidAlert, NotFound, Problem, StaleVersion
from alertd.core.lifecycle import Move, VersionState, move
from alertd.core.rendition import Kind
from alertd.core.ruleset import RuleSet
from alertd.store.schema import alerts, approvals, rule_sets, versions
from alertd.tools import Tools
from alertd.vault import Key

OPEN = (VersionState.DRAFT, VersionState.SUBMITTED, VersionState.RETURNED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of an alert, its facts still sealed."""

    id: int
    alert_id: str
    number: int
    kind: Kind
    state: VersionState
    revision: int
    identifier: str | None
    digest: str | None
    facts: bytes | None
    regions: list[str]
    created_by: int
    submitted_at: datetime | None
    sent_at: datetime | None
    expires_at: datetime
    programme: str
    status: str
    case_reference: str
    key_id: str
    rules: RuleSet

    @property
    def exercise(self) -> bool:
        return self.status != "actual"

    def expect(self, *, revision: int) -> None:
        """Raise StaleVersion when somebody changed it since it was read."""
        if revision != self.revision:
            raise StaleVersion(
                f"the alert is at revision {self.revision}, not {revision}: read it again"
            )


_FROM_ALERT = ("programme", "status", "case_reference", "key_id")
_COLUMNS = [
    (alerts if field.name in _FROM_ALERT else versions).c[field.name]
    for field in fields(Version)
    if field.name != "rules"
]


def select_versions() -> Select[tuple[object, ...]]:
    """Give the query that `read_all` reads; narrow it with `where`."""
    return (
        select(*_COLUMNS, cast(rule_sets.c.body, Text).label("body"))
        .join(alerts, versions.c.alert_id == alerts.c.id)
        .join(
            rule_sets,
            (rule_sets.c.programme == alerts.c.programme)
            & (rule_sets.c.version == versions.c.rule_set_version),
        )
    )


def read_all(conn: Connection, query: Select[tuple[object, ...]]) -> list[Version]:
    found = []
    for row in conn.execute(query).mappings():
        values = {column.name: row[column.name] for column in _COLUMNS}
        values |= {"kind": Kind(row["kind"]), "state": VersionState(row["state"])}
        found.append(Version(**values, rules=_read_rules(row["body"])))
    return found


@lru_cache(maxsize=64)
def _read_rules(body: str) -> RuleSet:
    """Read a rule set as it was kept; every page of an alert asks for the same one."""
    return RuleSet.model_validate(json.loads(body))


def latest(conn: Connection, alert_id: str) -> Version:
    """Give the newest version of an alert, whatever its state."""
    query = select_versions().where(versions.c.alert_id == alert_id)
    found = read_all(conn, query.order_by(versions.c.number.desc()).limit(1))
    if not found:
        raise NotFound("there is no such alert")
    return found[0]


def take(conn: Connection, alert_id: str) -> Version:
    """As `latest`, and keep everybody else from changing the alert until this transaction ends.

    Every stage begins here; the audit entry, which locks the chain, comes last.
    """
    query = select(alerts.c.id).where(alerts.c.id == alert_id).with_for_update(key_share=True)
    conn.execute(query)
    return latest(conn, alert_id)


def take_unchanged(conn: Connection, seen: Version) -> Version:
    """As `take`; raises StaleVersion when it is not what was `seen` before the transaction."""
    now = take(conn, seen.alert_id)
    if (now.id, now.state, now.revision) != (seen.id, seen.state, seen.revision):
        raise StaleVersion("somebody else changed this alert at the same moment: read it again")
    return now


def take_version(conn: Connection, seen: Version) -> Version:
    """As `take`, for one version that need not be the newest."""
    take(conn, seen.alert_id)
    return read_all(conn, select_versions().where(versions.c.id == seen.id))[0]


def last_sent(conn: Connection, alert_id: str) -> Version | None:
    """Give the newest version that ever went out."""
    query = select_versions().where(
        versions.c.alert_id == alert_id, versions.c.sent_at.is_not(None)
    )
    found = read_all(conn, query.order_by(versions.c.number.desc()).limit(1))
    return found[0] if found else None


def live(conn: Connection, alert_id: str) -> Version | None:
    """Give the version that is out there now."""
    query = select_versions().where(
        versions.c.alert_id == alert_id, versions.c.state == VersionState.ACTIVE
    )
    found = read_all(conn, query)
    return found[0] if found else None


def advance(conn: Connection, version: Version, by: Move, **changes: object) -> VersionState:
    """Move a version along the transition table; raises Conflict when there is no such move."""
    state = move(version.state, by)
    moved = conn.execute(
        update(versions)
        .where(versions.c.id == version.id, versions.c.state == version.state)
        .values(state=state, **changes)
    )
    if moved.rowcount != 1:
        raise Conflict("somebody else changed this alert at the same moment")
    return state


def close(conn: Connection, version: Version, by: Move, *, reason: str, at: datetime) -> None:
    """Move a version to where nothing follows."""
    advance(conn, version, by, closed_at=at, closed_reason=reason)


def void_approvals(conn: Connection, version: Version, *, at: datetime) -> int:
    """Void what was approved of a version, and tell how many approvals that were."""
    unvoided = (approvals.c.version_id == version.id) & approvals.c.voided_at.is_(None)
    return conn.execute(update(approvals).where(unvoided).values(voided_at=at)).rowcount


def standing(conn: Connection, version: Version) -> tuple[Approval, ...]:
    """Give the approvals of a version that were not voided."""
    query = (
        select(approvals.c.role, approvals.c.person_id, approvals.c.digest)
        .where(approvals.c.version_id == version.id, approvals.c.voided_at.is_(None))
        .order_by(approvals.c.id)
    )
    return tuple(Approval(*row) for row in conn.execute(query))


def refuse_changes(seen: Version, alert: ChildAlert, fixed: set[str]) -> None:
    """Raise InvalidAlert when `alert` changes any of the `fixed` fields of its alert."""
    problems = [
        Problem(name, f"cannot be changed any more: it must stay {getattr(seen, name)}")
        for name in sorted(fixed)
        if getattr(alert, name) != getattr(seen, name)
    ]
    if problems:
        raise InvalidAlert(problems)


async def key_of(tools: Tools, version: Version) -> Key:
    return await tools.vault.key(version.key_id)


def open_facts(key: Key, version: Version) -> ChildAlert:
    """Give what a version says; raises NotFound once it is purged."""
    if version.facts is None:
        raise NotFound("what this alert said was purged")
    return ChildAlert.model_validate_json(key.open(version.facts))
