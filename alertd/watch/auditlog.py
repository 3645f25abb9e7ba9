"""The audit log as people read it: newest first, by person, alert and act."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Subquery, func, or_, select

from alertd.core.audit import Link, holds
from alertd.pipeline.jurisdiction import Eyes, Sight
from alertd.shapes import AuditEntry, Page
from alertd.store.schema import alerts, audit, persons

WINDOW = 10_000
NEAR = 10  # times a page is looked through at first: mostly it is found full there
PERSON = "person:"
_LINK = Link.__dataclass_fields__
OF_ALL = ("alarm.", "dispatch.", "lane.", "ledger.", "rules.")
"""What an entry without an alert is about when everybody may read it; others are of persons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """What is looked for; `action` may end in a dot, for all acts of that kind."""

    actor: str | None = None  # as an entry names it, or a person's name
    alert_id: str | None = None
    case_reference: str | None = None
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
    case: str  # of the alert, by which people know it
    data: dict[str, Any]
    people: Mapping[int, str]  # names of the persons that `data` speaks of
    texts: tuple[str, ...]  # names of what stands sealed beside it
    hash: str
    sound: bool  # as its hash says, and followed by what names that hash, as far as it was read


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    lines: tuple[AuditLine, ...]
    next: int | None = None
    full: bool = True


def find_entries(
    conn: Connection, wanted: AuditFilter, *, before: int | None, limit: int
) -> AuditPage:
    """Give entries, newest first, looking through at most WINDOW of them."""
    numbers, end, full = _look(conn, wanted, before, limit, min(NEAR * limit, WINDOW))
    if not full:
        numbers, end, full = _look(conn, wanted, before, limit, WINDOW)
    return AuditPage(lines=_lines(conn, numbers), next=end, full=full)


def _look(
    conn: Connection, wanted: AuditFilter, before: int | None, limit: int, most: int
) -> tuple[Sequence[int], int | None, bool]:
    """Give the numbers of entries, where to go on, and whether the page did not end too early."""
    # What is looked through is narrow: what an entry says is read of those that are shown alone.
    narrow = (audit.c.seq, audit.c.actor, audit.c.action, audit.c.alert_id)
    window = select(*narrow).order_by(audit.c.seq.desc()).limit(most)
    if wanted.alert_id:  # has an index of its own
        window = window.where(audit.c.alert_id == wanted.alert_id)
    if wanted.case_reference:
        of_case = select(alerts.c.id).where(alerts.c.case_reference == wanted.case_reference)
        window = window.where(audit.c.alert_id.in_(of_case))
    if before is not None:
        window = window.where(audit.c.seq < before)
    rows = window.subquery()
    query = select(rows.c.seq).order_by(rows.c.seq.desc()).limit(limit + 1)
    there = None
    if wanted.sees is not None:
        there = _there(conn, rows)
        query = query.where(_open(conn, rows, there, wanted.sees))
    if wanted.actor:
        query = query.where(rows.c.actor == _actor(conn, wanted.actor))
    if wanted.action:
        exact = not wanted.action.endswith(".")
        fits = (
            rows.c.action == wanted.action
            if exact
            else rows.c.action.startswith(wanted.action, autoescape=True)
        )
        query = query.where(fits)
    found = conn.scalars(query).all()
    if len(found) > limit:
        return found[:limit], found[limit - 1], True
    there = there or _there(conn, rows)
    more = there.count == most
    return found, there.first if more else None, not more


def _lines(conn: Connection, numbers: Sequence[int]) -> tuple[AuditLine, ...]:
    if not numbers:
        return ()
    query = select(audit).where(audit.c.seq.in_(numbers)).order_by(audit.c.seq.desc())
    rows = conn.execute(query).mappings().all()
    read = [(row, _body(row)) for row in rows]
    names = _names(conn, {number for row, body in read for number in _people(row, body)})
    cases = _cases(conn, {row["alert_id"] for row in rows})
    torn = _torn(rows)
    return tuple(_line(row, body, names, cases, torn) for row, body in read)


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
        there = _there(conn, rows)
        end = there.last if there.count == WINDOW else None
        query = select(rows).where(_open(conn, rows, there, wanted.sees)).order_by(rows.c.seq)
    found = conn.execute(query.limit(limit + 1)).mappings().all()
    items = [AuditEntry(**row) for row in found[:limit]]
    if len(found) > limit:
        end = items[-1].seq
    return Page(items=items, next_cursor=None if end is None else str(end))


