"""What a version says, made ready outside any transaction and stored inside one."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from alertd.core import duplicates
from alertd.core.alert import ChildAlert
from alertd.core.approval import open_roles
from alertd.core.errors import Conflict
from alertd.core.lifecycle import VersionState
from alertd.core.photo import Photo
from alertd.core.rendition import Kind, Rendition, manifest_digest
from alertd.core.ruleset import RuleSet
from alertd.pipeline.capcheck import refuse_broken
from alertd.pipeline.photos import attach, digests, of_alert
from alertd.pipeline.render import Subject
from alertd.pipeline.versions import Version, last_sent, open_facts
from alertd.store.schema import alerts, fingerprints, renditions, versions
from alertd.tools import Tools
from alertd.vault import Key

TO_OFFICIALS = frozenset({Kind.REQUEST, Kind.NOTICE})
"""Kinds that only officials get, before and beside what is approved: no part of the digest."""

Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A version's facts and renditions; nothing in it is readable without the alert's key."""

    facts: bytes
    regions: list[str]
    languages: list[str]
    expires_at: datetime
    photos: tuple[Photo, ...] = ()
    digest: str | None = None
    renditions: Rows = ()
    macs: frozenset[str] = frozenset()


def binding(alert: ChildAlert, rendered: Iterable[Rendition]) -> dict[str, object]:
    """Give what an approval is bound to besides the bytes: to whom, where and until when."""
    shown = {"photos": named} if (named := digests(alert)) else {}
    return shown | {
        "status": alert.status,
        "regions": sorted(alert.area.regions),
        "channels": sorted({r.channel for r in rendered if r.kind not in TO_OFFICIALS}),
        "expires_at": alert.expires_at.isoformat(),
        "languages": sorted(alert.languages),
    }


def digest_of(alert: ChildAlert, rendered: Collection[Rendition]) -> str:
    """Give the digest that approvers approve."""
    outgoing = [r for r in rendered if r.kind not in TO_OFFICIALS]
    return manifest_digest(outgoing, binding(alert, outgoing))


async def facts_only(
    tools: Tools, key: Key, alert: ChildAlert, *, alert_id: str | None = None
) -> Content:
    """Give the content of a draft: kept as it is, nothing rendered."""
    return Content(
        photos=await of_alert(tools, alert_id, alert),
        facts=key.seal(alert.model_dump_json().encode()),
        regions=sorted(tools.atlas.reaches(alert.area.regions)),
        languages=list(alert.languages),
        expires_at=alert.expires_at,
    )


def identifier(install: str, alert_id: str, number: int) -> str:
    """Give the identifier that a version has from its submission on."""
    return f"{install}.{alert_id}.{number}"


async def subject_of(
    tools: Tools, key: Key, version: Version, alert: ChildAlert, *, rules: RuleSet | None = None
) -> Subject:
    """Give what is rendered of a version: with `alert` for its facts, beside what went before."""
    before = await tools.store.read(last_sent, version.alert_id)
    return Subject(
        alert_id=version.alert_id,
        identifier=identifier(tools.install, version.alert_id, version.number),
        number=version.number,
        kind=version.kind,
        alert=alert,
        rules=rules or version.rules,
        previous=open_facts(key, before) if before else None,
        photos=await of_alert(tools, version.alert_id, alert),
    )


async def prepare(tools: Tools, key: Key, subject: Subject) -> Content:
    """Render, digest, seal and fingerprint what is to be approved; raises InvalidAlert."""
    return await asyncio.to_thread(_prepare, tools, key, subject)


def _prepare(tools: Tools, key: Key, subject: Subject) -> Content:
    alert = subject.alert
    rendered = [*tools.renderer.version(subject), *_requests(tools, subject)]
    refuse_broken(rendered, subject.rules, sender=tools.sender, expires_at=alert.expires_at)
    mac = tools.vault.master.mac
    return Content(
        facts=key.seal(alert.model_dump_json().encode()),
        regions=sorted(tools.atlas.reaches(alert.area.regions)),
        languages=list(alert.languages),
        expires_at=alert.expires_at,
        photos=subject.photos,
        digest=digest_of(alert, rendered),
        renditions=sealed(key, rendered),
        macs=frozenset(mac("fingerprint", text) for text in duplicates.keys(alert)),
    )


