"""The report of an alert: what happened when, whom it reached, what failed, who approved it.

It says nothing of the child, so that it can be kept when the child's record is gone.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, text

from alertd.pipeline.aftermath import read_answers, read_gone
from alertd.shapes import AlertView, EndpointAnswer, ProgressView, TakenDown
from alertd.store.schema import HALTED, deliveries, dispatches
from alertd.views import show_alert, show_progress
from alertd.watch.auditlog import AuditFilter, AuditLine, find_entries
from alertd.watch.dispatchlog import HALTED_STATES

ENTRIES = 500
LOOKED_AT = 20_000  # failures whose reasons are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """How many deliveries of one kind of message ended in one way."""

    kind: str
    channel: str
    state: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    alert: AlertView
    progress: ProgressView
    failures: tuple[Failures, ...]
    more_failures: int  # beyond those that were looked at
    gone: tuple[TakenDown, ...]  # all that was public
    answers: tuple[EndpointAnswer, ...]  # of those who were asked to delete it
    timeline: tuple[AuditLine, ...]  # oldest first
    as_of: datetime


def read_report(conn: Connection, alert_id: str, now: datetime, *, public_url: str) -> Report:
    """Give the whole report; raises NotFound."""
    alert = show_alert(conn, alert_id, None)
    seen, failures = show_progress(conn, alert_id, now), failures_of(conn, alert_id)
    entries = find_entries(conn, AuditFilter(alert_id=alert_id), before=None, limit=ENTRIES)
    return Report(
        alert=alert,
        progress=seen,
        failures=tuple(failures),
        more_failures=_given_up(seen) - sum(each.count for each in failures),
        gone=tuple(read_gone(conn, alert_id, public_url=public_url)),
        answers=tuple(read_answers(conn, alert_id)),
        timeline=tuple(reversed(entries.lines)),
        as_of=now,
    )


def _given_up(seen: ProgressView) -> int:
    return sum(
        tally.count
        for dispatch in seen.dispatches
        for channel in dispatch.channels
        for state, tally in channel.states.items()
        if state in HALTED_STATES
    )


def failures_of(conn: Connection, alert_id: str, most: int = LOOKED_AT) -> list[Failures]:
    """Count what was given up, by reason: from the index of the halted alone, and no more."""
    halted = (
        select(dispatches.c.kind, deliveries.c.channel, deliveries.c.state, deliveries.c.reason)
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .where(dispatches.c.alert_id == alert_id, text(f"deliveries.{HALTED}"))
        .limit(most)
        .subquery()
    )
    alike = (halted.c.kind, halted.c.channel, halted.c.state, halted.c.reason)
    rows = conn.execute(
        select(*alike, func.count())
        .group_by(*alike)
        .order_by(halted.c.kind, halted.c.channel, func.count().desc())
    )
    return [
        Failures(kind=kind, channel=channel, state=state, reason=reason or "", count=count)
        for kind, channel, state, reason, count in rows
    ]
