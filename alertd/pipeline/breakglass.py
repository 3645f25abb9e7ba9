"""That somebody went around the two administrators: marked, so that it alarms for a day."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from alertd.core.errors import Refused
from alertd.pipeline.accountchanges import administrators
from alertd.pipeline.marked import mark, marked_at
from alertd.pipeline.record import Entry, record
from alertd.tools import CONSOLE

_FIRST = 2


class Act(StrEnum):
    """What the command line did; the name of its mark and its alarm."""

    ENTERED = "glass_broken"  # an administrator was
    GIVEN = "glass_token"  # a token was


def around(conn: Connection, reason: str | None) -> str | None:
    """Give the reason where there are two administrators to go around; raises Refused if none."""
    there = len(administrators(conn))
    if there < _FIRST:
        return None
    if not reason:
        raise Refused(
            f"there are {there} administrators: let them do it at the console,"
            " or say why they cannot: --break-glass REASON"
        )
    return reason


def break_glass(conn: Connection, act: Act, person_id: int, reason: str, at: datetime) -> None:
    """Put on record what the command line did for a person beside the two administrators."""
    said = {"person": person_id, "reason": reason}
    record(conn, Entry(CONSOLE.label, act.replace("_", "."), data=said), at=at)
    mark(conn, act, at)


def broken_at(conn: Connection, act: Act, now: datetime) -> datetime | None:
    """Give when it was last done, if that is less than a day ago."""
    return marked_at(conn, act, now)
