"""Who sent a version back, rejected it or took it down, when, and for what reason."""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from alertd.core.lifecycle import VersionState
from alertd.pipeline.record import open_text
from alertd.store.schema import audit, audit_texts, persons
from alertd.vault import Key
from alertd.watch.auditlog import PERSON

_STATES = {
    "alert.returned": VersionState.RETURNED,
    "alert.rejected": VersionState.REJECTED,
    "alert.ended": VersionState.ENDED,
    "alert.cancelled": VersionState.CANCELLED,
    "alert.expired": VersionState.EXPIRED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The latest of an alert's decisions against it; `why` is sealed."""

    state: VersionState  # that it led to
    version: int
    at: datetime
    person: str  # nobody where alertd did it by itself
    reason: str  # the rule set's code of an end
    why: bytes | None

    def told(self, key: Key) -> str:
        """Give what its author wrote, for whoever may read of the alert."""
        return open_text(self.why, key)[1] if self.why else ""


def read_decision(conn: Connection, alert_id: str) -> Decision | None:
    """Give the latest decision; nothing where everything went its way."""
    row = conn.execute(
        select(audit.c.at, audit.c.actor, audit.c.action, audit.c.body, audit_texts.c.text)
        .outerjoin(audit_texts, audit.c.seq == audit_texts.c.seq)
        .where(audit.c.alert_id == alert_id, audit.c.action.in_(_STATES))
        .order_by(audit.c.seq.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    said = json.loads(row.body)["data"]
    return Decision(
        state=_STATES[row.action],
        version=said["version"],
        at=row.at,
        person=_person(conn, row.actor),
        reason=said.get("reason", ""),
        why=row.text,
    )


def _person(conn: Connection, actor: str) -> str:
    number = actor.removeprefix(PERSON)
    if not number.isdigit():
        return ""
    return conn.scalar(select(persons.c.name).where(persons.c.id == int(number))) or ""
