"""What happened once and is an alarm for a day: marked, so that it need not be searched for."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from alertd.store.schema import from_micros, marks, to_micros

ALARMED = timedelta(days=1)


def mark(conn: Connection, name: str, at: datetime) -> None:
    conn.execute(delete(marks).where(marks.c.name == name))
    conn.execute(insert(marks).values(name=name, value=str(to_micros(at))))


def marked_at(conn: Connection, name: str, now: datetime) -> datetime | None:
    """Give when it was last marked, if that is less than a day ago."""
    value = conn.scalar(select(marks.c.value).where(marks.c.name == name))
    at = from_micros(int(value)) if value is not None else None
    return at if at is not None and at > now - ALARMED else None
