"""Takes an alert in: valid, rendered, stored under a key of its own, and approvals asked for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Connection, insert, select

from alertd.core.alert import ChildAlert
from alertd.core.errors import Conflict, StoreError
from alertd.core.lifecycle import Move, VersionState
from alertd.core.rendition import Kind
from alertd.core.ruleset import RuleSet
from alertd.ids import new_id
from alertd.pipeline import contents, rule_sets
from alertd.pipeline.ask import FIRST, ask
from alertd.pipeline.contents import Content
from alertd.pipeline.jurisdiction import require_area
from alertd.pipeline.photos import of_alert
from alertd.pipeline.record import Entry, record
from alertd.pipeline.render import Subject
from alertd.pipeline.turns import Turn, take_turn
from alertd.pipeline.validate import check
from alertd.pipeline.versions import Version, advance, latest
from alertd.store.schema import alerts, idempotency_keys, versions
from alertd.tools import Actor, Tools
from alertd.vault import Key, Vault

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Submitted:
    """Where an alert stands after it was taken in or edited."""

    alert_id: str
    state: VersionState
    revision: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What makes a repeated request recognisable."""

    person_id: int
    key: str
    request: str  # MAC over the whole request


@dataclass(frozen=True, slots=True)
class Origin:
    """The CAP document that asked for an alert, and who is known to have signed it."""

    document: str
    signer: str | None  # SHA-256 of the certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """A new alert, ready to be stored."""

    alert_id: str
    alert: ChildAlert
    rules: RuleSet
    rules_digest: str
    key: Key
    content: Content
    draft: bool
    actor: Actor
    at: datetime
    origin: Origin | None


async def submit(
    tools: Tools,
    actor: Actor,
    alert: ChildAlert,
    *,
    draft: bool = False,
    idempotency_key: str | None = None,
    origin: Origin | None = None,
) -> Submitted:
    """Take a new alert in and ask for its approvals; a draft is kept without asking anybody.

    Raises InvalidAlert, NotAllowed, and Conflict for a likely duplicate or a reused key.
    """
    actor.require("submitter")
    claim = _claim(tools, actor, alert, draft, idempotency_key)
    if claim and (known := await tools.store.read(_claimed, claim)):
        return known
    now = tools.clock()
    rules = tools.rulebook.current(alert.programme)
    require_area(tools, actor, alert)
    if not draft:
        alert = check(alert, rules, tools.atlas, now=now)
    async with _new_key(tools.vault) as key:
        alert_id = new_id(now)
        intake = Intake(
            alert_id=alert_id,
            alert=alert,
            rules=rules,
            rules_digest=tools.rulebook.digest(rules),
            key=key,
            content=await _content(tools, key, alert_id, alert, rules, draft),
            draft=draft,
            actor=actor,
            at=now,
            origin=origin,
        )
        done = await tools.store.write(_keep, intake, tools, claim)
    if done.alert_id != alert_id:  # the same request came twice at the same moment
        await tools.vault.destroy(key.id)
    log.info("alert.submitted", alert_id=done.alert_id, state=done.state, person=actor.person_id)
    return done


def open_for_approval(
    conn: Connection, version: Version, by: Move, *, tools: Tools, at: datetime
) -> list[Entry]:
    """Put a version before its approvers, at its next revision; gives the entries to record."""
    advance(
        conn,
        version,
        by,
        revision=version.revision + 1,
        submitted_at=at,
        identifier=contents.identifier(tools.install, version.alert_id, version.number),
    )
    return ask(conn, latest(conn, version.alert_id), FIRST, tools.atlas, at)


def insert_version(
    conn: Connection, content: Content, *, actor: Actor, at: datetime, **values: object
) -> int:
    """Store a new version, as a draft that nobody was asked about yet."""
    version_id: int = conn.execute(
        insert(versions)
        .values(
            state=VersionState.DRAFT,
            revision=0,
            regions=content.regions,
            languages=content.languages,
            expires_at=content.expires_at,
            created_by=actor.person_id,
            created_at=at,
            **values,
        )
        .returning(versions.c.id)
    ).scalar_one()
    contents.store(conn, version_id, content)
    return version_id


