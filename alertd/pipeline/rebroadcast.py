"""The duty that sends a live alert again, as often as its rule set plans."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Connection, select

from alertd.core.lifecycle import VersionState
from alertd.core.ruleset import Rebroadcast
from alertd.pipeline.activate import Outgoing, dispatch
from alertd.pipeline.record import Entry, record
from alertd.pipeline.versions import Version, read_all, select_versions, take_version
from alertd.store.schema import dispatches, versions
from alertd.tools import ALERTD, Tools

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One repetition of a version: the first sending is number 0."""

    number: int
    due_at: datetime
    until: datetime  # when the next one of its plan takes its place
    plan: Rebroadcast


def occurrences(version: Version) -> list[Occurrence]:
    """Give every repetition of a version, numbered in the order of their moments.

    The rules of a version never change, so the numbers do not either.
    """
    if version.sent_at is None:
        return []
    planned = sorted(_planned(version, version.sent_at), key=lambda each: each[:2])
    plans = version.rules.rebroadcasts
    return [
        Occurrence(number, at, until, plans[place])
        for number, (at, place, until) in enumerate(planned, start=1)
    ]


def _planned(version: Version, sent_at: datetime) -> Iterator[tuple[datetime, int, datetime]]:
    for place, plan in enumerate(version.rules.rebroadcasts):
        moments = list(plan.moments(sent_at, version.expires_at))
        ends = [*moments[1:], version.expires_at]
        yield from ((at, place, until) for at, until in zip(moments, ends, strict=True))


async def rebroadcast(tools: Tools) -> int:
    """Open every repetition that is due now; gives how many.

    What was missed while alertd was away is not made up for: only the latest of a plan goes.
    """
    now = tools.clock()
    opened = 0
    for version in await tools.store.read(_planned_versions):
        if due := _due(version, now):
            opened += await tools.store.write(_open, version, due, tools.sender, now)
    return opened


def _due(version: Version, now: datetime) -> list[Occurrence]:
    return [each for each in occurrences(version) if each.due_at <= now < each.until]


def _planned_versions(conn: Connection) -> list[Version]:
    query = select_versions().where(versions.c.state == VersionState.ACTIVE)
    return [version for version in read_all(conn, query) if version.rules.rebroadcasts]


def _open(
    conn: Connection, seen: Version, due: list[Occurrence], sender: str, now: datetime
) -> int:
    version = take_version(conn, seen)
    if version.state is not VersionState.ACTIVE or version.expires_at <= now:
        return 0
    query = select(dispatches.c.occurrence).where(
        dispatches.c.version_id == version.id, dispatches.c.kind == version.kind
    )
    known = set(conn.scalars(query))
    missing = [each for each in due if each.number not in known]
    for each in missing:
        outgoing = Outgoing(
            kind=version.kind,
            deadline_at=each.until,
            occurrence=each.number,
            channels=[name for name in each.plan.channels if name != "feed"],
            classes=each.plan.classes or None,
        )
        dispatch(conn, version, outgoing, sender=sender, at=now)
        said = {"version": version.number, "occurrence": each.number}
        record(conn, Entry(ALERTD, "alert.rebroadcast", version.alert_id, said), at=now)
        log.info("alert.rebroadcast", alert_id=version.alert_id, occurrence=each.number)
    return len(missing)
