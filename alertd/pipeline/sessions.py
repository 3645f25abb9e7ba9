"""Sessions of the console: kept here by a hash, so that they can be listed and ended."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from alertd.core.errors import NotFound
from alertd.core.jurisdiction import Jurisdiction
from alertd.pipeline import jurisdiction
from alertd.pipeline.record import Entry, record
from alertd.store.schema import persons
from alertd.store.schema.accounts import sessions
from alertd.tools import Actor, Tools

LIFETIME = timedelta(hours=12)
IDLE = timedelta(minutes=30)
HALF_LIFETIME = timedelta(minutes=10)  # between the password and the second factor
FRESH = timedelta(minutes=5)
_SEEN_EVERY = timedelta(minutes=1)
_TOKEN_BYTES = 32


class Stage(StrEnum):
    HALF = "half"  # the password was right; the second factor is awaited
    ENROLLING = "enrolling"  # has no second factor yet, and must choose one
    FULL = "full"


class Factor(StrEnum):
    PASSWORD = "password"  # noqa: S105 - the kind, not one
    TOTP = "totp"
    PASSKEY = "passkey"
    RECOVERY = "recovery"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody at the console, as the cookie and the tables tell."""

    id: int
    person_id: int
    name: str
    roles: frozenset[str]
    stage: Stage
    factor: Factor
    language: str | None
    person_language: str
    jurisdiction: Jurisdiction
    notices: tuple[str, ...]
    fresh_at: datetime | None
    challenge: str | None = field(repr=False)

    @property
    def actor(self) -> Actor:
        return Actor(self.person_id, self.name, self.roles, self.jurisdiction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A session as its owner or an administrator sees it."""

    id: int
    person_id: int
    agent: str
    factor: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


_HOLDING = (
    sessions.c.ended_at.is_(None),
    sessions.c.expires_at > bindparam("now"),
    sessions.c.seen_at > bindparam("idle"),
)
_FIND = (  # asked for by every page: built once
    select(sessions, persons.c.name, persons.c.language.label("person_language"))
    .join(persons, persons.c.id == sessions.c.person_id)
    .where(sessions.c.digest == bindparam("digest"), *_HOLDING, persons.c.disabled_at.is_(None))
)


def digest(secret: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def open_session(
    conn: Connection, person_id: int, stage: Stage, factor: Factor, *, agent: str, at: datetime
) -> str:
    """Begin a session and give the cookie's value, which is never stored."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    conn.execute(
        insert(sessions).values(
            digest=digest(token),
            person_id=person_id,
            stage=stage,
            factor=factor,
            agent=agent[:200],
            notices=[],
            created_at=at,
            seen_at=at,
            expires_at=at + (HALF_LIFETIME if stage is Stage.HALF else LIFETIME),
        )
    )
    if stage is not Stage.HALF:
        said = {"person": person_id, "factor": factor}
        record(conn, Entry(f"person:{person_id}", "session.opened", data=said), at=at)
    return token


async def find(tools: Tools, token: str) -> Session | None:
    """Give the session of a cookie, if it holds still."""
    now = tools.clock()
    found = await tools.store.read(_find, digest(token), now)
    if found is None:
        return None
    session, seen_at = found
    if now - seen_at >= _SEEN_EVERY:
        await keep(tools, session.id, seen_at=now)
    return session


def _find(conn: Connection, token_digest: str, now: datetime) -> tuple[Session, datetime] | None:
    asked = {"digest": token_digest, "now": now, "idle": now - IDLE}
    row = conn.execute(_FIND, asked).one_or_none()
    return None if row is None else (_session(conn, row), row.seen_at)


def _session(conn: Connection, row: Row[Any]) -> Session:
    roles, bounds = jurisdiction.rights_of(conn, row.person_id)
    return Session(
        id=row.id,
        person_id=row.person_id,
        name=row.name,
        roles=roles,
        stage=Stage(row.stage),
        factor=Factor(row.factor),
        language=row.language,
        person_language=row.person_language,
        jurisdiction=bounds,
        notices=tuple(row.notices),
        fresh_at=row.fresh_at,
        challenge=row.challenge,
    )


async def keep(tools: Tools, session_id: int, **values: Any) -> None:
    """Note something in a session: its language, its notices, a challenge."""
    await tools.store.write(_keep, session_id, values)


def _keep(conn: Connection, session_id: int, values: dict[str, Any]) -> None:
    conn.execute(update(sessions).where(sessions.c.id == session_id).values(values))


async def tell(tools: Tools, session_id: int, notice: str) -> None:
    """Keep a notice until it has been read on a page."""
    await tools.store.write(_tell, session_id, notice)


def _tell(conn: Connection, session_id: int, notice: str) -> None:
    query = select(sessions.c.notices).where(sessions.c.id == session_id).with_for_update()
    others = [each for each in conn.scalars(query).one() if each != notice]
    _keep(conn, session_id, {"notices": [*others, notice][-5:]})


async def use_fresh_factor(tools: Tools, session: Session) -> bool:
    """Take what the second factor was given for: it serves one act, and only for minutes."""
    return await tools.store.write(_use_fresh, session.id, tools.clock())


def _use_fresh(conn: Connection, session_id: int, now: datetime) -> bool:
    fresh = (sessions.c.id == session_id) & (sessions.c.fresh_at > now - FRESH)
    return bool(conn.execute(update(sessions).where(fresh).values(fresh_at=None)).rowcount)


def of_person(conn: Connection, person_id: int, now: datetime) -> list[Listed]:
    query = (
        select(*(sessions.c[name] for name in Listed.__dataclass_fields__))
        .where(
            sessions.c.person_id == person_id,
            sessions.c.stage != Stage.HALF,
            *_HOLDING,
        )
        .order_by(sessions.c.seen_at.desc())
    )
    rows = conn.execute(query, {"now": now, "idle": now - IDLE}).mappings()
    return [Listed(**row) for row in rows]


async def end(tools: Tools, actor: Actor, session_id: int, *, own: bool) -> None:
    """End a session; with `own`, only one of the actor's."""
    await tools.store.write(_end, actor, session_id, tools.clock(), own=own)


def _end(conn: Connection, actor: Actor, session_id: int, at: datetime, *, own: bool) -> None:
    row = conn.execute(
        select(sessions.c.person_id, sessions.c.ended_at).where(sessions.c.id == session_id)
    ).one_or_none()
    if row is None or (own and row.person_id != actor.person_id):
        raise NotFound("there is no such session")
    if row.ended_at is None:
        conn.execute(update(sessions).where(sessions.c.id == session_id).values(ended_at=at))
        said = {"session": session_id, "person": row.person_id}
        record(conn, Entry(actor.label, "session.ended", data=said), at=at)


def take_challenge(conn: Connection, session_id: int, challenge: str) -> bool:
    """Forget a challenge; tells whether it still stood."""
    standing = (sessions.c.id == session_id) & (sessions.c.challenge == challenge)
    return bool(conn.execute(update(sessions).where(standing).values(challenge=None)).rowcount)


def close(conn: Connection, session_id: int, at: datetime) -> None:
    conn.execute(update(sessions).where(sessions.c.id == session_id).values(ended_at=at))


def end_all(conn: Connection, person_id: int, at: datetime, *, besides: int | None = None) -> None:
    """End every session of a person: their rights or secrets changed."""
    of_them = (sessions.c.person_id == person_id) & sessions.c.ended_at.is_(None)
    if besides is not None:
        of_them &= sessions.c.id != besides
    conn.execute(update(sessions).where(of_them).values(ended_at=at))
