"""Tells officials what became of an alert: its case reference and a link, nothing of the child."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, exists, select

from alertd.core.rendition import Kind
from alertd.pipeline.contents import Rows, link_to, put, sealed
from alertd.pipeline.dispatch import Dispatch, open_direct
from alertd.pipeline.people import addressees
from alertd.pipeline.versions import Version, key_of
from alertd.store.schema import approvals, dispatches, versions
from alertd.tools import Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """News for officials, rendered before the transaction that makes it true."""

    event: str  # the variant of its renditions: `ended`
    rows: Rows
    deadline_at: datetime


async def prepare(
    tools: Tools, version: Version, event: str, channels: Sequence[str] = ()
) -> Notice:
    key = await key_of(tools, version)
    rendered = await asyncio.to_thread(
        tools.renderer.notice,
        rules=version.rules,
        event=event,
        case_reference=version.case_reference,
        status=version.status,
        link=link_to(tools, version.alert_id),
        channels=channels,
    )
    deadline = tools.clock() + tools.end_deadline
    return Notice(event=event, rows=sealed(key, rendered), deadline_at=deadline)


def tell(
    conn: Connection, version: Version, notice: Notice, people: Collection[int], *, at: datetime
) -> None:
    """Send a notice to these persons, by every address they have; once per revision."""
    if told(conn, version, notice.event):
        return
    put(conn, version.id, notice.rows)
    dispatch = Dispatch(
        alert_id=version.alert_id,
        version_id=version.id,
        kind=Kind.NOTICE,
        variant=notice.event,
        occurrence=version.revision,
        identifier=f"{version.identifier}.notice.{notice.event}.{version.revision}",
        exercise=version.exercise,
        sent_at=at,
        deadline_at=notice.deadline_at,
    )
    reached = addressees(conn, people)
    open_direct(conn, dispatch, [(each.address_id, each.language) for each in reached])


def told(conn: Connection, version: Version, event: str) -> bool:
    """Tell whether this revision's officials had that notice."""
    query = exists().where(
        dispatches.c.version_id == version.id,
        dispatches.c.kind == Kind.NOTICE,
        dispatches.c.variant == event,
        dispatches.c.occurrence == version.revision,
    )
    return bool(conn.scalar(select(query)))


def involved(conn: Connection, version: Version) -> set[int]:
    """Give who submitted any version of the alert, and whose approval of one stands."""
    mine = versions.c.alert_id == version.alert_id
    authors = conn.scalars(select(versions.c.created_by).where(mine))
    approvers = conn.scalars(
        select(approvals.c.person_id)
        .join(versions, versions.c.id == approvals.c.version_id)
        .where(mine, approvals.c.voided_at.is_(None))
    )
    return {*authors, *approvers}
