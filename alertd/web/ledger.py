"""What became of an alert: renditions, deliveries, progress, dead letters, the record."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, select

from alertd import views
from alertd.core.approval import open_roles
from alertd.core.delivery import State
from alertd.core.errors import Conflict, Gone, NotFound, Refused
from alertd.core.lifecycle import VersionState
from alertd.pipeline import approve as approving
from alertd.pipeline import forecast as forecasting
from alertd.pipeline import requeue as requeueing
from alertd.pipeline import versions
from alertd.pipeline.contents import TO_OFFICIALS
from alertd.pipeline.jurisdiction import sight
from alertd.pipeline.versions import Version, standing
from alertd.shapes import (
    AuditEntry,
    DeadLetter,
    DeliveryView,
    Forecast,
    Page,
    ProgressView,
    RenditionsView,
    RenditionView,
    Requeued,
)
from alertd.store.schema import renditions
from alertd.vault import Key
from alertd.watch.auditlog import AuditFilter, read_entries
from alertd.web import auth
from alertd.web.alerts import facts_key
from alertd.web.forms import AuditQuery, DeliveriesQuery, Nothing, PageQuery, RenditionsQuery
from alertd.web.readable import readable
from alertd.web.routes import AnyRoute, Call, Reply, Route


async def list_deliveries(call: Call[Nothing, DeliveriesQuery]) -> Reply:
    query = call.query
    found = await call.tools.store.read(
        views.list_deliveries,
        call.alert_id,
        channel=query.channel,
        state=query.state,
        after=views.read_cursor(query.cursor, 2),
        limit=query.limit,
    )
    return Reply(found)


async def show_progress(call: Call[Nothing, Nothing]) -> Reply:
    now = call.tools.clock()
    return Reply(await call.tools.store.read(views.show_progress, call.alert_id, now))


async def show_forecast(call: Call[Nothing, Nothing]) -> Reply:
    return Reply(await forecasting.forecast(call.tools, call.alert_id))


async def list_dead_letters(call: Call[Nothing, PageQuery]) -> Reply:
    before = views.read_cursor(call.query.cursor)
    sees = sight(call.tools, call.actor)
    found = await call.tools.store.read(
        views.dead_letters, before=before, limit=call.query.limit, sees=sees
    )
    return Reply(found)


async def list_audit(call: Call[Nothing, AuditQuery]) -> Reply:
    (after,) = views.read_cursor(call.query.cursor) or (0,)
    wanted = AuditFilter(alert_id=call.query.alert_id, sees=sight(call.tools, call.actor))
    return Reply(
        await call.tools.store.read(read_entries, wanted, after=after, limit=call.query.limit)
    )


async def show_renditions(call: Call[Nothing, RenditionsQuery]) -> Reply:
    key = await facts_key(call.tools, call.actor, call.alert_id)
    if key is None:
        raise Gone("what this alert said was purged")
    version, missing, rows = await call.tools.store.read(
        _read_renditions, call.alert_id, live=call.query.live
    )
    shown = await asyncio.to_thread(_open_renditions, key, rows)
    roles = {role: await _would_activate(call, role) for role in missing}
    mine = [role for role, activates in roles.items() if activates is not None]
    return Reply(
        RenditionsView(
            alert_id=call.alert_id,
            version=version.number,
            state=version.state,
            digest=version.digest,
            missing=missing,
            you_may_approve_as=mine,
            your_approval_would_activate=any(roles.values()),
            renditions=shown,
        )
    )


def _read_renditions(
    conn: Connection, alert_id: str, *, live: bool
) -> tuple[Version, list[str], Sequence[RowMapping]]:
    version = versions.live(conn, alert_id) if live else versions.latest(conn, alert_id)
    if version is None:
        raise NotFound("no version of this alert is live")
    waits = version.state is VersionState.SUBMITTED
    still = open_roles(version.rules, version.kind, standing(conn, version)) if waits else ()
    outgoing = (renditions.c.version_id == version.id) & renditions.c.kind.not_in(TO_OFFICIALS)
    rows = conn.execute(select(renditions).where(outgoing).order_by(renditions.c.id))
    return version, [role.name for role in still], rows.mappings().all()


def _open_renditions(key: Key, rows: Sequence[RowMapping]) -> list[RenditionView]:
    return [
        RenditionView(**row, text=readable(row["media_type"], key.open(row["body"])))
        for row in rows
        if row["body"] is not None
    ]


async def _would_activate(call: Call[Nothing, RenditionsQuery], role: str) -> bool | None:
    """Tell whether this person's approval in `role` would be the last; None: may not give it."""
    try:
        seen = await approving.preview(call.tools, call.actor, call.alert_id, role=role)
    except Refused:
        return None
    return seen.would_activate


