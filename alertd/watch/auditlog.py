"""The audit log as people read it: newest first, by person, alert and act."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Subquery, func, or_, select

from alertd.pipeline.jurisdiction import Eyes, Sight
from alertd.shapes import AuditEntry, Page
from alertd.store.schema import audit, persons

WINDOW = 20_000
PERSON = "person:"
OF_ALL = ("alarm.", "dispatch.", "lane.", "ledger.", "rules.")
"""What an entry without an alert is about when everybody may read it; others are of persons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """What is looked for; `action` may end in a dot, for all acts of that kind."""

    actor: str | None = None
    alert_id: str | None = None
    action: str | None = None
    sees: Sight | None = None  # what bounds whoever asks


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
    if wanted.sees is not None:
        query = query.where(_open(conn, rows, wanted.sees))
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


def read_entries(
    conn: Connection, wanted: AuditFilter, *, after: int, limit: int
) -> Page[AuditEntry]:
    """Give the record from its beginning; of one alert, when named.

    For whoever does not see all, at most WINDOW entries are looked through.
    """
    query = select(audit).where(audit.c.seq > after).order_by(audit.c.seq)
    if wanted.alert_id:
        query = query.where(audit.c.alert_id == wanted.alert_id)
    end = None
    if wanted.sees is not None:
        rows = query.limit(WINDOW).subquery()
        seen, last = conn.execute(select(func.count(), func.max(rows.c.seq))).one()
        end = last if seen == WINDOW else None
        query = select(rows).where(_open(conn, rows, wanted.sees)).order_by(rows.c.seq)
    found = conn.execute(query.limit(limit + 1)).mappings().all()
    items = [AuditEntry(**row) for row in found[:limit]]
    if len(found) > limit:
        end = items[-1].seq
    return Page(items=items, next_cursor=None if end is None else str(end))


def _open(conn: Connection, rows: Subquery, sees: Sight) -> ColumnElement[bool]:
    """Let through what is about alerts that are seen, or about alertd as a whole."""
    named = conn.scalars(select(rows.c.alert_id).where(rows.c.alert_id.is_not(None)).distinct())
    whole = or_(*(rows.c.action.startswith(kind, autoescape=True) for kind in OF_ALL))
    seen = rows.c.alert_id.in_(Eyes(conn, sees).choose(named))
    return or_(seen, rows.c.alert_id.is_(None) & whole)


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