def _requests(tools: Tools, subject: Subject) -> list[Rendition]:
    return [
        rendition
        for role in open_roles(subject.rules, subject.kind, ())
        for rendition in tools.renderer.requests(
            rules=subject.rules,
            role=role.name,
            case_reference=subject.alert.case_reference,
            status=subject.alert.status,
            link=link_to(tools, subject.alert_id),
            languages=subject.rules.languages,
        )
    ]


def link_to(tools: Tools, alert_id: str) -> str:
    """Give the address at which an official finds an alert; it tells nothing of the child."""
    return f"{tools.console_url}/alerts/{alert_id}"


def sealed(key: Key, rendered: Iterable[Rendition]) -> Rows:
    """Give the rows that renditions are stored as, but for the version they belong to."""
    return [
        {
            "kind": r.kind,
            "variant": r.variant,
            "channel": r.channel,
            "language": r.language,
            "form": r.form,
            "media_type": r.media_type,
            "digest": r.digest,
            "body": key.seal(r.body),
        }
        for r in rendered
    ]


def store(conn: Connection, version_id: int, content: Content) -> None:
    """Replace what a version says."""
    conn.execute(
        update(versions)
        .where(versions.c.id == version_id)
        .values(
            facts=content.facts,
            regions=content.regions,
            languages=content.languages,
            digest=content.digest,
            expires_at=content.expires_at,
        )
    )
    alert_id = select(versions.c.alert_id).where(versions.c.id == version_id)
    attach(conn, version_id, conn.scalars(alert_id).one(), content.photos)
    conn.execute(
        delete(renditions).where(
            renditions.c.version_id == version_id, renditions.c.kind.not_in(TO_OFFICIALS)
        )
    )
    put(conn, version_id, content.renditions)
    conn.execute(delete(fingerprints).where(fingerprints.c.version_id == version_id))
    if content.macs:
        rows = [{"version_id": version_id, "mac": mac} for mac in sorted(content.macs)]
        conn.execute(insert(fingerprints), rows)


def put(conn: Connection, version_id: int, rows: Rows) -> None:
    """Store renditions in place of the ones of the same kind and variant.

    What officials were asked and told stays readable while it is still on its way to them.
    """
    for kind, variant in sorted({(row["kind"], row["variant"]) for row in rows}):
        conn.execute(
            delete(renditions).where(
                renditions.c.version_id == version_id,
                renditions.c.kind == kind,
                renditions.c.variant == variant,
            )
        )
    if rows:
        conn.execute(insert(renditions), [{"version_id": version_id} | row for row in rows])


def refuse_duplicate(
    conn: Connection, version: Version, alert: ChildAlert, content: Content, *, at: datetime
) -> None:
    """Raise Conflict when another alert is likely about the same child or car.

    An exercise is never taken for the real thing, nor the other way round.
    """
    if alert.not_a_duplicate_because is not None or not content.macs:
        return
    since = at - timedelta(hours=version.rules.duplicate_window_h)
    query = (
        select(alerts.c.id, versions.c.regions)
        .join(versions, versions.c.alert_id == alerts.c.id)
        .join(fingerprints, fingerprints.c.version_id == versions.c.id)
        .where(
            fingerprints.c.mac.in_(content.macs),
            alerts.c.id != version.alert_id,
            alerts.c.status == version.status,
            versions.c.submitted_at >= since,
            versions.c.state.not_in([VersionState.REJECTED, VersionState.CANCELLED]),
        )
        .order_by(versions.c.submitted_at.desc())
    )
    for other, reached in conn.execute(query):
        if not set(reached).isdisjoint(alert.area.regions):
            raise Conflict(
                "another alert is about the same child or vehicle in the same area; "
                "say in not_a_duplicate_because why this one is not",
                other=other,
            )
