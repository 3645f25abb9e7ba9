"""Officials: who they are, what they may do, and the tokens that they come with."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic_core import PydanticCustomError
from sqlalchemy import Connection, delete, insert, select, update

from alertd.core.errors import Conflict, InvalidAlert, NotAllowed, NotFound, Problem, Undeliverable
from alertd.core.text import language_tag, name_of_someone
from alertd.pipeline import jurisdiction
from alertd.pipeline.record import Entry, record
from alertd.pipeline.turns import Turn, take_turn
from alertd.store.schema import addresses, person_addresses, person_roles, persons, tokens
from alertd.tools import Actor, Tools

PREFIX = "alertd_"
TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPerson:
    """An official to be entered."""

    name: str
    language: str
    roles: Mapping[str, bool]  # to whether as a deputy, asked only after the others
    addresses: Sequence[tuple[str, str]] = field(default=(), repr=False)  # channel and address


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A new token; its text is shown this once and never stored."""

    token_id: int
    token: str = field(repr=False)
    expires_at: datetime


async def create(tools: Tools, actor: Actor, person: NewPerson) -> int:
    """Enter an official and give the number that separation of duties goes by."""
    actor.require("operator")
    if problems := [*_faults(person), *_unreachable(tools, person.addresses)]:
        raise InvalidAlert(problems)
    reach = reached_by(tools, person.addresses)
    return await tools.store.write(add, actor, person, reach, tools.clock())


