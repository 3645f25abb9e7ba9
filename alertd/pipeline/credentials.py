"""What persons prove themselves with: a password, a code by time, recovery codes."""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from alertd.core.errors import InvalidAlert, NotAllowed, NotFound, Problem
from alertd.pipeline import sessions, throttle
from alertd.pipeline.record import Entry, record
from alertd.pipeline.sessions import Factor, Session, Stage, digest
from alertd.store.schema import persons
from alertd.store.schema.accounts import credentials, invitations, passkeys, recovery_codes
from alertd.tools import Tools
from alertd.vault import Master

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 200
INVITATION = timedelta(days=3)
RECOVERY_CODES = 10
_STEP_S = 30
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that is misread

_hasher = PasswordHasher()  # argon2id with the library's present parameters


class WrongProof(NotAllowed):
    """Name, password or code is wrong; which of them is not said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What second factors a person has."""

    totp: bool
    passkeys: int
    recovery: int
    linked: bool  # with the identity provider, which may have asked for a second factor

    @property
    def any(self) -> bool:
        return self.totp or self.passkeys > 0


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that was begun, and the cookie's value."""

    token: str
    stage: Stage


# --- password --------------------------------------------------------------------------------


async def sign_in(tools: Tools, name: str, password: str, *, network: str, agent: str) -> Opened:
    """Begin a session for whoever knows the password; raises WrongProof or TooManyTries."""
    now = tools.clock()
    sources = throttle.of_sign_in(tools.vault.master, name, network)
    await tools.store.read(throttle.refuse, sources, now)
    row = await tools.store.read(_by_name, name)
    known = row.password_hash if row is not None else None
    right = await asyncio.to_thread(_matches, known, password)
    if not right or row is None:
        await tools.store.write(throttle.failed, sources, now)
        raise WrongProof("name or password is wrong")
    await tools.store.write(throttle.succeeded, sources[:2])
    return await tools.store.write(begin, row.person_id, Factor.PASSWORD, agent, now)


def _by_name(conn: Connection, name: str) -> Row[int, str | None] | None:
    return conn.execute(
        select(credentials.c.person_id, credentials.c.password_hash)
        .join(persons, persons.c.id == credentials.c.person_id)
        .where(persons.c.name == name.strip(), persons.c.disabled_at.is_(None))
    ).one_or_none()


def _matches(known: str | None, password: str) -> bool:
    try:
        right = _hasher.verify(known or _nobodys(), password[:LONGEST_PASSWORD])
        return right and known is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    """Give what a wrong name is held against, so that it takes as long as a wrong password.

    Made on first use: it takes 64 MiB, which a process that only sends never needs.
    """
    return _hasher.hash(secrets.token_urlsafe(16))


def begin(conn: Connection, person_id: int, factor: Factor, agent: str, at: datetime) -> Opened:
    """Begin a session that awaits the second factor, or the choice of one."""
    stage = Stage.HALF if factors(conn, person_id).any else Stage.ENROLLING
    token = sessions.open_session(conn, person_id, stage, factor, agent=agent, at=at)
    return Opened(token, stage)


def ensure(conn: Connection, person_id: int) -> None:
    """Let a person have credentials, none of them set yet."""
    query = select(credentials.c.person_id).where(credentials.c.person_id == person_id)
    if conn.scalar(query) is None:
        handle = secrets.token_urlsafe(64)
        conn.execute(
            insert(credentials).values(person_id=person_id, totp_step=0, user_handle=handle)
        )


def invite(conn: Connection, person_id: int, at: datetime) -> str:
    """Make a link's secret that lets a person choose a password once; earlier ones are void."""
    ensure(conn, person_id)
    conn.execute(delete(invitations).where(invitations.c.person_id == person_id))
    secret = secrets.token_urlsafe(32)
    conn.execute(
        insert(invitations).values(
            digest=digest(secret), person_id=person_id, expires_at=at + INVITATION
        )
    )
    return secret


def reset(conn: Connection, person_id: int) -> None:
    """Forget all that a person proved themselves with."""
    forgotten = {"password_hash": None, "totp_secret": None, "subject": None}
    conn.execute(update(credentials).where(credentials.c.person_id == person_id).values(forgotten))
    for table in (passkeys, recovery_codes):
        conn.execute(delete(table).where(table.c.person_id == person_id))