async def requeue(call: Call[Nothing, Nothing]) -> Reply:
    number = int(call.path("number"))
    await requeueing.requeue(call.tools, call.actor, number)
    return Reply(Requeued(id=number, state=State.QUEUED))


async def requeue_of_alert(call: Call[Nothing, Nothing]) -> Reply:
    await call.tools.store.read(views.delivery_of, call.alert_id, int(call.path("number")))
    return await requeue(call)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/api/v1/alerts/{id}/renditions",
        summary="Show the exact bytes that will go out, and the digest that approves them.",
        run=show_renditions,
        roles=frozenset({auth.SUBMITTER, auth.APPROVER}),
        body=Nothing,
        query=RenditionsQuery,
        reply=RenditionsView,
        problems=(NotFound, Gone),
    ),
    Route(
        method="GET",
        path="/api/v1/alerts/{id}/deliveries",
        summary="List an alert's deliveries; addresses are masked.",
        run=list_deliveries,
        roles=auth.EVERYONE,
        body=Nothing,
        query=DeliveriesQuery,
        reply=Page[DeliveryView],
        problems=(NotFound,),
    ),
    Route(
        method="GET",
        path="/api/v1/alerts/{id}/progress",
        summary="Count an alert's deliveries per dispatch, channel and state.",
        run=show_progress,
        roles=auth.EVERYONE,
        body=Nothing,
        query=Nothing,
        reply=ProgressView,
        problems=(NotFound,),
    ),
    Route(
        method="GET",
        path="/api/v1/alerts/{id}/forecast",
        summary="Tell how many people the newest version would reach, and until when.",
        run=show_forecast,
        roles=auth.EVERYONE,
        body=Nothing,
        query=Nothing,
        reply=Forecast,
        problems=(NotFound,),
    ),
    Route(
        method="POST",
        path="/api/v1/alerts/{id}/deliveries/{number}/requeue",
        summary="Try a dead or uncertain delivery of this alert once more.",
        run=requeue_of_alert,
        roles=frozenset({auth.OPERATOR}),
        body=Nothing,
        query=Nothing,
        reply=Requeued,
        problems=(NotFound, Conflict),
    ),
    Route(
        method="POST",
        path="/api/v1/deliveries/{number}/requeue",
        summary="Try a dead or uncertain delivery once more.",
        run=requeue,
        roles=frozenset({auth.OPERATOR}),
        body=Nothing,
        query=Nothing,
        reply=Requeued,
        problems=(NotFound, Conflict),
    ),
    Route(
        method="GET",
        path="/api/v1/dead-letters",
        summary="List what is not tried again by itself: dead and uncertain deliveries.",
        run=list_dead_letters,
        roles=frozenset({auth.OPERATOR, auth.READER}),
        body=Nothing,
        query=PageQuery,
        reply=Page[DeadLetter],
    ),
    Route(
        method="GET",
        path="/api/v1/audit",
        summary="Read the record from its beginning.",
        run=list_audit,
        roles=frozenset({auth.OPERATOR, auth.READER, auth.APPROVER}),
        body=Nothing,
        query=AuditQuery,
        reply=Page[AuditEntry],
    ),
)
