"""What lasts when an alert is forgotten: that it was, and what can be counted of it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time

from sqlalchemy import Connection, RowMapping

from alertd.core.errors import InvalidAlert, Problem
from alertd.pipeline.deletions import read_deletions
from alertd.pipeline.jurisdiction import Eyes, Sight, sight
from alertd.shapes import DeletionView, Page, StatisticsView
from alertd.views import read_cursor
from alertd.watch.statistics import count_alerts
from alertd.web import auth
from alertd.web.forms import AuditQuery, Nothing, StatisticsQuery
from alertd.web.routes import AnyRoute, Call, Reply, Route

_READERS = frozenset({auth.OPERATOR, auth.READER, auth.APPROVER})


async def list_deletions(call: Call[Nothing, AuditQuery]) -> Reply:
    (after,) = read_cursor(call.query.cursor) or (0,)
    limit = call.query.limit
    rows = await call.tools.store.read(
        read_deletions, alert_id=call.query.alert_id, after=after, limit=limit + 1
    )
    last = str(rows[limit - 1]["id"]) if len(rows) > limit else None
    seen = await call.tools.store.read(_seen, sight(call.tools, call.actor), rows)
    items = [DeletionView(**row) for row in rows[:limit] if row["alert_id"] in seen]
    return Reply(Page(items=items, next_cursor=last))


def _seen(conn: Connection, sees: Sight | None, rows: Sequence[RowMapping]) -> set[str]:
    return Eyes(conn, sees).choose(row["alert_id"] for row in rows)


async def show_statistics(call: Call[Nothing, StatisticsQuery]) -> Reply:
    query = call.query
    if query.until <= query.since:
        raise InvalidAlert([Problem("until", "must be later than since")])
    shown = await call.tools.store.read(
        count_alerts,
        status=query.status,
        since=_begin(query.since),
        until=_begin(query.until),
        now=call.tools.clock(),
    )
    return Reply(shown)


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/api/v1/deletions",
        summary="List what of alerts was deleted for good, when and on what ground.",
        run=list_deletions,
        roles=_READERS,
        body=Nothing,
        query=AuditQuery,
        reply=Page[DeletionView],
    ),
    Route(
        method="GET",
        path="/api/v1/statistics",
        summary="Count alerts without identity, purged ones included.",
        run=show_statistics,
        roles=_READERS,
        body=Nothing,
        query=StatisticsQuery,
        reply=StatisticsView,
    ),
)