class Invited(NamedTuple):
    """Whom a link invites."""

    person_id: int
    name: str
    language: str


def invited(conn: Connection, secret: str, now: datetime) -> Invited:
    """Give whom a link invites; raises NotFound when it is used or old."""
    row = conn.execute(
        select(persons.c.id, persons.c.name, persons.c.language)
        .join(invitations, invitations.c.person_id == persons.c.id)
        .where(
            invitations.c.digest == digest(secret),
            invitations.c.used_at.is_(None),
            invitations.c.expires_at > now,
            persons.c.disabled_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        raise NotFound("this link is used, expired or unknown: ask an administrator for a new one")
    return Invited(*row)


async def accept(tools: Tools, secret: str, password: str, *, agent: str) -> Opened:
    """Set the password of whom the link invites, and let them in to choose a second factor."""
    _refuse_weak(password)
    hashed = await asyncio.to_thread(_hasher.hash, password)
    return await tools.store.write(_accept, secret, hashed, agent, tools.clock())


def _accept(conn: Connection, secret: str, hashed: str, agent: str, at: datetime) -> Opened:
    person_id = invited(conn, secret, at).person_id
    used = update(invitations).where(invitations.c.digest == digest(secret))
    conn.execute(used.values(used_at=at))
    _set_password(conn, person_id, hashed, at)
    sessions.end_all(conn, person_id, at)
    return begin(conn, person_id, Factor.PASSWORD, agent, at)


async def change_password(tools: Tools, session: Session, old: str, new: str) -> None:
    """Change one's own password; every other session of theirs ends."""
    _refuse_weak(new)
    sources = throttle.of_factor(tools.vault.master, session.person_id)
    await tools.store.read(throttle.refuse, sources, tools.clock())
    row = await tools.store.read(_by_name, session.name)
    known = row.password_hash if row is not None else None
    if not await asyncio.to_thread(_matches, known, old):
        await tools.store.write(throttle.failed, sources, tools.clock())
        raise WrongProof("the password is wrong")
    hashed = await asyncio.to_thread(_hasher.hash, new)
    await tools.store.write(_change_password, session, hashed, tools.clock())


def _change_password(conn: Connection, session: Session, hashed: str, at: datetime) -> None:
    _set_password(conn, session.person_id, hashed, at)
    sessions.end_all(conn, session.person_id, at, besides=session.id)


def _set_password(conn: Connection, person_id: int, hashed: str, at: datetime) -> None:
    row = update(credentials).where(credentials.c.person_id == person_id)
    conn.execute(row.values(password_hash=hashed))
    said = {"person": person_id}
    record(conn, Entry(f"person:{person_id}", "password.set", data=said), at=at)


def _refuse_weak(password: str) -> None:
    if len(password) < SHORTEST_PASSWORD:
        fault = f"needs at least {SHORTEST_PASSWORD} characters"
    elif len(password) > LONGEST_PASSWORD:
        fault = f"has at most {LONGEST_PASSWORD} characters"
    elif len(set(password)) < 5:
        fault = "repeats too few characters"
    else:
        return
    raise InvalidAlert([Problem("password", fault)])


# --- second factor ---------------------------------------------------------------------------


def factors(conn: Connection, person_id: int) -> Factors:
    row = conn.execute(
        select(credentials.c.totp_secret, credentials.c.subject).where(
            credentials.c.person_id == person_id
        )
    ).one_or_none()
    mine = passkeys.c.person_id == person_id
    unused = (recovery_codes.c.person_id == person_id) & recovery_codes.c.used_at.is_(None)
    return Factors(
        totp=row is not None and row.totp_secret is not None,
        passkeys=conn.execute(select(func.count()).where(mine)).scalar_one(),
        recovery=conn.execute(select(func.count()).where(unused)).scalar_one(),
        linked=row is not None and row.subject is not None,
    )


def new_totp_secret() -> str:
    return pyotp.random_base32()


def totp_address(secret: str, name: str, install: str) -> str:
    """Give what an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=f"alertd {install}")


async def enrol_totp(tools: Tools, session: Session, secret: str, code: str) -> None:
    """Take a new secret once a code of it was given; raises WrongProof."""
    step = _step_of(secret, code, tools.clock())
    if step is None:
        raise WrongProof("the code is wrong")
    sealed = tools.vault.master.seal(secret.encode())
    await tools.store.write(_enrol_totp, session, sealed, step, tools.clock())


def _enrol_totp(conn: Connection, session: Session, sealed: bytes, step: int, at: datetime) -> None:
    row = update(credentials).where(credentials.c.person_id == session.person_id)
    conn.execute(row.values(totp_secret=sealed, totp_step=step))
    said = {"person": session.person_id, "factor": Factor.TOTP}
    record(conn, Entry(session.actor.label, "factor.added", data=said), at=at)


async def check_code(tools: Tools, session: Session, code: str) -> Factor:
    """Take a code by time, or a recovery code; raises WrongProof or TooManyTries."""
    now = tools.clock()
    sources = throttle.of_factor(tools.vault.master, session.person_id)
    await tools.store.read(throttle.refuse, sources, now)
    master = tools.vault.master
    used = await tools.store.write(_use_code, session.person_id, code, master, now)
    if used is None:
        await tools.store.write(throttle.failed, sources, now)
        raise WrongProof("the code is wrong, or was used already")
    await tools.store.write(throttle.succeeded, sources)
    return used


def _use_code(
    conn: Connection, person_id: int, code: str, master: Master, now: datetime
) -> Factor | None:
    given = "".join(code.split()).replace("-", "").lower()
    if len(given) == 6 and given.isascii() and given.isdigit():
        return Factor.TOTP if _use_totp(conn, person_id, given, master, now) else None
    unused = (
        (recovery_codes.c.digest == master.mac("recovery", f"{person_id}\n{given}"))
        & (recovery_codes.c.person_id == person_id)
        & recovery_codes.c.used_at.is_(None)
    )
    if not conn.execute(update(recovery_codes).where(unused).values(used_at=now)).rowcount:
        return None
    said = {"person": person_id}
    record(conn, Entry(f"person:{person_id}", "recovery.used", data=said), at=now)
    return Factor.RECOVERY


def _use_totp(conn: Connection, person_id: int, code: str, master: Master, now: datetime) -> bool:
    mine = credentials.c.person_id == person_id
    row = conn.execute(select(credentials).where(mine).with_for_update()).one_or_none()
    if row is None or row.totp_secret is None:
        return False
    step = _step_of(master.open(row.totp_secret).decode(), code, now)
    if step is None or step <= row.totp_step:
        return False
    conn.execute(update(credentials).where(mine).values(totp_step=step))
    return True


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """Give the time step that a code belongs to; clocks may differ by one."""
    totp = pyotp.TOTP(secret, interval=_STEP_S)
    step = int(now.timestamp()) // _STEP_S
    given = "".join(code.split())
    if not given.isascii():
        return None
    near = (step, step - 1, step + 1)
    return next((n for n in near if secrets.compare_digest(totp.generate_otp(n), given)), None)


async def renew_recovery_codes(tools: Tools, session: Session) -> list[str]:
    """Give new recovery codes, to be shown once; earlier ones are void."""
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(12)) for _ in range(RECOVERY_CODES)]
    await tools.store.write(_keep_codes, session, codes, tools.vault.master, tools.clock())
    return [f"{code[:4]}-{code[4:8]}-{code[8:]}" for code in codes]


def _keep_codes(
    conn: Connection, session: Session, codes: list[str], master: Master, at: datetime
) -> None:
    person_id = session.person_id
    conn.execute(delete(recovery_codes).where(recovery_codes.c.person_id == person_id))
    rows = [
        {"digest": master.mac("recovery", f"{person_id}\n{code}"), "person_id": person_id}
        for code in codes
    ]
    conn.execute(insert(recovery_codes), rows)
    said = {"person": person_id}
    record(conn, Entry(session.actor.label, "recovery.renewed", data=said), at=at)


async def complete(tools: Tools, session: Session, factor: Factor, *, agent: str) -> str:
    """Go on in a new, full session: the cookie of before the second factor is worth nothing."""
    return await tools.store.write(_complete, session, factor, agent, tools.clock())


def _complete(conn: Connection, session: Session, factor: Factor, agent: str, at: datetime) -> str:
    sessions.close(conn, session.id, at)
    return sessions.open_session(conn, session.person_id, Stage.FULL, factor, agent=agent, at=at)
