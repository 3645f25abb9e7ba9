"""Enters recipients in batches: one transaction, a handful of statements, whatever the size."""

import secrets
from base64 import b64encode
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from alertd.core.errors import Problem
from alertd.pipeline.record import Entry, record
from alertd.pipeline.turns import Turn, take_turn
from alertd.store.schema import addresses, recipient_regions, recipients
from alertd.vault import Master

SIGNED = "webhook"  # the channel whose every address has a secret of its own
SECRET_BYTES = 32  # Standard Webhooks wants 24 to 64

_CHANGEABLE = ("recipient_class", "language", "exercise", "consent", "consent_at")


class Outcome(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A recipient ready to be entered, the address in its one spelling."""

    channel: str
    address: str = field(repr=False)
    lane: str
    label: str = field(repr=False)
    recipient_class: str
    language: str
    regions: frozenset[str]
    exercise: bool
    consent: str
    consent_at: datetime

    def values(self) -> dict[str, object]:
        """Give what an import may change of a recipient that is known."""
        return {name: getattr(self, name) for name in _CHANGEABLE}


@dataclass(slots=True, kw_only=True)
class Entered:
    """What came of one entrant."""

    entrant: Entrant
    outcome: Outcome
    address_id: int
    recipient_id: int = 0  # none when refused
    secret: str = field(default="", repr=False)  # of a new address; shown this once
    problem: Problem | None = None
    returns: bool = False  # an address that was suppressed, by a newer consent


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """An address as it stands."""

    id: int
    suppressed_at: datetime | None = None
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A recipient as it stands."""

    id: int
    ended_at: datetime | None
    values: dict[str, object]
    regions: frozenset[str]


def enter(
    conn: Connection, batch: Sequence[Entrant], *, master: Master, actor: str, at: datetime
) -> list[Entered]:
    """Enter `batch` and give what came of each, in its order.

    Who is known by address and label is brought up to date, so that a file can be imported
    again. Whoever left comes back only by a consent given after that.
    """
    take_turn(conn, Turn.ENROLMENT)
    places = _places(conn, batch, master, at)
    known = _known(conn, {place.id for place in places.values()})
    results = []
    seen: set[tuple[int, str]] = set()
    for entrant in batch:
        place = places[entrant.channel, entrant.address]
        name = (place.id, entrant.label)
        results.append(_judge(entrant, place, known.get(name), twice=name in seen))
        seen.add(name)
    _write(conn, results, at)
    counts = Counter(result.outcome.value for result in results)
    record(conn, Entry(actor, "recipients.entered", data=dict(counts)), at=at)
    return results


def _judge(entrant: Entrant, place: _Place, known: _Known | None, *, twice: bool) -> Entered:
    result = Entered(
        entrant=entrant, outcome=Outcome.ADDED, address_id=place.id, secret=place.secret
    )
    times = (place.suppressed_at, known.ended_at if known else None)
    left = max((at for at in times if at is not None), default=None)
    if twice:
        result.outcome = Outcome.REFUSED
        result.problem = Problem("label", "stands here twice with the same address")
    elif left is not None and entrant.consent_at <= left:
        result.outcome = Outcome.REFUSED
        result.problem = Problem("consent_at", "is older than the end of this subscription")
    elif known is not None:
        same = known.values == entrant.values() and known.regions == entrant.regions
        unchanged = same and left is None
        result.outcome = Outcome.UNCHANGED if unchanged else Outcome.CHANGED
        result.recipient_id = known.id
    result.returns = place.suppressed_at is not None and result.problem is None
    return result


def _places(
    conn: Connection, batch: Sequence[Entrant], master: Master, at: datetime
) -> dict[tuple[str, str], _Place]:
    """Give the address rows of `batch`, made where they were missing."""
    wanted = {(each.channel, each.address): each.lane for each in batch}
    places = {}
    for channel in {each.channel for each in batch}:
        query = select(addresses.c.address, addresses.c.id, addresses.c.suppressed_at).where(
            addresses.c.channel == channel,
            addresses.c.address.in_([address for named, address in wanted if named == channel]),
        )
        for address, id_, suppressed_at in conn.execute(query):
            places[channel, address] = _Place(id=id_, suppressed_at=suppressed_at)
    shown = {name: _secret() for name in wanted if name not in places and name[0] == SIGNED}
    rows = [
        {
            "channel": channel,
            "address": address,
            "lane": lane,
            "secret": master.seal(shown[name].encode()) if name in shown else None,
            "created_at": at,
        }
        for name, lane in wanted.items()
        if name not in places
        for channel, address in [name]
    ]
    if rows:
        made = insert(addresses).returning(addresses.c.channel, addresses.c.address, addresses.c.id)
        for channel, address, id_ in conn.execute(made, rows):
            places[channel, address] = _Place(id=id_, secret=shown.get((channel, address), ""))
    return places


def _secret() -> str:
    return f"whsec_{b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def _known(conn: Connection, address_ids: Collection[int]) -> dict[tuple[int, str], _Known]:
    """Give who is known at these addresses; of several of one label, the newest."""
    mine = recipients.c.address_id.in_(address_ids)
    regions: dict[int, set[str]] = {}
    query = (
        select(recipient_regions.c.recipient_id, recipient_regions.c.region)
        .join(recipients, recipients.c.id == recipient_regions.c.recipient_id)
        .where(mine)
    )
    for recipient_id, region in conn.execute(query):
        regions.setdefault(recipient_id, set()).add(region)
    rows: Iterable[Row[Any]] = conn.execute(
        select(recipients).where(mine).order_by(recipients.c.id)
    )
    return {
        (row.address_id, row.label): _Known(
            id=row.id,
            ended_at=row.ended_at,
            values={name: getattr(row, name) for name in _CHANGEABLE},
            regions=frozenset(regions.get(row.id, ())),
        )
        for row in rows
    }


def _write(conn: Connection, results: Sequence[Entered], at: datetime) -> None:
    added = [result for result in results if result.outcome is Outcome.ADDED]
    changed = [result for result in results if result.outcome is Outcome.CHANGED]
    if added:
        _insert(conn, added, at)
    if changed:
        _update(conn, changed)
    if rows := [
        {"recipient_id": result.recipient_id, "region": region}
        for result in added + changed
        for region in sorted(result.entrant.regions)
    ]:
        conn.execute(insert(recipient_regions), rows)
    if back := [result.address_id for result in results if result.returns]:
        conn.execute(
            update(addresses)
            .where(addresses.c.id.in_(back))
            .values(suppressed_at=None, suppressed_reason=None)
        )


def _insert(conn: Connection, added: Sequence[Entered], at: datetime) -> None:
    statement = insert(recipients).returning(recipients.c.id, sort_by_parameter_order=True)
    rows = [
        {
            "address_id": result.address_id,
            "label": result.entrant.label,
            "created_at": at,
            **result.entrant.values(),
        }
        for result in added
    ]
    for result, id_ in zip(added, conn.scalars(statement, rows), strict=True):
        result.recipient_id = id_


def _update(conn: Connection, changed: Sequence[Entered]) -> None:
    names: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _CHANGEABLE}
    statement = (
        update(recipients)
        .where(recipients.c.id == bindparam("this"))
        .values(ended_at=None, **names)
    )
    conn.execute(
        statement,
        [
            {"this": each.recipient_id}
            | {f"new_{name}": value for name, value in each.entrant.values().items()}
            for each in changed
        ],
    )
    conn.execute(
        delete(recipient_regions).where(
            recipient_regions.c.recipient_id.in_([each.recipient_id for each in changed])
        )
    )