def reached_by(tools: Tools, found: Sequence[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Give channel, address in its one spelling, and lane of each; raises InvalidAlert."""
    if problems := _unreachable(tools, found):
        raise InvalidAlert(problems)
    return [(channel, *_spelled(tools, channel, address)) for channel, address in found]


async def disable(tools: Tools, actor: Actor, person_id: int) -> None:
    """Take all rights from a person; what they did stays theirs."""
    actor.require("operator")
    await tools.store.write(take_rights, actor, person_id, tools.clock())


async def mint(
    tools: Tools, actor: Actor, person_id: int, *, label: str, lifetime: timedelta
) -> Minted:
    """Make a bearer token for a person."""
    actor.require("operator")
    now = tools.clock()
    token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    expires_at = now + lifetime
    row = {
        "person_id": person_id,
        "digest": token_digest(token),
        "label": label,
        "created_at": now,
        "expires_at": expires_at,
    }
    token_id = await tools.store.write(keep_token, actor, row, now)
    return Minted(token_id=token_id, token=token, expires_at=expires_at)


async def revoke(tools: Tools, actor: Actor, token_id: int) -> None:
    """Make a token worthless from now on; doing so again changes nothing."""
    actor.require("operator")
    await tools.store.write(end_token, actor, token_id, tools.clock())


async def authenticate(tools: Tools, token: str) -> Actor:
    """Give whose token this is; raises NotAllowed for one that is unknown, revoked or expired."""
    found = await tools.store.read(_bearer, token_digest(token), tools.clock())
    if found is None:
        raise NotAllowed("this token is unknown, revoked or expired")
    return found


def token_digest(token: str) -> str:
    # 256 random bits need no slow hash; by its digest a token is found without comparing secrets.
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def _faults(person: NewPerson) -> list[Problem]:
    problems = []
    for name, check, text in (
        ("name", name_of_someone, person.name),
        ("language", language_tag, person.language),
    ):
        try:
            check(text)
        except PydanticCustomError as error:
            problems.append(Problem(name, error.message()))
    if not person.roles:
        problems.append(Problem("roles", "needs at least 1"))
    return problems


def _unreachable(tools: Tools, found: Sequence[tuple[str, str]]) -> list[Problem]:
    problems = []
    for place, (channel, address) in enumerate(found):
        if channel not in tools.channels:
            known = ", ".join(sorted(tools.channels))
            problems.append(Problem(f"addresses.{place}", f"no such channel; choose of: {known}"))
            continue
        try:
            _spelled(tools, channel, address)
        except Undeliverable:
            problems.append(Problem(f"addresses.{place}", f"is no address of {channel}"))
    return problems


def _spelled(tools: Tools, channel: str, address: str) -> tuple[str, str]:
    """Give an address in its one spelling, and its lane."""
    spelled = tools.channels[channel].normalize(address)
    return spelled, tools.channels[channel].lane(spelled)


def add(
    conn: Connection,
    actor: Actor,
    person: NewPerson,
    reach: Sequence[tuple[str, str, str]],
    at: datetime,
) -> int:
    take_turn(conn, Turn.ENROLMENT)
    if conn.scalar(select(persons.c.id).where(persons.c.name == person.name.strip())):
        raise Conflict("there is a person of this name already: names tell people apart")
    person_id: int = conn.execute(
        insert(persons)
        .values(name=person.name.strip(), language=person.language, created_at=at)
        .returning(persons.c.id)
    ).scalar_one()
    conn.execute(
        insert(person_roles),
        [
            {"person_id": person_id, "role": role, "deputy": deputy}
            for role, deputy in sorted(person.roles.items())
        ],
    )
    _reach(conn, person_id, reach, at)
    said = {"person": person_id, "name": person.name.strip(), "roles": dict(person.roles)}
    record(conn, Entry(actor.label, "person.created", data=said), at=at)
    return person_id


def set_reach(
    conn: Connection,
    actor: Actor,
    person_id: int,
    reach: Sequence[tuple[str, str, str]],
    at: datetime,
) -> None:
    """Put these in place of the addresses that a person was reached by."""
    _require_person(conn, person_id)
    conn.execute(delete(person_addresses).where(person_addresses.c.person_id == person_id))
    _reach(conn, person_id, reach, at)
    said = {"person": person_id, "channels": sorted(channel for channel, _, _ in reach)}
    record(conn, Entry(actor.label, "person.reach", data=said), at=at)


def _reach(
    conn: Connection, person_id: int, reach: Sequence[tuple[str, str, str]], at: datetime
) -> None:
    for channel, address, lane in dict.fromkeys(reach):
        address_id = _address(conn, channel, address, lane, at)
        conn.execute(insert(person_addresses).values(person_id=person_id, address_id=address_id))


def _address(conn: Connection, channel: str, address: str, lane: str, at: datetime) -> int:
    known = conn.scalar(
        select(addresses.c.id).where(addresses.c.channel == channel, addresses.c.address == address)
    )
    if known is not None:
        return int(known)
    made: int = conn.execute(
        insert(addresses)
        .values(channel=channel, address=address, lane=lane, created_at=at)
        .returning(addresses.c.id)
    ).scalar_one()
    return made


def take_rights(conn: Connection, actor: Actor, person_id: int, at: datetime) -> None:
    _require_person(conn, person_id)
    unchanged = (persons.c.id == person_id) & persons.c.disabled_at.is_(None)
    if conn.execute(update(persons).where(unchanged).values(disabled_at=at)).rowcount:
        said = {"person": person_id}
        record(conn, Entry(actor.label, "person.disabled", data=said), at=at)


def _require_person(conn: Connection, person_id: int) -> None:
    if conn.scalar(select(persons.c.id).where(persons.c.id == person_id)) is None:
        raise NotFound("there is no such person")


def keep_token(conn: Connection, actor: Actor, row: Mapping[str, object], at: datetime) -> int:
    person_id = row["person_id"]
    if (
        conn.scalar(
            select(persons.c.id).where(persons.c.id == person_id, persons.c.disabled_at.is_(None))
        )
        is None
    ):
        raise NotFound("there is no such person, or not any more")
    token_id: int = conn.execute(insert(tokens).values(row).returning(tokens.c.id)).scalar_one()
    said = {"token": token_id, "person": person_id}
    record(conn, Entry(actor.label, "token.minted", data=said), at=at)
    return token_id


def end_token(conn: Connection, actor: Actor, token_id: int, at: datetime) -> None:
    row = conn.execute(
        select(tokens.c.person_id, tokens.c.revoked_at).where(tokens.c.id == token_id)
    )
    found = row.one_or_none()
    if found is None:
        raise NotFound("there is no such token")
    if found.revoked_at is not None:
        return
    conn.execute(update(tokens).where(tokens.c.id == token_id).values(revoked_at=at))
    said = {"token": token_id, "person": found.person_id}
    record(conn, Entry(actor.label, "token.revoked", data=said), at=at)


def _bearer(conn: Connection, digest: str, now: datetime) -> Actor | None:
    row = conn.execute(
        select(persons.c.id, persons.c.name)
        .join(tokens, tokens.c.person_id == persons.c.id)
        .where(
            tokens.c.digest == digest,
            tokens.c.revoked_at.is_(None),
            tokens.c.expires_at > now,
            persons.c.disabled_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        return None
    return Actor(row.id, row.name, *jurisdiction.rights_of(conn, row.id))
