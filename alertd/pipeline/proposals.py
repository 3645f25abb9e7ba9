"""What the files of rule sets propose and nobody has confirmed: kept, so that it is not forgotten.

The process that started last says what is proposed; a programme that is over is kept here too.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from alertd.rulebook import Key
from alertd.store.schema import from_micros, marks, to_micros

REMOVAL = 0  # the version of a proposal to end a programme
_OPEN = "rules_open"
_RETIRED = "rules_retired"


@dataclass(frozen=True, slots=True, order=True)
class Proposal:
    """A version that is to come in force, or a programme that is to end."""

    programme: str
    version: int
    since: datetime

    @property
    def is_removal(self) -> bool:
        return self.version == REMOVAL

    @property
    def name(self) -> str:
        return self.programme if self.is_removal else f"{self.programme} {self.version}"


def open_proposals(conn: Connection) -> list[Proposal]:
    """Give what waits for two administrators, and since when."""
    return [
        Proposal(name, version, from_micros(since)) for name, version, since in _read(conn, _OPEN)
    ]


def propose(conn: Connection, keys: Collection[Key], at: datetime) -> list[Key]:
    """Keep exactly these as what is proposed, and give which of them are new."""
    known = {(each.programme, each.version): each.since for each in open_proposals(conn)}
    _write(conn, _OPEN, [(*key, to_micros(known.get(key, at))) for key in sorted(keys)])
    return sorted(set(keys) - known.keys())


def decided(conn: Connection, programme: str, version: int) -> None:
    """Let nobody be reminded of this proposal, nor of older ones, any more."""
    left = [
        (each.programme, each.version, to_micros(each.since))
        for each in open_proposals(conn)
        if each.programme != programme or each.version > version
    ]
    _write(conn, _OPEN, left)


def retired(conn: Connection) -> set[str]:
    """Give the programmes that were ended by two administrators."""
    return set(_read(conn, _RETIRED))


def retire(conn: Connection, programme: str, *, over: bool) -> None:
    """End a programme, or let it begin again."""
    known = retired(conn)
    _write(conn, _RETIRED, sorted(known | {programme} if over else known - {programme}))


def _read(conn: Connection, name: str) -> list[Any]:
    value = conn.scalar(select(marks.c.value).where(marks.c.name == name))
    return json.loads(value) if value else []


def _write(conn: Connection, name: str, value: list[Any]) -> None:
    conn.execute(delete(marks).where(marks.c.name == name))
    if value:
        conn.execute(insert(marks).values(name=name, value=json.dumps(value)))
