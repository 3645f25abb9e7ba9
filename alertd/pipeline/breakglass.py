"""That somebody went around the second administrator: marked, so that it alarms for a day."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from alertd.pipeline.record import Entry, record
from alertd.store.schema import from_micros, marks, to_micros
from alertd.tools import CONSOLE

_MARK = "glass_broken"
ALARMED = timedelta(days=1)


def break_glass(conn: Connection, person_id: int, reason: str, at: datetime) -> None:
    """Put on record that the command line entered an administrator beside the two."""
    said = {"person": person_id, "reason": reason}
    record(conn, Entry(CONSOLE.label, "glass.broken", data=said), at=at)
    conn.execute(delete(marks).where(marks.c.name == _MARK))
    conn.execute(insert(marks).values(name=_MARK, value=str(to_micros(at))))


def broken_at(conn: Connection, now: datetime) -> datetime | None:
    """Give when it was last done, if that is less than a day ago."""
    value = conn.scalar(select(marks.c.value).where(marks.c.name == _MARK))
    at = from_micros(int(value)) if value is not None else None
    return at if at is not None and at > now - ALARMED else None
