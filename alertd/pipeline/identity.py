"""Accounts that an administrator linked with a person at the identity provider."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from alertd.core.errors import Conflict, NotFound
from alertd.pipeline import credentials, sessions
from alertd.pipeline.credentials import Opened, WrongProof
from alertd.pipeline.record import Entry, record
from alertd.pipeline.sessions import Factor, Session, Stage
from alertd.store.schema import persons
from alertd.store.schema.accounts import credentials as accounts
from alertd.tools import Actor, Tools

LONGEST_SUBJECT = 255


async def sign_in(tools: Tools, link: str, *, strong: bool, agent: str) -> Opened:
    """Begin a session for whom `link` names; raises NotFound where no account is linked so.

    Unless the provider has proved a second factor, `strong`, their own is asked for.
    """
    return await tools.store.write(_sign_in, link, agent, tools.clock(), strong=strong)


def _sign_in(conn: Connection, link: str, agent: str, at: datetime, *, strong: bool) -> Opened:
    person_id = conn.scalar(
        select(persons.c.id)
        .join(accounts, accounts.c.person_id == persons.c.id)
        .where(accounts.c.subject == link, persons.c.disabled_at.is_(None))
    )
    if person_id is None:
        raise NotFound("no account is linked with this one")
    if not strong:
        return credentials.begin(conn, person_id, Factor.PROVIDER, agent, at)
    token = sessions.open_session(conn, person_id, Stage.FULL, Factor.PROVIDER, agent=agent, at=at)
    return Opened(token, Stage.FULL)


async def prove_anew(tools: Tools, session: Session, link: str) -> None:
    """Take the provider's factors, given anew, for the next act; raises WrongProof."""
    if not await tools.store.read(_is_linked, session.person_id, link):
        raise WrongProof("this is somebody else")
    await sessions.keep(tools, session.id, fresh_at=tools.clock())


def _is_linked(conn: Connection, person_id: int, link: str) -> bool:
    query = select(accounts.c.person_id).where(accounts.c.subject == link)
    return conn.scalar(query) == person_id


def link(conn: Connection, actor: Actor, person_id: int, name: str | None, at: datetime) -> None:
    """Link an account with `name`, or with nobody; raises Conflict for who is linked already."""
    known = select(persons.c.id).where(persons.c.id == person_id, persons.c.disabled_at.is_(None))
    if conn.scalar(known) is None:
        raise NotFound("there is no such person, or not any more")
    if name is not None and conn.scalar(
        select(accounts.c.person_id).where(
            accounts.c.subject == name, accounts.c.person_id != person_id
        )
    ):
        raise Conflict("another account is linked with this one: unlink that first")
    credentials.ensure(conn, person_id)
    mine = accounts.c.person_id == person_id
    conn.execute(update(accounts).where(mine).values(subject=name))
    sessions.end_all(conn, person_id, at)
    action = "person.unlinked" if name is None else "person.linked"
    record(conn, Entry(actor.label, action, data={"person": person_id}), at=at)
