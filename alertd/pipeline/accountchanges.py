"""Changes of accounts and of rules: asked for by one administrator, done once a second agrees."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from alertd.core.errors import Conflict, NotAllowed, NotFound
from alertd.oidc import link_of
from alertd.pipeline import credentials, identity, persons, rule_sets, sessions
from alertd.pipeline.record import Entry, record
from alertd.store.schema import marks, person_roles
from alertd.store.schema import persons as people
from alertd.store.schema.accounts import changes, person_programmes, person_regions
from alertd.tools import Actor, Tools

ADMINISTRATOR = "administrator"
LIFETIME = timedelta(days=3)
TOKEN_APPROVAL = "approve_by_token"  # noqa: S105 - the name of a policy
_MOST_DAYS = 366
RULES = "rules.confirm"
REMOVAL = "rules.end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change that was asked for."""

    id: int
    kind: str
    body: Mapping[str, Any]
    asked_by: int
    asked_by_name: str
    asked_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """What a change made; its secret is shown this once to whoever agreed."""

    kind: str
    secret: str = field(default="", repr=False)


def count_open(conn: Connection, now: datetime) -> int:
    query = select(func.count()).where(changes.c.decided_at.is_(None), changes.c.expires_at > now)
    return conn.execute(query).scalar_one()


def list_open(conn: Connection, now: datetime) -> list[Change]:
    query = (
        select(
            changes.c.id,
            changes.c.kind,
            changes.c.body,
            changes.c.asked_by,
            people.c.name.label("asked_by_name"),
            changes.c.asked_at,
            changes.c.expires_at,
        )
        .join(people, people.c.id == changes.c.asked_by)
        .where(changes.c.decided_at.is_(None), changes.c.expires_at > now)
        .order_by(changes.c.id)
    )
    return [Change(**row) for row in conn.execute(query).mappings()]


async def ask(tools: Tools, actor: Actor, kind: str, body: Mapping[str, Any]) -> int:
    """Ask for a change; nothing is done until a second administrator agrees."""
    actor.require(ADMINISTRATOR)
    if kind not in ACTS:
        raise NotFound("there is no such change")
    return await tools.store.write(_ask, actor, kind, dict(body), tools.clock())


def _ask(conn: Connection, actor: Actor, kind: str, body: dict[str, Any], at: datetime) -> int:
    row = {
        "kind": kind,
        "body": body,
        "asked_by": actor.person_id,
        "asked_at": at,
        "expires_at": at + LIFETIME,
    }
    number: int = conn.execute(insert(changes).values(row).returning(changes.c.id)).scalar_one()
    # Addresses stand beside the record, never in it.
    said = {"change": number, "kind": kind, **{k: v for k, v in body.items() if k != "reach"}}
    record(conn, Entry(actor.label, "change.asked", data=said), at=at)
    return number


async def decide(tools: Tools, actor: Actor, number: int, *, agree: bool) -> Done:
    """Carry a change out, or decline it; raises NotAllowed for whoever asked for it.

    Its asker may take it back. Raises Conflict once it is decided or has expired.
    """
    actor.require(ADMINISTRATOR)
    done = await tools.store.write(_decide, actor, number, tools.clock(), agree=agree)
    await rule_sets.refresh(tools)
    return done


def _decide(conn: Connection, actor: Actor, number: int, at: datetime, *, agree: bool) -> Done:
    row = conn.execute(
        select(changes).where(changes.c.id == number).with_for_update()
    ).one_or_none()
    if row is None:
        raise NotFound("there is no such change")
    if row.decided_at is not None or row.expires_at <= at:
        raise Conflict("this change is decided already, or has expired")
    if agree and row.asked_by == actor.person_id:
        raise NotAllowed("a second administrator has to agree")
    conn.execute(
        update(changes)
        .where(changes.c.id == number)
        .values(decided_by=actor.person_id, decided_at=at, agreed=agree)
    )
    said = {"change": number, "kind": row.kind}
    action = "change.agreed" if agree else "change.declined"
    record(conn, Entry(actor.label, action, data=said), at=at)
    return Done(row.kind, ACTS[row.kind](conn, actor, row.body, at) if agree else "")


# --- what can be changed ---------------------------------------------------------------------

_Body = Mapping[str, Any]


def _enter(conn: Connection, actor: Actor, body: _Body, at: datetime) -> str:
    person = persons.NewPerson(
        name=body["name"],
        language=body["language"],
        roles=dict.fromkeys(body["roles"], bool(body.get("deputy"))),
    )
    number = persons.add(conn, actor, person, _addresses(body), at)
    _place(conn, number, body)
    return credentials.invite(conn, number, at)


def _set_roles(conn: Connection, actor: Actor, body: _Body, at: datetime) -> str:
    number = body["person"]
    held = select(person_roles.c.role, person_roles.c.deputy)
    rows = conn.execute(held.where(person_roles.c.person_id == number))
    kept = {row.role: row.deputy for row in rows}
    if ADMINISTRATOR not in body["roles"]:
        _keep_two(conn, number)
    conn.execute(delete(person_roles).where(person_roles.c.person_id == number))
    entered = [
        {"person_id": number, "role": role, "deputy": body.get("deputy", kept.get(role, False))}
        for role in sorted(set(body["roles"]))
    ]
    if entered:
        conn.execute(insert(person_roles), entered)
    _place(conn, number, body)
    sessions.end_all(conn, number, at)
    said = {"person": number, "roles": sorted(body["roles"])}
    record(conn, Entry(actor.label, "person.roles", data=said), at=at)
    return ""


