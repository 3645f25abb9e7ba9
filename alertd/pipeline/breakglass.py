"""That somebody went around the second administrator: marked, so that it alarms for a day."""

from datetime import datetime

from sqlalchemy import Connection

from alertd.pipeline.marked import mark, marked_at
from alertd.pipeline.record import Entry, record
from alertd.tools import CONSOLE

_MARK = "glass_broken"


def break_glass(conn: Connection, person_id: int, reason: str, at: datetime) -> None:
    """Put on record that the command line entered an administrator beside the two."""
    said = {"person": person_id, "reason": reason}
    record(conn, Entry(CONSOLE.label, "glass.broken", data=said), at=at)
    mark(conn, _MARK, at)


def broken_at(conn: Connection, now: datetime) -> datetime | None:
    """Give when it was last done, if that is less than a day ago."""
    return marked_at(conn, _MARK, now)
