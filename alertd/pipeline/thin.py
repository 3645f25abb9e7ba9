"""Purges some of what an alert said: the rest is sealed anew, and the old key is destroyed.

So what is gone is gone from free pages, journals and backups as well, as after a whole purge.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, Table, and_, delete, insert, select, update

from alertd.core.alert import ChildAlert
from alertd.core.errors import Conflict, NotFound
from alertd.core.rendition import Kind
from alertd.core.retention import SPOKEN, Ground, What, count, without
from alertd.pipeline import formdrafts, photos
from alertd.pipeline.auditor import ALERT_THINNED
from alertd.pipeline.deletions import Deletion, is_noted, note_deletion
from alertd.pipeline.purge import refuse_living
from alertd.pipeline.record import Entry, record
from alertd.pipeline.retired import destroy_retired
from alertd.store.schema import (
    alerts,
    audit,
    audit_texts,
    dispatches,
    documents,
    fingerprints,
    idempotency_keys,
    renditions,
    retired_keys,
    versions,
)
from alertd.tools import Tools
from alertd.vault import Key

log = structlog.get_logger()

_TELLING = (Kind.ALERT, Kind.UPDATE)  # messages that say it; what follows them names nobody
_WHOLE = ("facts", "cap")  # texts of the record that hold an alert as it was submitted
_HARMLESS = ("reference",)  # of an order or decision


@dataclass(frozen=True, slots=True, kw_only=True)
class _Thinning:
    alert_id: str
    what: What
    old: Key
    new: Key
    by: str
    ground: Ground
    at: datetime

    def sealed_anew(self, sealed: bytes | None) -> bytes | None:
        return None if sealed is None else self.new.seal(self.old.open(sealed))

    def drops_text(self, name: str) -> bool:
        """Tell whether a text of the record goes: whatever was written freely may name a child."""
        if self.what is What.PERSON:
            return name not in _HARMLESS
        return self.what in SPOKEN and name in _WHOLE


async def thin(tools: Tools, alert_id: str, what: What, *, by: str, ground: Ground) -> None:
    """Purge `what` of an alert; again changes nothing.

    Raises Conflict while a version lives or a message is still under way.
    """
    old = await tools.vault.key(await tools.store.read(_key_id, alert_id))
    thinning = _Thinning(
        alert_id=alert_id,
        what=what,
        old=old,
        new=await tools.vault.new(),
        by=by,
        ground=ground,
        at=tools.clock(),
    )
    try:
        done = await tools.store.write(_thin, thinning)
    except Conflict:  # after any other failure it is unknown which of the two keys is in use
        await tools.vault.destroy(thinning.new.id)
        raise
    if not done:
        await tools.vault.destroy(thinning.new.id)
        return
    await destroy_retired(tools)
    if what is What.PERSON:
        await formdrafts.forget_of_alert(tools, alert_id)
    log.info("alert.thinned", alert_id=alert_id, what=what, ground=ground)


def _key_id(conn: Connection, alert_id: str) -> str:
    found: str | None = conn.scalar(select(alerts.c.key_id).where(alerts.c.id == alert_id))
    if found is None:
        raise NotFound(f"there is no alert {alert_id}")
    return found


def _thin(conn: Connection, thinning: _Thinning) -> bool:
    alert_id, what, at = thinning.alert_id, thinning.what, thinning.at
    conn.execute(select(alerts.c.id).where(alerts.c.id == alert_id).with_for_update())
    if is_noted(conn, alert_id, what):
        return False
    if _key_id(conn, alert_id) != thinning.old.id:
        raise Conflict("somebody else purges this alert at the same moment: try again")
    refuse_living(conn, alert_id)
    held = _seal_facts(conn, thinning)
    _seal_messages(conn, thinning)
    dropped = _seal_texts(conn, thinning)
    if what in {What.PHOTO, What.PERSON}:
        photos.forget_of_alert(conn, alert_id, at=at)
    if what in SPOKEN:
        _forget_traces(conn, alert_id)
    conn.execute(update(alerts).where(alerts.c.id == alert_id).values(key_id=thinning.new.id))
    conn.execute(insert(retired_keys).values(key_id=thinning.old.id, at=at))
    by, ground = thinning.by, thinning.ground
    deletion = Deletion(alert_id=alert_id, what=what, ground=ground, by=by, count=held)
    note_deletion(conn, deletion, at=at)
    said = {"what": what, "ground": ground, "count": held, "texts": dropped}
    record(conn, Entry(by, ALERT_THINNED, alert_id, said), at=at)
    return True


def _seal_facts(conn: Connection, thinning: _Thinning) -> int:
    """Write the facts of every version without it; gives how much the fullest one held."""
    most = 0
    own = select(versions.c.id, versions.c.facts).where(versions.c.alert_id == thinning.alert_id)
    for version_id, sealed in conn.execute(own).all():
        if sealed is None:
            continue
        alert = ChildAlert.model_validate_json(thinning.old.open(sealed))
        most = max(most, count(alert, thinning.what))
        thinner = without(alert, thinning.what).model_dump_json().encode()
        _set(conn, versions, {"id": version_id}, {"facts": thinning.new.seal(thinner)})
    return most


def _seal_messages(conn: Connection, thinning: _Thinning) -> None:
    """Empty what tells of it, and seal the rest anew."""
    spoken = thinning.what in SPOKEN
    messages = (
        select(renditions.c.id, renditions.c.kind, renditions.c.body)
        .join(versions, versions.c.id == renditions.c.version_id)
        .where(versions.c.alert_id == thinning.alert_id)
    )
    for number, kind, body in conn.execute(messages).all():
        values: dict[str, Any] = {"body": thinning.sealed_anew(body)}
        if spoken and kind in _TELLING:  # a digest would let a guess at a short text be tested
            values = {"body": None, "digest": ""}
        _set(conn, renditions, {"id": number}, values)
    signed = (
        select(documents.c.dispatch_id, dispatches.c.kind, documents.c.body)
        .join(dispatches, dispatches.c.id == documents.c.dispatch_id)
        .where(dispatches.c.alert_id == thinning.alert_id)
    )
    for number, kind, body in conn.execute(signed).all():
        kept = None if spoken and kind in _TELLING else thinning.sealed_anew(body)
        _set(conn, documents, {"dispatch_id": number}, {"body": kept})


def _seal_texts(conn: Connection, thinning: _Thinning) -> list[str]:
    """Empty the texts of the record that may tell of it; gives their names."""
    dropped: set[str] = set()
    texts = (
        select(audit_texts.c.seq, audit_texts.c.name, audit_texts.c.text)
        .join(audit, audit.c.seq == audit_texts.c.seq)
        .where(audit.c.alert_id == thinning.alert_id, audit_texts.c.text.is_not(None))
    )
    for seq, name, text in conn.execute(texts).all():
        drops = thinning.drops_text(name)
        kept = None if drops else thinning.sealed_anew(text)
        _set(conn, audit_texts, {"seq": seq, "name": name}, {"text": kept})
        dropped |= {name} if drops else set()
    return sorted(dropped)


def _forget_traces(conn: Connection, alert_id: str) -> None:
    own = select(versions.c.id).where(versions.c.alert_id == alert_id)
    conn.execute(delete(fingerprints).where(fingerprints.c.version_id.in_(own)))
    conn.execute(delete(idempotency_keys).where(idempotency_keys.c.alert_id == alert_id))


def _set(conn: Connection, table: Table, row: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    which = and_(*(table.c[name] == value for name, value in row.items()))
    conn.execute(update(table).where(which).values(**values))