def _set_reach(conn: Connection, actor: Actor, body: _Body, at: datetime) -> str:
    persons.set_reach(conn, actor, body["person"], _addresses(body), at)
    return ""


def _addresses(body: _Body) -> list[tuple[str, str, str]]:
    return [(channel, address, lane) for channel, address, lane in body.get("reach", ())]


def _place(conn: Connection, number: int, body: _Body) -> None:
    for table, column, values in (
        (person_regions, "region", body.get("regions", ())),
        (person_programmes, "programme", body.get("programmes", ())),
    ):
        conn.execute(delete(table).where(table.c.person_id == number))
        rows = [{"person_id": number, column: value} for value in sorted(set(values))]
        if rows:
            conn.execute(insert(table), rows)


def _disable(conn: Connection, actor: Actor, body: _Body, at: datetime) -> str:
    _keep_two(conn, body["person"])
    persons.take_rights(conn, actor, body["person"], at)
    sessions.end_all(conn, body["person"], at)
    return ""


def _invite(conn: Connection, actor: Actor, body: _Body, at: datetime) -> str:
    """Begin anew: whatever proved this person until now is forgotten."""
    number = body["person"]
    known = select(people.c.id).where(people.c.id == number, people.c.disabled_at.is_(None))
    if conn.scalar(known) is None:
        raise NotFound("there is no such person, or not any more")
    credentials.reset(conn, number)
    sessions.end_all(conn, number, at)
    record(conn, Entry(actor.label, "person.invited", data={"person": number}), at=at)
    return credentials.invite(conn, number, at)


def _link(conn: Connection, actor: Actor, body: _Body, at: datetime) -> str:
    link = link_of(body["issuer"], body["subject"])
    identity.link(conn, actor, body["person"], link, at)
    return ""


def _unlink(conn: Connection, actor: Actor, body: _Body, at: datetime) -> str:
    identity.link(conn, actor, body["person"], None, at)
    return ""


def _mint(conn: Connection, actor: Actor, body: _Body, at: datetime) -> str:
    token = persons.PREFIX + secrets.token_urlsafe(persons.TOKEN_BYTES)
    row = {
        "person_id": body["person"],
        "digest": persons.token_digest(token),
        "label": body["label"],
        "created_at": at,
        "expires_at": at + timedelta(days=min(body["days"], _MOST_DAYS)),
    }
    persons.keep_token(conn, actor, row, at)
    return token


def _revoke(conn: Connection, actor: Actor, body: _Body, at: datetime) -> str:
    persons.end_token(conn, actor, body["token"], at)
    return ""


def _allow_token_approval(conn: Connection, actor: Actor, body: _Body, at: datetime) -> str:
    conn.execute(delete(marks).where(marks.c.name == TOKEN_APPROVAL))
    if body["allowed"]:
        conn.execute(insert(marks).values(name=TOKEN_APPROVAL, value="allowed"))
    said = {"policy": TOKEN_APPROVAL, "allowed": bool(body["allowed"])}
    record(conn, Entry(actor.label, "policy.changed", data=said), at=at)
    return ""


def _confirm_rules(conn: Connection, actor: Actor, body: _Body, at: datetime) -> str:
    rule_sets.confirm(conn, body["programme"], body["version"], body["digest"], at=at)
    said = {name: body[name] for name in ("programme", "version", "digest")}
    record(conn, Entry(actor.label, "rules.confirmed", data=said), at=at)
    return ""


def _end_programme(conn: Connection, actor: Actor, body: _Body, at: datetime) -> str:
    rule_sets.end_programme(conn, body["programme"], body["version"])
    said = {name: body[name] for name in ("programme", "version")}
    record(conn, Entry(actor.label, "rules.ended", data=said), at=at)
    return ""


def administrators(conn: Connection) -> list[int]:
    return list(
        conn.scalars(
            select(people.c.id)
            .join(person_roles, person_roles.c.person_id == people.c.id)
            .where(person_roles.c.role == ADMINISTRATOR, people.c.disabled_at.is_(None))
        )
    )


def _keep_two(conn: Connection, besides: int) -> None:
    """Raise Conflict when too few would be left to agree with each other."""
    standing = administrators(conn)
    if besides in standing and len(standing) <= 2:
        raise Conflict("two administrators must be left: enter another one first")


ACTS: Mapping[str, Callable[[Connection, Actor, _Body, datetime], str]] = {
    "person.enter": _enter,
    "person.roles": _set_roles,
    "person.reach": _set_reach,
    "person.disable": _disable,
    "person.invite": _invite,
    "person.link": _link,
    "person.unlink": _unlink,
    "token.mint": _mint,
    "token.revoke": _revoke,
    "policy.token_approval": _allow_token_approval,
    RULES: _confirm_rules,
    REMOVAL: _end_programme,
}


# --- acting by token --------------------------------------------------------------------------


async def refuse_token(tools: Tools, actor: Actor) -> None:
    """Keep whoever has a second factor from deciding by a token, unless that is allowed."""
    if await tools.store.read(_needs_factor, actor.person_id):
        raise NotAllowed("you have a second factor: do this at the console")


def _needs_factor(conn: Connection, person_id: int) -> bool:
    allowed = conn.scalar(select(marks.c.value).where(marks.c.name == TOKEN_APPROVAL))
    has = credentials.factors(conn, person_id)
    return allowed is None and (has.any or has.linked)
