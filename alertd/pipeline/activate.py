"""Puts an approved version in force, in the transaction of its last approval."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from alertd.core.cap import date_time, message_identifier
from alertd.core.lifecycle import Move
from alertd.core.rendition import Kind
from alertd.pipeline.dispatch import Dispatch, open_dispatch, stop
from alertd.pipeline.record import Entry
from alertd.pipeline.versions import Version, advance, close, live
from alertd.store.schema import dispatches
from alertd.tools import ALERTD

ENDS = (Kind.END, Kind.CORRECTION, Kind.EXPIRY)
PUBLIC = (Kind.ALERT, Kind.UPDATE, *ENDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message of a version: itself, its end for a reason, its expiry."""

    kind: Kind
    variant: str = ""
    deadline_at: datetime
    occurrence: int = 0
    channels: Sequence[str] | None = None  # None: every one that was rendered
    classes: Sequence[str] | None = None  # of recipients; None: all


def activate(conn: Connection, version: Version, *, sender: str, at: datetime) -> list[Entry]:
    """Move a version to ACTIVE in place of the live one; gives the audit entries to record.

    `sent_at` is set here, once: nothing ever moves a version to ACTIVE again.
    """
    entries = []
    if (older := live(conn, version.alert_id)) is not None:
        close(conn, older, Move.SUPERSEDE, reason="superseded", at=at)
        said = {"version": older.number, "by": version.number}
        entries.append(Entry(ALERTD, "alert.superseded", version.alert_id, said))
    # An end too, where it was wrong: who has not heard of it yet must not hear of it after this.
    stop(conn, version.alert_id, at, kinds=PUBLIC)
    advance(conn, version, Move.ACTIVATE, sent_at=at)
    outgoing = Outgoing(kind=version.kind, deadline_at=version.expires_at)
    dispatch(conn, version, outgoing, sender=sender, at=at)
    activated = {
        "version": version.number,
        "identifier": version.identifier,
        "digest": version.digest,
    }
    entries.append(Entry(ALERTD, "alert.activated", version.alert_id, activated))
    return entries


def dispatch(
    conn: Connection, version: Version, outgoing: Outgoing, *, sender: str, at: datetime
) -> int:
    """Open the dispatch of a message whose renditions were approved with its version."""
    identifier = message_identifier(version.identifier or "", outgoing.kind)
    return open_dispatch(
        conn,
        Dispatch(
            alert_id=version.alert_id,
            version_id=version.id,
            kind=outgoing.kind,
            variant=outgoing.variant,
            occurrence=outgoing.occurrence,
            identifier=identifier,
            exercise=version.exercise,
            sent_at=at,
            deadline_at=outgoing.deadline_at,
            references=references(conn, version, sender=sender, at=at),
            channels=outgoing.channels,
            classes=outgoing.classes,
            tell_opted_out=version.rules.tell_opted_out and outgoing.kind in ENDS,
        ),
    )


def references(conn: Connection, version: Version, *, sender: str, at: datetime) -> str:
    """Give CAP's `sender,identifier,sent` of all earlier messages that are not yet expired.

    Those of the version itself count even when it expires this moment; where all have expired,
    the last one is named all the same, for an update has to follow something.
    """
    zone = ZoneInfo(version.rules.authority_timezone)
    query = (
        select(dispatches)
        .where(
            dispatches.c.alert_id == version.alert_id,
            dispatches.c.kind.in_(PUBLIC),
            dispatches.c.occurrence == 0,
        )
        .order_by(dispatches.c.sent_at, dispatches.c.id)
    )
    earlier = conn.execute(query).all()
    standing = [row for row in earlier if row.deadline_at > at or row.version_id == version.id]
    return " ".join(
        f"{sender},{row.identifier},{date_time(row.sent_at.astimezone(zone))}"
        for row in standing or earlier[-1:]
    )
