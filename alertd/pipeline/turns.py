"""Lets one transaction at a time through where two must see each other's work."""

from enum import StrEnum

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from alertd.store.schema import marks


class Turn(StrEnum):
    SUBMISSION = "turn_submission"  # two alerts of the same child, one request sent twice
    ENROLMENT = "turn_enrolment"  # one address entered twice


def take_turn(conn: Connection, turn: Turn) -> None:
    """Wait until nobody else has this turn, and keep it until the transaction ends."""
    query = select(marks.c.value).where(marks.c.name == turn).with_for_update()
    if conn.scalar(query) is None:
        try:
            with conn.begin_nested():
                conn.execute(insert(marks).values(name=turn, value=""))
        except IntegrityError:  # another one made it meanwhile: wait for that
            conn.scalar(query)
