"""The audit log as people read it: newest first, by person, alert and act."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from alertd.store.schema import audit, persons

WINDOW = 20_000
PERSON = "person:"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """What is looked for; `action` may end in a dot, for all acts of that kind."""

    actor: str | None = None
    alert_id: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    seq: int
    at: datetime
    actor: str
    name: str  # of the person, where the actor is one
    action: str
    alert_id: str | None
    data: dict[str, Any]
    texts: tuple[str, ...]  # names of what stands sealed beside it
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    lines: tuple[AuditLine, ...]
    next: int | None = None
    full: bool = True


def find_entries(
    conn: Connection, wanted: AuditFilter, *, before: int | None, limit: int
) -> AuditPage:
    """Give entries, newest first, looking through at most WINDOW of them."""
    window = select(audit).order_by(audit.c.seq.desc()).limit(WINDOW)
    if wanted.alert_id:  # has an index of its own
        window = window.where(audit.c.alert_id == wanted.alert_id)
    if before is not None:
        window = window.where(audit.c.seq < before)
    rows = window.subquery()
    query = select(rows).order_by(rows.c.seq.desc()).limit(limit + 1)
    if wanted.actor:
        query = query.where(rows.c.actor == wanted.actor)
    if wanted.action:
        exact = not wanted.action.endswith(".")
        fits = (
            rows.c.action == wanted.action
            if exact
            else rows.c.action.startswith(wanted.action, autoescape=True)
        )
        query = query.where(fits)
    found = conn.execute(query).mappings().all()
    names = _names(conn, {row["actor"] for row in found})
    lines = tuple(_line(dict(row), names) for row in found[:limit])
    if len(found) > limit:
        return AuditPage(lines=lines, next=lines[-1].seq)
    seen, last = conn.execute(select(func.count(), func.min(rows.c.seq))).one()
    more = seen == WINDOW
    return AuditPage(lines=lines, next=last if more else None, full=not more)


def _names(conn: Connection, actors: set[str]) -> dict[str, str]:
    numbers = [int(a.removeprefix(PERSON)) for a in actors if a.startswith(PERSON)]
    rows = conn.execute(select(persons.c.id, persons.c.name).where(persons.c.id.in_(numbers)))
    return {f"{PERSON}{number}": name for number, name in rows}


def _line(row: dict[str, Any], names: dict[str, str]) -> AuditLine:
    body = json.loads(row["body"])
    return AuditLine(
        seq=row["seq"],
        at=row["at"],
        actor=row["actor"],
        name=names.get(row["actor"], row["actor"]),
        action=row["action"],
        alert_id=row["alert_id"],
        data=body.get("data", {}),
        texts=tuple(sorted(body.get("texts", {}))),
        hash=row["hash"],
    )
