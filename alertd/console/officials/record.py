"""One alert as its officials read it: what it says, where it stands, who acts next."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, RowMapping, select

from alertd.console.officials.decisions import Decision, read_decision
from alertd.console.officials.differences import Difference, differences, rows
from alertd.console.officials.hands import Hand, read_hands
from alertd.console.officials.previews import Body, Moment
from alertd.console.pages import Visit
from alertd.console.permissions import May
from alertd.core.alert import ChildAlert
from alertd.core.errors import NotFound, Refused
from alertd.core.lifecycle import FINAL, VersionState
from alertd.core.rendition import Kind
from alertd.core.ruleset import Words
from alertd.pipeline import approve as approving
from alertd.pipeline.facts import allowed
from alertd.pipeline.jurisdiction import decides_on
from alertd.pipeline.record import Entry, record
from alertd.pipeline.versions import (
    Version,
    key_of,
    last_sent,
    latest,
    live,
    open_facts,
)
from alertd.pipeline.wording import Wording
from alertd.store.schema import persons, renditions
from alertd.tools import Tools
from alertd.vault import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An alert, read for one visitor; what it says of a child only where they may read that."""

    version: Version  # the newest; of an alert that went out, the newest not rejected
    live: Version | None
    author: str
    hands: Sequence[Hand]
    alert: ChildAlert | None
    rows: Sequence[tuple[str, str]]
    changes: Sequence[Difference]
    i_may_approve_as: Sequence[str]
    mine_is_last: bool
    i_wrote_it: bool
    i_may_refuse: bool
    i_may_end: bool
    purged: bool
    decision: Decision | None  # that explains where it stands
    reason: str  # what whoever decided wrote

    @property
    def exercise(self) -> bool:
        return self.version.exercise

    @property
    def mode(self) -> str:
        """Say which bar stands on top of its pages."""
        return "exercise" if self.exercise else "actual"

    @property
    def waits(self) -> bool:
        return self.version.state is VersionState.SUBMITTED

    @property
    def over(self) -> bool:
        """Tell whether it holds no more, so that its validity would mislead."""
        return self.version.state in FINAL

    @property
    def may_refuse(self) -> bool:
        return self.waits and (self.i_may_refuse or self.i_wrote_it)

    def hand(self, role: str) -> Hand:
        return next(hand for hand in self.hands if hand.role == role)

    def missing_titles(self, told: Callable[[Words], str]) -> list[str]:
        """Name the hands that are missing, in the reader's language."""
        return [told(hand.title) for hand in self.hands if hand.missing]

    @property
    def sent(self) -> bool:
        return self.live is not None or self.version.sent_at is not None


@dataclass(frozen=True, slots=True)
class _Read:
    version: Version
    live: Version | None
    before: Version | None
    author: str
    hands: Sequence[Hand]
    decision: Decision | None


async def open_record(visit: Visit) -> Record:
    """Read an alert; raises NotFound. Who may read what it says leaves a line in the audit log."""
    tools, alert_id = visit.tools, visit.path("id")
    read = await tools.store.read(_read, alert_id)
    key = await _key(visit, read.version)
    alert = open_facts(key, read.version) if key else None
    if alert is not None:
        await tools.store.write(_note, visit.actor.label, read.version, tools.clock())
    wording = wording_of(visit, read.version, alert)
    told = alert and allowed(alert, read.version.rules, wording.catalogue.language)
    changes: Sequence[Difference] = ()
    if key and alert and read.before and read.before.facts is not None:
        old = open_facts(key, read.before)
        changes = differences(old, alert, wording, tools.atlas)
    roles = visit.actor.roles
    open_to_me = [hand.role for hand in read.hands if hand.missing and hand.role in roles]
    mine = {role: await _would_activate(visit, role) for role in open_to_me}
    decides = await decides_on(tools, visit.actor, alert_id)
    needed = {hand.role for hand in read.hands}
    wrote = read.version.created_by == visit.actor.person_id
    decision = _decided(read)
    return Record(
        version=read.version,
        live=read.live,
        author=read.author,
        hands=read.hands,
        alert=alert,
        rows=rows(told, wording, tools.atlas) if told else (),
        changes=changes,
        i_may_approve_as=[role for role, last in mine.items() if last is not None],
        mine_is_last=any(mine.values()),
        i_wrote_it=wrote,
        i_may_refuse=decides and not wrote and not roles.isdisjoint(needed),
        i_may_end=decides and not roles.isdisjoint(read.version.rules.end_roles),
        purged=read.version.facts is None,
        decision=decision,
        reason=decision.told(key) if decision and key else "",
    )


