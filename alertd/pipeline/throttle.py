"""Slows down whoever guesses: failures by source, each source under a keyed hash."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from alertd.core.errors import NotAllowed
from alertd.store.schema.accounts import attempts
from alertd.vault import Master

WINDOW = timedelta(minutes=15)


class TooManyTries(NotAllowed):
    """Too many failures from here; `until` says when the next try is read."""

    def __init__(self, until: datetime) -> None:
        self.until = until
        super().__init__("too many tries; wait")


@dataclass(frozen=True, slots=True)
class Source:
    """One thing that failures are counted by, and how many are borne."""

    key: str
    limit: int


def of_sign_in(master: Master, name: str, network: str) -> list[Source]:
    """Count by name and network together, so that a stranger cannot lock a person out."""
    name = name.strip().casefold()
    return [
        Source(master.mac("throttle", f"pair\n{name}\n{network}"), 5),
        Source(master.mac("throttle", f"name\n{name}"), 50),
        Source(master.mac("throttle", f"network\n{network}"), 50),
    ]


def of_factor(master: Master, person_id: int) -> list[Source]:
    return [Source(master.mac("throttle", f"factor\n{person_id}"), 5)]


def refuse(conn: Connection, sources: Sequence[Source], now: datetime) -> None:
    """Raise TooManyTries when one of `sources` has failed too often lately."""
    limits = {source.key: source.limit for source in sources}
    query = select(attempts).where(attempts.c.source.in_(limits), attempts.c.since > now - WINDOW)
    full = [row.since for row in conn.execute(query) if row.failures >= limits[row.source]]
    if full:
        raise TooManyTries(max(full) + WINDOW)


def failed(conn: Connection, sources: Sequence[Source], now: datetime) -> None:
    """Count a failure; the last that is borne begins the wait."""
    for source in sources:
        query = select(attempts).where(attempts.c.source == source.key).with_for_update()
        row = conn.execute(query).one_or_none()
        if row is None:
            conn.execute(insert(attempts).values(source=source.key, since=now, failures=1))
            continue
        count = row.failures + 1 if row.since > now - WINDOW else 1
        begun = now if count in {1, source.limit} else row.since
        changed = update(attempts).where(attempts.c.source == source.key)
        conn.execute(changed.values(since=begun, failures=count))


def succeeded(conn: Connection, sources: Sequence[Source]) -> None:
    keys = [source.key for source in sources]
    conn.execute(delete(attempts).where(attempts.c.source.in_(keys)))