def _keep(conn: Connection, intake: Intake, tools: Tools, claim: Claim | None) -> Submitted:
    take_turn(conn, Turn.SUBMISSION)
    if claim and (known := _claimed(conn, claim)):
        return known
    version = _insert(conn, intake)
    if claim:
        _insert_claim(conn, claim, intake)
    entries = []
    if not intake.draft:
        contents.refuse_duplicate(conn, version, intake.alert, intake.content, at=intake.at)
        entries = open_for_approval(conn, version, Move.SUBMIT, tools=tools, at=intake.at)
    action = "alert.drafted" if intake.draft else "alert.submitted"
    record(conn, _entry(action, intake), at=intake.at, key=intake.key)
    for entry in entries:
        record(conn, entry, at=intake.at)
    done = latest(conn, intake.alert_id)
    return Submitted(done.alert_id, done.state, done.revision)


def _insert(conn: Connection, intake: Intake) -> Version:
    rules, at = intake.rules, intake.at
    rule_sets.register(conn, rules, intake.rules_digest, at=at, confirmed_at=at)
    conn.execute(
        insert(alerts).values(
            id=intake.alert_id,
            programme=intake.alert.programme,
            status=intake.alert.status,
            kind=intake.alert.kind,
            reported_at=intake.alert.reported_at,
            case_reference=intake.alert.case_reference,
            key_id=intake.key.id,
            created_by=intake.actor.person_id,
            created_at=intake.at,
        )
    )
    insert_version(
        conn,
        intake.content,
        actor=intake.actor,
        at=intake.at,
        alert_id=intake.alert_id,
        number=1,
        kind=Kind.ALERT,
        rule_set_version=intake.rules.version,
    )
    return latest(conn, intake.alert_id)


def _entry(action: str, intake: Intake) -> Entry:
    data = said(intake.content, intake.rules, number=1)
    texts = {"facts": intake.alert.model_dump_json()}
    if intake.origin is not None:
        data["cap_signer"] = intake.origin.signer
        texts["cap"] = intake.origin.document
    return Entry(intake.actor.label, action, intake.alert_id, data, texts)


def said(content: Content, rules: RuleSet, *, number: int) -> dict[str, object]:
    """Give what the audit log says of a version's content."""
    return {
        "version": number,
        "digest": content.digest,
        "rule_set": f"{rules.programme} {rules.version}",
    }


async def _content(
    tools: Tools, key: Key, alert_id: str, alert: ChildAlert, rules: RuleSet, draft: bool
) -> Content:
    if draft:
        return await contents.facts_only(tools, key, alert)
    subject = Subject(
        alert_id=alert_id,
        identifier=contents.identifier(tools.install, alert_id, 1),
        number=1,
        kind=Kind.ALERT,
        alert=alert,
        rules=rules,
        photos=await of_alert(tools, None, alert),
    )
    return await contents.prepare(tools, key, subject)


@asynccontextmanager
async def _new_key(vault: Vault) -> AsyncIterator[Key]:
    """Make a key, and destroy it when what it was for is certainly not kept."""
    key = await vault.new()
    try:
        yield key
    except StoreError:  # the commit may have been answered by silence: a key too many is harmless
        raise
    except Exception:
        await vault.destroy(key.id)
        raise


def _claim(
    tools: Tools, actor: Actor, alert: ChildAlert, draft: bool, key: str | None
) -> Claim | None:
    if key is None:
        return None
    request = f"{'draft' if draft else 'submission'} {alert.model_dump_json()}"
    return Claim(actor.person_id, key, tools.vault.master.mac("request", request))


def _claimed(conn: Connection, claim: Claim) -> Submitted | None:
    """Give what the same request made before; raises Conflict when the key was for another."""
    query = select(idempotency_keys.c.request_digest, idempotency_keys.c.alert_id).where(
        idempotency_keys.c.person_id == claim.person_id, idempotency_keys.c.key == claim.key
    )
    row = conn.execute(query).one_or_none()
    if row is None:
        return None
    if row.request_digest != claim.request:
        raise Conflict(
            "this Idempotency-Key was used for another request: choose a new one",
            other=row.alert_id,
        )
    version = latest(conn, row.alert_id)
    return Submitted(version.alert_id, version.state, version.revision)


def _insert_claim(conn: Connection, claim: Claim, intake: Intake) -> None:
    conn.execute(
        insert(idempotency_keys).values(
            person_id=claim.person_id,
            key=claim.key,
            request_digest=claim.request,
            alert_id=intake.alert_id,
            created_at=intake.at,
        )
    )
