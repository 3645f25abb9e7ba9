"""The duty that closes what has run out, and warns of what soon will."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from alertd.core.lifecycle import TRANSITIONS, Move, VersionState
from alertd.core.rendition import Kind
from alertd.pipeline import notices
from alertd.pipeline.activate import Outgoing, dispatch
from alertd.pipeline.dispatch import stop
from alertd.pipeline.notices import Notice
from alertd.pipeline.record import Entry, record
from alertd.pipeline.versions import Version, close, read_all, select_versions, take_version
from alertd.store.schema import versions
from alertd.tools import ALERTD, Tools

EXPIRING = frozenset(state for state, by in TRANSITIONS if by is Move.EXPIRE)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """The expiry of one version, ready to be written."""

    notice: Notice
    sender: str
    deadline_at: datetime
    at: datetime


async def expire(tools: Tools) -> int:
    """Close every version whose time is over; gives how many that were."""
    now = tools.clock()
    done = 0
    for version in await tools.store.read(_run_out, now):
        expiry = Expiry(
            notice=await notices.prepare(tools, version, "expired"),
            sender=tools.sender,
            deadline_at=now + tools.end_deadline,
            at=now,
        )
        async with tools.withdraw(version.alert_id):
            done_now = await tools.store.write(_expire, version, expiry)
        if done_now:
            log.info("alert.expired", alert_id=version.alert_id, version=version.number)
            done += 1
    return done


async def warn(tools: Tools) -> int:
    """Tell the officials of each live alert that it will expire soon, once."""
    now = tools.clock()
    warned = 0
    for version in await tools.store.read(_running_out, now):
        notice = await notices.prepare(tools, version, "expiring")
        warned += await tools.store.write(_warn, version, notice, now)
    return warned


def _run_out(conn: Connection, now: datetime) -> list[Version]:
    query = select_versions().where(versions.c.state.in_(EXPIRING), versions.c.expires_at <= now)
    return read_all(conn, query.order_by(versions.c.expires_at))


def _running_out(conn: Connection, now: datetime) -> list[Version]:
    query = select_versions().where(
        versions.c.state == VersionState.ACTIVE, versions.c.expires_at > now
    )
    return [
        version
        for version in read_all(conn, query)
        if version.expires_at - _warned_before(version) <= now
        and not notices.told(conn, version, "expiring")
    ]


def _warned_before(version: Version) -> timedelta:
    """Give what the rule set says, or a quarter of its life if that is shorter."""
    sent_at = version.sent_at or version.expires_at
    return min(version.rules.warn_before, (version.expires_at - sent_at) / 4)


def _expire(conn: Connection, seen: Version, expiry: Expiry) -> bool:
    version = take_version(conn, seen)
    if version.state not in EXPIRING or version.expires_at > expiry.at:
        return False
    was_live = version.state is VersionState.ACTIVE
    close(conn, version, Move.EXPIRE, reason="expired", at=expiry.at)
    if was_live:
        stop(conn, version.alert_id, expiry.at)
        if channels := version.rules.notify_expiry:
            outgoing = Outgoing(kind=Kind.EXPIRY, deadline_at=expiry.deadline_at, channels=channels)
            dispatch(conn, version, outgoing, sender=expiry.sender, at=expiry.at)
    notices.tell(conn, version, expiry.notice, notices.involved(conn, version), at=expiry.at)
    said = {"version": version.number, "was": version.state}
    record(conn, Entry(ALERTD, "alert.expired", version.alert_id, said), at=expiry.at)
    return True


def _warn(conn: Connection, seen: Version, notice: Notice, now: datetime) -> bool:
    version = take_version(conn, seen)
    if version.state is not VersionState.ACTIVE or notices.told(conn, version, notice.event):
        return False
    notices.tell(conn, version, notice, notices.involved(conn, version), at=now)
    record(conn, Entry(ALERTD, "alert.expiring", version.alert_id), at=now)
    return True
