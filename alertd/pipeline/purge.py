"""Forgets an alert: its key is destroyed, and what it sealed is gone from every copy.

What stays is what accounts for it: who did what and when, and every delivery by number.
"""

from datetime import datetime

import structlog
from sqlalchemy import Connection, delete, exists, or_, select, update

from alertd.core.delivery import State
from alertd.core.errors import Conflict, NotFound
from alertd.core.retention import Ground, What
from alertd.pipeline import formdrafts, photos
from alertd.pipeline.auditor import ALERT_PURGED
from alertd.pipeline.deletions import Deletion, note_deletion
from alertd.pipeline.record import Entry, record
from alertd.pipeline.retired import destroy_retired
from alertd.pipeline.versions import OPEN
from alertd.store.schema import (
    alerts,
    audit,
    audit_texts,
    deliveries,
    dispatches,
    documents,
    fingerprints,
    idempotency_keys,
    renditions,
    versions,
)
from alertd.tools import Tools

log = structlog.get_logger()

LIVING = (*OPEN, "active")
UNDER_WAY = (State.QUEUED, State.LEASED)


async def purge(tools: Tools, alert_id: str, *, by: str, ground: Ground) -> None:
    """Forget what an alert said; again changes nothing.

    Raises Conflict while a version lives or a message is still under way. The entry that tells
    of it comes first and the key goes last: after a crash between, `finish_purges` ends it.
    """
    key_id = await tools.store.write(forget, alert_id, by=by, ground=ground, at=tools.clock())
    await tools.vault.destroy(key_id)
    await destroy_retired(tools)
    await formdrafts.forget_of_alert(tools, alert_id)
    log.info("alert.purged", alert_id=alert_id, ground=ground)


async def finish_purges(tools: Tools) -> None:
    """Destroy the keys of purged alerts that a crash has left."""
    left = await tools.vault.ids()
    for key_id in await tools.store.read(_purged_keys):
        if key_id in left:
            await tools.vault.destroy(key_id)
            log.warning("alert.purge_finished")
    await destroy_retired(tools)


def forget(conn: Connection, alert_id: str, *, by: str, ground: Ground, at: datetime) -> str:
    """Empty what was sealed for an alert and say so in the audit log; gives its key's id."""
    found = conn.execute(
        select(alerts.c.key_id, alerts.c.purged_at).where(alerts.c.id == alert_id).with_for_update()
    ).one_or_none()
    if found is None:
        raise NotFound(f"there is no alert {alert_id}")
    if found.purged_at is None:
        refuse_living(conn, alert_id)
        _empty(conn, alert_id, at)
        conn.execute(update(alerts).where(alerts.c.id == alert_id).values(purged_at=at))
        deletion = Deletion(alert_id=alert_id, what=What.ALERT, ground=ground, by=by, count=1)
        note_deletion(conn, deletion, at=at)
        record(conn, Entry(by, ALERT_PURGED, alert_id, {"ground": ground}), at=at)
    key_id: str = found.key_id
    return key_id


def refuse_living(conn: Connection, alert_id: str) -> None:
    """Raise Conflict while a version lives or a message is still under way."""
    refuse_open(conn, alert_id)
    under_way = (
        select(deliveries.c.id)
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .where(dispatches.c.alert_id == alert_id, deliveries.c.state.in_(UNDER_WAY))
    )
    to_expand = select(dispatches.c.id).where(
        dispatches.c.alert_id == alert_id,
        dispatches.c.expanded_at.is_(None),
        dispatches.c.stopped_at.is_(None),
    )
    if conn.scalar(select(or_(exists(under_way), exists(to_expand)))):
        raise Conflict("messages about this alert are still under way: purge it when they are done")


def refuse_open(conn: Connection, alert_id: str) -> None:
    """Raise Conflict while a version lives."""
    living = select(versions.c.state).where(
        versions.c.alert_id == alert_id, versions.c.state.in_(LIVING)
    )
    if state := conn.scalar(living.limit(1)):
        raise Conflict(f"a version of this alert is {state}: end or reject it before a purge")


def _empty(conn: Connection, alert_id: str, at: datetime) -> None:
    own_versions = select(versions.c.id).where(versions.c.alert_id == alert_id)
    own_entries = select(audit.c.seq).where(audit.c.alert_id == alert_id)
    conn.execute(update(versions).where(versions.c.alert_id == alert_id).values(facts=None))
    # A short text can be guessed from its digest; the digest over all of them stays.
    conn.execute(
        update(renditions)
        .where(renditions.c.version_id.in_(own_versions))
        .values(body=None, digest="")
    )
    own_dispatches = select(dispatches.c.id).where(dispatches.c.alert_id == alert_id)
    conn.execute(
        update(documents).where(documents.c.dispatch_id.in_(own_dispatches)).values(body=None)
    )
    conn.execute(update(audit_texts).where(audit_texts.c.seq.in_(own_entries)).values(text=None))
    photos.forget_of_alert(conn, alert_id, at=at)
    conn.execute(delete(fingerprints).where(fingerprints.c.version_id.in_(own_versions)))
    conn.execute(delete(idempotency_keys).where(idempotency_keys.c.alert_id == alert_id))


def _purged_keys(conn: Connection) -> list[str]:
    return list(conn.scalars(select(alerts.c.key_id).where(alerts.c.purged_at.is_not(None))))
