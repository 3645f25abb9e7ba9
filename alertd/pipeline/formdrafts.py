"""Half-filled forms: kept for the one person who fills them, sealed, and soon forgotten.

An alert in draft has to have an alert's shape; a form in the middle of a phone call has not.
Each has a key of its own, so that what was typed is gone from every copy once it is done with.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, RowMapping, delete, insert, select, update

from alertd.core.errors import Conflict, NotFound, StaleVersion
from alertd.ids import new_id
from alertd.store.schema import form_drafts
from alertd.tools import Actor, Tools
from alertd.vault import Key

log = structlog.get_logger()

UNTOUCHED = timedelta(days=3)  # then a form is forgotten
MOST = 20  # forms that one person may have open

Form = Mapping[str, tuple[str, ...]]


class Purpose(StrEnum):
    """What a form is to become."""

    NEW = "new"
    EDIT = "edit"  # of a version that is not out yet
    UPDATE = "update"  # the next version of an alert that went out


@dataclass(frozen=True, slots=True, kw_only=True)
class FormDraft:
    """One form as it was last saved; `revision` counts the savings."""

    id: str
    purpose: Purpose
    alert_id: str | None
    alert_revision: int | None  # of the version that is edited, as it was read
    programme: str
    status: str
    revision: int
    created_at: datetime
    saved_at: datetime
    form: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a new form starts from."""

    purpose: Purpose
    programme: str
    status: str
    form: Form
    alert_id: str | None = None
    alert_revision: int | None = None


async def begin(tools: Tools, actor: Actor, beginning: Beginning) -> str:
    """Keep a new form and give its id; raises Conflict when this person has too many."""
    actor.require("submitter")
    key, now = await tools.vault.new(), tools.clock()
    draft_id = new_id(now)
    try:
        await tools.store.write(_insert, draft_id, beginning, actor, key, now)
    except Conflict:
        await tools.vault.destroy(key.id)
        raise
    return draft_id


async def read(tools: Tools, actor: Actor, draft_id: str) -> FormDraft:
    """Give one of this person's own forms; raises NotFound."""
    row = await tools.store.read(_row, draft_id, actor.person_id)
    return _opened(row, await tools.vault.key(row["key_id"]))


async def own(tools: Tools, actor: Actor) -> Sequence[FormDraft]:
    """Give this person's forms, the last saved first."""
    rows = await tools.store.read(_rows, form_drafts.c.person_id == actor.person_id)
    return [_opened(row, await tools.vault.key(row["key_id"])) for row in rows]


async def save(
    tools: Tools, actor: Actor, draft_id: str, form: Form, *, revision: int
) -> FormDraft:
    """Keep what the form says now; raises StaleVersion when it was saved elsewhere meanwhile."""
    row = await tools.store.read(_row, draft_id, actor.person_id)
    key = await tools.vault.key(row["key_id"])
    saved = await tools.store.write(
        _update, row["id"], key.seal(_written(form)), revision, tools.clock()
    )
    return _opened(saved, key)


async def discard(tools: Tools, actor: Actor, draft_id: str) -> None:
    """Forget one of this person's own forms; again changes nothing."""
    mine = (form_drafts.c.id == draft_id) & (form_drafts.c.person_id == actor.person_id)
    await _forget(tools, mine)


async def forget_untouched(tools: Tools) -> None:
    """Forget the forms that nobody has gone on with."""
    before = tools.clock() - UNTOUCHED
    if forgotten := await _forget(tools, form_drafts.c.saved_at < before):
        log.info("forms.forgotten", count=forgotten)


async def forget_of_alert(tools: Tools, alert_id: str) -> None:
    """Forget the forms about an alert: it was purged."""
    await _forget(tools, form_drafts.c.alert_id == alert_id)


async def _forget(tools: Tools, which: ColumnElement[bool]) -> int:
    """Destroy the keys first: without them the rows say nothing."""
    rows = await tools.store.read(_rows, which)
    for row in rows:
        await tools.vault.destroy(row["key_id"])
    await tools.store.write(_delete, [row["id"] for row in rows])
    return len(rows)


def _insert(
    conn: Connection, draft_id: str, beginning: Beginning, actor: Actor, key: Key, at: datetime
) -> None:
    if len(_rows(conn, form_drafts.c.person_id == actor.person_id)) >= MOST:
        raise Conflict(f"you have {MOST} unfinished forms: submit or discard one first")
    conn.execute(
        insert(form_drafts).values(
            id=draft_id,
            person_id=actor.person_id,
            purpose=beginning.purpose,
            alert_id=beginning.alert_id,
            alert_revision=beginning.alert_revision,
            programme=beginning.programme,
            status=beginning.status,
            key_id=key.id,
            body=key.seal(_written(beginning.form)),
            revision=1,
            created_at=at,
            saved_at=at,
        )
    )


def _update(
    conn: Connection, draft_id: str, body: bytes, revision: int, at: datetime
) -> RowMapping:
    changed = conn.execute(
        update(form_drafts)
        .where(form_drafts.c.id == draft_id, form_drafts.c.revision == revision)
        .values(body=body, revision=revision + 1, saved_at=at)
    )
    if changed.rowcount != 1:
        raise StaleVersion("this form was saved in another window meanwhile: load it again")
    return _rows(conn, form_drafts.c.id == draft_id)[0]


def _row(conn: Connection, draft_id: str, person_id: int) -> RowMapping:
    mine = (form_drafts.c.id == draft_id) & (form_drafts.c.person_id == person_id)
    found = _rows(conn, mine)
    if not found:
        raise NotFound("there is no such form, or it is another person's")
    return found[0]


def _rows(conn: Connection, which: ColumnElement[bool]) -> Sequence[RowMapping]:
    query = select(form_drafts).where(which).order_by(form_drafts.c.saved_at.desc())
    return conn.execute(query).mappings().all()


def _delete(conn: Connection, ids: Sequence[str]) -> None:
    conn.execute(delete(form_drafts).where(form_drafts.c.id.in_(ids)))


def _written(form: Form) -> bytes:
    return json.dumps(form, ensure_ascii=False, separators=(",", ":")).encode()


def _opened(row: RowMapping, key: Key) -> FormDraft:
    said: dict[str, Any] = json.loads(key.open(row["body"]))
    kept = {name: row[name] for name in FormDraft.__dataclass_fields__ if name in row}
    form = {name: tuple(values) for name, values in said.items()}
    return FormDraft(**kept | {"purpose": Purpose(row["purpose"]), "form": form})
