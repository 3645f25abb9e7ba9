"""What an alert has had before the public, since when it is over, and when it was seen gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, insert, select
from sqlalchemy.exc import IntegrityError

from alertd.core.lifecycle import VersionState
from alertd.pipeline.record import Entry, record
from alertd.store.schema import photos, takedowns, versions
from alertd.tools import ALERTD

SEEN = "takedown.seen"
_OVER = (VersionState.ENDED, VersionState.CANCELLED, VersionState.EXPIRED)


class What(StrEnum):
    FEED = "feed entry"
    PAGE = "page"  # in every language
    CAP = "CAP document"
    PHOTO = "photo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """One public thing of an alert; `over_at` is None while the alert lives."""

    alert_id: str
    version_id: int  # the last one that went out: what comes back by a new one is watched anew
    what: What
    name: str = ""  # a CAP document's identifier, a photo's number
    over_at: datetime | None
    gone_at: datetime | None = None  # when it was seen to be gone

    @property
    def key(self) -> tuple[str, str]:
        return self.what, self.name


def of_alert(conn: Connection, alert_id: str) -> list[Surface]:
    """Give everything that an alert has had before the public."""
    query = select(versions).where(versions.c.alert_id == alert_id, versions.c.sent_at.is_not(None))
    sent = conn.execute(query.order_by(versions.c.number)).mappings().all()
    if not sent:
        return []
    version_id, over_at = sent[-1]["id"], _over_at(sent)
    seen = select(takedowns).where(takedowns.c.version_id == version_id)
    gone = {(row.what, row.name): row.gone_at for row in conn.execute(seen)}
    named = [(What.FEED, ""), (What.PAGE, "")]
    named += [(What.CAP, row["identifier"]) for row in sent]
    shown = select(photos.c.id).where(photos.c.alert_id == alert_id).order_by(photos.c.id)
    named += [(What.PHOTO, str(number)) for number in conn.scalars(shown)]
    return [
        Surface(
            alert_id=alert_id,
            version_id=version_id,
            what=what,
            name=name,
            over_at=over_at,
            gone_at=gone.get((what, name)) if over_at else None,
        )
        for what, name in named
    ]


def unseen(conn: Connection, since: datetime) -> list[Surface]:
    """Give what of alerts that were over since then was not yet seen to be gone."""
    query = select(versions.c.alert_id).where(
        versions.c.sent_at.is_not(None), versions.c.closed_at > since, versions.c.state.in_(_OVER)
    )
    return [
        surface
        for alert_id in conn.scalars(query.distinct().order_by(versions.c.alert_id))
        for surface in of_alert(conn, alert_id)
        if surface.over_at is not None and surface.gone_at is None
    ]


def note_gone(conn: Connection, surface: Surface, at: datetime) -> None:
    """Note that it was seen to be gone; with the last one of an alert it goes on record."""
    row = {"version_id": surface.version_id, "what": surface.what, "name": surface.name}
    try:
        with conn.begin_nested():
            conn.execute(insert(takedowns).values(**row, gone_at=at))
    except IntegrityError:  # another node saw it too
        return
    every = of_alert(conn, surface.alert_id)
    if all(each.gone_at for each in every):
        said = {"surfaces": len(every)}
        record(conn, Entry(ALERTD, SEEN, surface.alert_id, said), at=at)


def _over_at(sent: Sequence[RowMapping]) -> datetime | None:
    if any(row["state"] == VersionState.ACTIVE for row in sent):
        return None
    over: datetime = max(row["closed_at"] for row in sent)
    return over
