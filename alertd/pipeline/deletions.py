"""The record of what is gone for good: it stays, and names nobody."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Exists,
    RowMapping,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
)

from alertd.core.retention import Ground, What
from alertd.store.schema import alerts, deletions, versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """Some of an alert that was purged; `count` tells how much there was."""

    alert_id: str
    what: What
    ground: Ground
    by: str
    count: int


def note_deletion(conn: Connection, deletion: Deletion, *, at: datetime) -> None:
    conn.execute(insert(deletions).values(**asdict(deletion), at=at))


def is_noted(conn: Connection, alert_id: str, what: What) -> bool:
    return bool(conn.scalar(select(_noted(literal(alert_id), {what}))))


def find_due(conn: Connection, what: What, closed_before: datetime) -> list[str]:
    """Name the alerts whose versions all closed before that instant, and that still have it.

    What was purged as a whole has nothing more to lose than the addresses of those it reached.
    """
    over = {what} if what is What.ADDRESS else {what, What.ALERT}
    query = (
        select(alerts.c.id)
        .join(versions, versions.c.alert_id == alerts.c.id)
        .where(~_noted(alerts.c.id, over))
        .group_by(alerts.c.id)
        .having(
            func.max(versions.c.closed_at) < closed_before,
            func.count() == func.count(versions.c.closed_at),
        )
        .order_by(alerts.c.id)
    )
    return list(conn.scalars(query))


def _noted(alert_id: ColumnElement[str], what: Collection[What]) -> Exists:
    """Tell whether it was purged since the alert was last over: a wrong end can be undone."""
    later = versions.alias("later")
    since = exists().where(
        later.c.alert_id == deletions.c.alert_id,
        or_(later.c.closed_at.is_(None), later.c.closed_at > deletions.c.at),
    )
    return exists().where(deletions.c.alert_id == alert_id, deletions.c.what.in_(what), ~since)


def read_deletions(
    conn: Connection, *, alert_id: str | None, after: int, limit: int
) -> list[RowMapping]:
    """Give what was purged, in the order in which it was; of one alert, when named."""
    query = select(deletions).where(deletions.c.id > after).order_by(deletions.c.id).limit(limit)
    if alert_id is not None:
        query = query.where(deletions.c.alert_id == alert_id)
    return list(conn.execute(query).mappings())
