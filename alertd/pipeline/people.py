"""How officials are reached."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select

from alertd.store.schema import addresses, person_addresses, person_roles, persons

CHANNELS = ("sms", "email")


@dataclass(frozen=True, slots=True)
class Addressee:
    """One address of one person."""

    person_id: int
    address_id: int
    language: str


_REACH = (
    select(persons.c.id, addresses.c.id, persons.c.language)
    .join(person_addresses, person_addresses.c.person_id == persons.c.id)
    .join(addresses, addresses.c.id == person_addresses.c.address_id)
    .where(persons.c.disabled_at.is_(None), addresses.c.channel.in_(CHANNELS))
    .order_by(persons.c.id, addresses.c.id)
)


def addressees(conn: Connection, people: Collection[int]) -> list[Addressee]:
    """Give every address of these persons."""
    rows = conn.execute(_REACH.where(persons.c.id.in_(people)))
    return [Addressee(*row) for row in rows]


def able(
    conn: Connection, role: str, *, deputies: bool, besides: Collection[int]
) -> list[Addressee]:
    """Give how to reach the persons who can fill `role`, the deputies only in their turn.

    Where nobody but deputies can, they are asked at once rather than nobody.
    """
    query = (
        _REACH.add_columns(person_roles.c.deputy)
        .join(person_roles, person_roles.c.person_id == persons.c.id)
        .where(person_roles.c.role == role, persons.c.id.not_in(besides))
    )
    rows = conn.execute(query).all()
    found = {deputy: [Addressee(*row[:3]) for row in rows if row[3] == deputy] for deputy in (0, 1)}
    return found[1] if deputies else found[0] or found[1]
