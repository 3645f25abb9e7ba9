"""Passkeys: a challenge is kept in the session, and signed once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, delete, insert, select, update
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    parse_authentication_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from alertd.core.errors import Conflict, NotFound
from alertd.pipeline import credentials, sessions, throttle
from alertd.pipeline.credentials import WrongProof
from alertd.pipeline.record import Entry, record
from alertd.pipeline.sessions import Factor, Session
from alertd.store.schema.accounts import credentials as accounts
from alertd.store.schema.accounts import passkeys
from alertd.tools import Tools

LARGEST_ANSWER = 16 * 1024


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey as its owner sees it."""

    id: int
    label: str
    created_at: datetime
    used_at: datetime | None


def of_person(conn: Connection, person_id: int) -> list[Passkey]:
    query = select(passkeys.c.id, passkeys.c.label, passkeys.c.created_at, passkeys.c.used_at)
    rows = conn.execute(query.where(passkeys.c.person_id == person_id).order_by(passkeys.c.id))
    return [Passkey(*row) for row in rows]


async def offer(tools: Tools, session: Session) -> str:
    """Give the options for a new passkey, as the browser wants them."""
    handle, known = await tools.store.read(_known, session.person_id)
    options = generate_registration_options(
        rp_id=_host(tools),
        rp_name=f"alertd {tools.install}",
        user_id=base64url_to_bytes(handle),
        user_name=session.name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.PREFERRED,
        ),
        exclude_credentials=known,
    )
    await _remember(tools, session, options.challenge)
    return options_to_json(options)


async def ask(tools: Tools, session: Session) -> str:
    """Give what one of the person's passkeys is to sign."""
    _, known = await tools.store.read(_known, session.person_id)
    options = generate_authentication_options(
        rp_id=_host(tools),
        allow_credentials=known,
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    await _remember(tools, session, options.challenge)
    return options_to_json(options)


async def enrol(tools: Tools, session: Session, answer: str, label: str) -> None:
    """Keep a new passkey; raises WrongProof when it is none of ours to this challenge."""
    challenge = await _take_challenge(tools, session)
    try:
        made = verify_registration_response(
            credential=answer[:LARGEST_ANSWER],
            expected_challenge=challenge,
            expected_rp_id=_host(tools),
            expected_origin=_origin(tools),
        )
    except (WebAuthnException, ValueError, KeyError):
        raise WrongProof("the passkey could not be read") from None
    row = {
        "person_id": session.person_id,
        "credential": bytes_to_base64url(made.credential_id),
        "public_key": made.credential_public_key,
        "sign_count": made.sign_count,
        "label": label.strip()[:100] or "passkey",
        "created_at": tools.clock(),
    }
    await tools.store.write(_enrol, session, row, tools.clock())


async def check(tools: Tools, session: Session, answer: str) -> Factor:
    """Verify what a passkey signed; raises WrongProof or TooManyTries."""
    now = tools.clock()
    sources = throttle.of_factor(tools.vault.master, session.person_id)
    await tools.store.read(throttle.refuse, sources, now)
    challenge = await _take_challenge(tools, session)
    try:
        given = parse_authentication_credential_json(answer[:LARGEST_ANSWER])
        row = await tools.store.read(_one, session.person_id, bytes_to_base64url(given.raw_id))
        verified = verify_authentication_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=_host(tools),
            expected_origin=_origin(tools),
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
        )
    except (WebAuthnException, ValueError, KeyError, NotFound):
        await tools.store.write(throttle.failed, sources, now)
        raise WrongProof("the passkey could not be verified") from None
    await tools.store.write(_used, row.id, verified.new_sign_count, now)
    await tools.store.write(throttle.succeeded, sources)
    return Factor.PASSKEY


async def remove(tools: Tools, session: Session, passkey_id: int) -> None:
    """Forget a passkey; raises Conflict when it is the last second factor."""
    await tools.store.write(_remove, session, passkey_id, tools.clock())


def _known(conn: Connection, person_id: int) -> tuple[str, list[PublicKeyCredentialDescriptor]]:
    handle = conn.execute(
        select(accounts.c.user_handle).where(accounts.c.person_id == person_id)
    ).scalar_one()
    query = select(passkeys.c.credential).where(passkeys.c.person_id == person_id)
    known = [
        PublicKeyCredentialDescriptor(id=base64url_to_bytes(text)) for text in conn.scalars(query)
    ]
    return handle, known


def _one(conn: Connection, person_id: int, credential: str) -> Row[Any]:
    row = conn.execute(
        select(passkeys).where(
            passkeys.c.person_id == person_id, passkeys.c.credential == credential
        )
    ).one_or_none()
    if row is None:
        raise NotFound("there is no such passkey")
    return row


def _enrol(conn: Connection, session: Session, row: dict[str, Any], at: datetime) -> None:
    query = select(passkeys.c.id).where(passkeys.c.credential == row["credential"])
    if conn.scalar(query) is not None:
        raise Conflict("this passkey is known already")
    conn.execute(insert(passkeys).values(row))
    said = {"person": session.person_id, "factor": Factor.PASSKEY}
    record(conn, Entry(session.actor.label, "factor.added", data=said), at=at)


def _used(conn: Connection, passkey_id: int, count: int, at: datetime) -> None:
    conn.execute(
        update(passkeys).where(passkeys.c.id == passkey_id).values(sign_count=count, used_at=at)
    )


def _remove(conn: Connection, session: Session, passkey_id: int, at: datetime) -> None:
    left = credentials.factors(conn, session.person_id)
    if not left.totp and left.passkeys == 1:
        raise Conflict("this is your last second factor: add another one first")
    mine = (passkeys.c.id == passkey_id) & (passkeys.c.person_id == session.person_id)
    if not conn.execute(delete(passkeys).where(mine)).rowcount:
        raise NotFound("there is no such passkey")
    said = {"person": session.person_id, "factor": Factor.PASSKEY}
    record(conn, Entry(session.actor.label, "factor.removed", data=said), at=at)


async def _remember(tools: Tools, session: Session, challenge: bytes) -> None:
    await sessions.keep(tools, session.id, challenge=bytes_to_base64url(challenge))


async def _take_challenge(tools: Tools, session: Session) -> bytes:
    """Give the session's challenge, which no other answer can use."""
    if session.challenge is None or not await tools.store.write(
        sessions.take_challenge, session.id, session.challenge
    ):
        raise WrongProof("ask for the passkey anew")
    return base64url_to_bytes(session.challenge)


def _host(tools: Tools) -> str:
    return urlsplit(tools.console_url).hostname or "localhost"


def _origin(tools: Tools) -> str:
    parts = urlsplit(tools.console_url)
    return f"{parts.scheme}://{parts.netloc}"