def counting(conn: Connection, alert_id: str) -> Version:
    """Give the version that an alert stands by: a rejected update changes nothing of it."""
    version = latest(conn, alert_id)
    rejected = version.state is VersionState.REJECTED
    return (last_sent(conn, alert_id) if rejected else None) or version


async def open_bodies(tools: Tools, version: Version, kind: Kind, variant: str = "") -> list[Body]:
    """Give what a version sends, opened: its own message, or the end for a reason."""
    key = await key_of(tools, version)
    stored = await tools.store.read(_renditions, version.id, kind, variant)
    return await asyncio.to_thread(_bodies, key, stored)


def wording_of(visit: Visit, version: Version, alert: ChildAlert | None) -> Wording:
    languages = version.rules.languages
    chosen = visit.language if visit.language in languages else languages[0]
    zone = ZoneInfo(version.rules.authority_timezone)
    catalogue = visit.tools.renderer.templates.catalogue(chosen)
    return Wording(catalogue, zone, alert.languages[0] if alert else chosen)


def area_of(visit: Visit, record: Record) -> str:
    """Name the regions that are told: of an alert that was purged, those it reached."""
    atlas = visit.tools.atlas
    codes = record.alert.area.regions if record.alert else record.version.regions[:3]
    return ", ".join(atlas.name(code, visit.language) for code in codes)


def moment_of(tools: Tools, version: Version) -> Moment:
    return Moment(
        at=version.sent_at or tools.clock(),
        zone=version.rules.authority_timezone,
        public_url=tools.public_url,
    )


async def _key(visit: Visit, version: Version) -> Key | None:
    if May.READ_RECORD not in visit.may or version.facts is None:
        return None
    try:
        return await key_of(visit.tools, version)
    except NotFound:  # purged
        return None


async def _would_activate(visit: Visit, role: str) -> bool | None:
    """Tell whether this person's approval would be the last; None: may not give it."""
    try:
        seen = await approving.preview(visit.tools, visit.actor, visit.path("id"), role=role)
    except Refused:
        return None
    return seen.would_activate


def _read(conn: Connection, alert_id: str) -> _Read:
    version, before = counting(conn, alert_id), last_sent(conn, alert_id)
    author = conn.scalar(select(persons.c.name).where(persons.c.id == version.created_by))
    return _Read(
        version=version,
        live=live(conn, alert_id),
        before=before if before and before.number < version.number else None,
        author=author or "",
        hands=read_hands(conn, version),
        decision=read_decision(conn, alert_id),
    )


def _decided(read: _Read) -> Decision | None:
    """Give the decision that explains where the version stands, or that its update has none."""
    found, version = read.decision, read.version
    if found is None:
        return None
    holds = found.state is version.state and found.version == version.number
    against_update = found.state is VersionState.REJECTED and found.version > version.number
    return found if holds or against_update else None


def _note(conn: Connection, actor: str, version: Version, at: datetime) -> None:
    record(
        conn,
        Entry(actor, "alert.read", version.alert_id, {"version": version.number}),
        at=at,
    )


def _renditions(
    conn: Connection, version_id: int, kind: Kind, variant: str
) -> Sequence[RowMapping]:
    query = select(renditions).where(
        renditions.c.version_id == version_id,
        renditions.c.kind == kind,
        renditions.c.variant == variant,
    )
    return conn.execute(query.order_by(renditions.c.id)).mappings().all()


def _bodies(key: Key, stored: Sequence[RowMapping]) -> list[Body]:
    return [
        Body(
            channel=row["channel"],
            language=row["language"],
            form=row["form"],
            media_type=row["media_type"],
            data=key.open(row["body"]),
        )
        for row in stored
        if row["body"] is not None
    ]