@dataclass(frozen=True, slots=True)
class _Window:
    """What a window over the log holds: how many entries, from where to where, of which alerts."""

    count: int
    first: int
    last: int
    alert_ids: tuple[str, ...]


def _there(conn: Connection, rows: Subquery) -> _Window:
    """Go through a window once."""
    at = rows.c.seq
    told = select(rows.c.alert_id, func.count(), func.min(at), func.max(at))
    groups = conn.execute(told.group_by(rows.c.alert_id)).all()
    return _Window(
        count=sum(count for _, count, _, _ in groups),
        first=min((first for _, _, first, _ in groups), default=0),
        last=max((last for *_, last in groups), default=0),
        alert_ids=tuple(alert_id for alert_id, *_ in groups if alert_id is not None),
    )


def _open(conn: Connection, rows: Subquery, there: _Window, sees: Sight) -> ColumnElement[bool]:
    """Let through what is about alerts that are seen, or about alertd as a whole."""
    whole = or_(*(rows.c.action.startswith(kind, autoescape=True) for kind in OF_ALL))
    seen = rows.c.alert_id.in_(Eyes(conn, sees).choose(there.alert_ids))
    return or_(seen, rows.c.alert_id.is_(None) & whole)


def _people(row: RowMapping, body: Mapping[str, Any]) -> Iterator[int]:
    """Give the numbers of all persons that an entry names."""
    kind, _, number = row["actor"].partition(":")
    if f"{kind}:" == PERSON and number.isdecimal():
        yield int(number)
    yield from _spoken_of(body)


def _spoken_of(body: Mapping[str, Any]) -> Iterator[int]:
    said = body.get("data", {})
    yield from said.get("persons", ())
    if "person" in said:
        yield said["person"]


def _names(conn: Connection, numbers: Collection[int]) -> dict[int, str]:
    rows = conn.execute(select(persons.c.id, persons.c.name).where(persons.c.id.in_(numbers)))
    return {row.id: row.name for row in rows}


def _actor(conn: Connection, said: str) -> str:
    """Give how entries name somebody who was named to us."""
    number = conn.scalar(select(persons.c.id).where(persons.c.name == said))
    return said if number is None else f"{PERSON}{number}"


def _cases(conn: Connection, alert_ids: Collection[str | None]) -> dict[str, str]:
    query = select(alerts.c.id, alerts.c.case_reference).where(alerts.c.id.in_(alert_ids))
    return {row.id: row.case_reference for row in conn.execute(query)}


def _body(row: RowMapping) -> dict[str, Any]:
    """Read what an entry says; nothing where that was changed into what cannot be read."""
    try:
        body = json.loads(row["body"])
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _torn(rows: Sequence[RowMapping]) -> set[int]:
    """Give the entries that do not hold, or do not follow the one before where that is here too."""
    alone = {row["seq"] for row in rows if not holds(Link(**{n: row[n] for n in _LINK}))}
    apart = {
        seq
        for later, row in pairwise(rows)
        if later["seq"] == row["seq"] + 1 and later["previous"] != row["hash"]
        for seq in (later["seq"], row["seq"])
    }
    return alone | apart


def _line(
    row: RowMapping,
    body: Mapping[str, Any],
    names: Mapping[int, str],
    cases: Mapping[str, str],
    torn: Collection[int],
) -> AuditLine:
    number = row["actor"].removeprefix(PERSON)
    return AuditLine(
        seq=row["seq"],
        at=row["at"],
        actor=row["actor"],
        name=names.get(int(number), row["actor"]) if number.isdecimal() else row["actor"],
        action=row["action"],
        alert_id=row["alert_id"],
        case=cases.get(row["alert_id"], row["alert_id"] or ""),
        data=body.get("data", {}),
        people={each: names[each] for each in _spoken_of(body) if each in names},
        texts=tuple(sorted(body.get("texts", {}))),
        hash=row["hash"],
        sound=row["seq"] not in torn,
    )
