"""An alert's life over HTTP: submit, edit, approve, return, reject, update, end."""

import asyncio
import re
from collections.abc import Sequence
from http import HTTPStatus

from alertd import views
from alertd.core.alert import ChildAlert
from alertd.core.cap import MEDIA_TYPE, OLD_MEDIA_TYPE, BrokenDocument
from alertd.core.errors import Conflict, InvalidAlert, NotFound, Problem, StaleVersion
from alertd.pipeline import approve as approving
from alertd.pipeline import edit as editing
from alertd.pipeline import end as ending
from alertd.pipeline import submit as submitting
from alertd.pipeline import update as updating
from alertd.pipeline.accountchanges import refuse_token
from alertd.pipeline.caprequest import CapRequest, read_request
from alertd.pipeline.jurisdiction import sight
from alertd.pipeline.signatures import warnings_of
from alertd.pipeline.submit import Origin, Submitted
from alertd.pipeline.versions import latest
from alertd.shapes import Accepted, AlertSummary, AlertView, ApprovalTaken, Page
from alertd.tools import Actor, Tools
from alertd.vault import Key
from alertd.web import auth
from alertd.web.forms import (
    AlertsQuery,
    ApprovalForm,
    Draft,
    EndForm,
    ExtensionForm,
    Nothing,
    ReasonForm,
)
from alertd.web.problems import BrokenBody, InvalidRequest, NotIdentical
from alertd.web.routes import AnyRoute, Call, Header, Reply, Route

_TAG = re.compile(r'"([0-9]{1,9})\.([0-9]{1,9})"')
_IF_MATCH = "the ETag of the alert as it was read"


async def list_alerts(call: Call[Nothing, AlertsQuery]) -> Reply:
    query = call.query
    found = await call.tools.store.read(
        views.list_alerts,
        state=query.state,
        before=query.cursor,
        limit=query.limit,
        sees=sight(call.tools, call.actor),
    )
    return Reply(found)


async def submit_alert(call: Call[ChildAlert, Draft]) -> Reply:
    key = _idempotency_key(call.request.headers.getall("Idempotency-Key", []))
    draft, origin, kept = call.query.draft, None, []
    if isinstance(asked := call.origin, CapRequest):
        key = key or asked.key
        origin = Origin(asked.document, asked.signer)
        kept = ["kept as a draft: the sender of this CAP is not registered"] if asked.draft else []
    done = await submitting.submit(
        call.tools,
        call.actor,
        call.body,
        draft=draft or bool(kept),
        idempotency_key=key,
        origin=origin,
    )
    location = f"/api/v1/alerts/{done.alert_id}"
    return await _accepted(call.tools, done, warnings=kept, Location=location)


async def read_cap(tools: Tools, data: bytes) -> tuple[ChildAlert, CapRequest]:
    """Read a request in CAP; raises BrokenBody, and what `read_request` raises."""
    try:
        asked = await asyncio.to_thread(read_request, data, tools.senders, tools.clock())
    except BrokenDocument as error:
        raise BrokenBody(f"the body {error}") from None
    return asked.alert, asked


async def show_alert(call: Call[Nothing, Nothing]) -> Reply:
    key = await facts_key(call.tools, call.actor, call.alert_id)
    shown = await call.tools.store.read(views.show_alert, call.alert_id, key)
    newest = shown.versions[0]
    return Reply(shown, {"ETag": f'"{newest.number}.{newest.revision}"'})


async def edit_alert(call: Call[ChildAlert, Nothing]) -> Reply:
    revision = await _matched(call, required=True)
    done = await editing.edit(call.tools, call.actor, call.alert_id, call.body, revision=revision)
    return await _accepted(call.tools, done)


async def submit_draft(call: Call[Nothing, Nothing]) -> Reply:
    revision = await _matched(call, required=False)
    done = await editing.submit_draft(call.tools, call.actor, call.alert_id, revision=revision)
    return await _accepted(call.tools, done)


async def approve_alert(call: Call[ApprovalForm, Nothing]) -> Reply:
    given = call.body
    await refuse_token(call.tools, call.actor)
    done = await approving.approve(
        call.tools,
        call.actor,
        call.alert_id,
        role=given.role,
        digest=given.digest,
        reference=given.reference or "",
    )
    return Reply(
        ApprovalTaken(
            id=call.alert_id,
            state=done.state,
            activated=done.activated,
            missing=list(done.missing),
        )
    )


async def return_alert(call: Call[ReasonForm, Nothing]) -> Reply:
    reason = call.body.reason
    state = await approving.send_back(call.tools, call.actor, call.alert_id, reason=reason)
    return Reply(Accepted(id=call.alert_id, state=state))


async def reject_alert(call: Call[ReasonForm, Nothing]) -> Reply:
    reason = call.body.reason
    state = await approving.reject(call.tools, call.actor, call.alert_id, reason=reason)
    return Reply(Accepted(id=call.alert_id, state=state))


async def update_alert(call: Call[ChildAlert, Nothing]) -> Reply:
    done = await updating.update(call.tools, call.actor, call.alert_id, call.body)
    return await _accepted(call.tools, done)


async def extend_alert(call: Call[ExtensionForm, Nothing]) -> Reply:
    until = call.body.expires_at
    done = await updating.extend(call.tools, call.actor, call.alert_id, expires_at=until)
    return await _accepted(call.tools, done)


async def end_alert(call: Call[EndForm, Nothing]) -> Reply:
    await refuse_token(call.tools, call.actor)
    state = await ending.end(
        call.tools,
        call.actor,
        call.alert_id,
        reason_code=call.body.reason_code,
        why=call.body.why,
        confirm=call.body.confirm,
    )
    return Reply(Accepted(id=call.alert_id, state=state))


async def facts_key(tools: Tools, actor: Actor, alert_id: str) -> Key | None:
    """Give the key to what an alert says, for those who may read it; else None.

    Operators and readers watch states and counts: they need no child's name for that.
    """
    key_id = await tools.store.read(views.key_id, alert_id)
    if actor.roles.isdisjoint({auth.SUBMITTER, *auth.approval_roles(tools.rulebook)}):
        return None
    try:
        return await tools.vault.key(key_id)
    except NotFound:  # purged
        return None


async def _accepted(
    tools: Tools, done: Submitted, *, warnings: Sequence[str] = (), **headers: str
) -> Reply:
    warnings = [*warnings, *await warnings_of(tools)]
    return Reply(Accepted(id=done.alert_id, state=done.state, warnings=warnings), headers)


def _idempotency_key(given: list[str]) -> str | None:
    if not given:
        return None
    if len(given) > 1 or not re.fullmatch(r"[!-~]{1,200}", given[0]):
        message = "must be one value of 1 to 200 printable ASCII characters"
        raise InvalidRequest([Problem("Idempotency-Key", message)])
    return given[0]


async def _matched(
    call: Call[ChildAlert, Nothing] | Call[Nothing, Nothing], *, required: bool
) -> int:
    """Give the revision that `If-Match` names; without one, where it may be, the present one."""
    now = await call.tools.store.read(latest, call.alert_id)
    given = call.request.headers.get("If-Match")
    if given is None:
        if required:
            raise NotIdentical(f"send If-Match with {_IF_MATCH}")
        return now.revision
    found = _TAG.fullmatch(given.strip())
    if found is None or int(found[1]) != now.number:
        raise StaleVersion("the alert is no longer the one that was read: read it again")
    return int(found[2])


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/api/v1/alerts",
        summary="List alerts, newest first.",
        run=list_alerts,
        roles=auth.EVERYONE,
        body=Nothing,
        query=AlertsQuery,
        reply=Page[AlertSummary],
    ),
    Route(
        method="POST",
        path="/api/v1/alerts",
        summary="Submit an alert, or with `draft=true` keep a draft.",
        run=submit_alert,
        roles=frozenset({auth.SUBMITTER}),
        body=ChildAlert,
        query=Draft,
        reply=Accepted,
        status=HTTPStatus.CREATED,
        headers=(
            Header("Idempotency-Key", "the same key and body again give the first answer again"),
        ),
        readers={MEDIA_TYPE: read_cap, OLD_MEDIA_TYPE: read_cap},
        gives=(Header("Location", "where the alert is"),),
        problems=(Conflict,),
    ),
    Route(
        method="GET",
        path="/api/v1/alerts/{id}",
        summary="Show an alert with its versions and approvals.",
        run=show_alert,
        roles=auth.EVERYONE,
        body=Nothing,
        query=Nothing,
        reply=AlertView,
        gives=(Header("ETag", "what If-Match wants"),),
        problems=(NotFound,),
    ),
    Route(
        method="PUT",
        path="/api/v1/alerts/{id}",
        summary="Change an alert that is not out yet; every approval of it is void.",
        run=edit_alert,
        roles=frozenset({auth.SUBMITTER}),
        body=ChildAlert,
        query=Nothing,
        reply=Accepted,
        headers=(Header("If-Match", _IF_MATCH, required=True),),
        problems=(NotFound, Conflict, StaleVersion, NotIdentical),
    ),
    Route(
        method="POST",
        path="/api/v1/alerts/{id}/submission",
        summary="Submit a draft, or an alert that was returned.",
        run=submit_draft,
        roles=frozenset({auth.SUBMITTER}),
        body=Nothing,
        query=Nothing,
        reply=Accepted,
        headers=(Header("If-Match", _IF_MATCH),),
        problems=(NotFound, Conflict, StaleVersion, InvalidAlert),
    ),
    Route(
        method="POST",
        path="/api/v1/alerts/{id}/approvals",
        summary="Approve exactly what `digest` names; the last approval sends the alert out.",
        run=approve_alert,
        roles=frozenset({auth.APPROVER}),
        body=ApprovalForm,
        query=Nothing,
        reply=ApprovalTaken,
        status=HTTPStatus.CREATED,
        problems=(NotFound, Conflict),
    ),
    Route(
        method="POST",
        path="/api/v1/alerts/{id}/returns",
        summary="Return an alert to its submitter for a change.",
        run=return_alert,
        roles=frozenset({auth.APPROVER}),
        body=ReasonForm,
        query=Nothing,
        reply=Accepted,
        status=HTTPStatus.CREATED,
        problems=(NotFound, Conflict),
    ),
    Route(
        method="POST",
        path="/api/v1/alerts/{id}/rejections",
        summary="Reject an alert for good.",
        run=reject_alert,
        roles=frozenset({auth.APPROVER, auth.SUBMITTER}),
        body=ReasonForm,
        query=Nothing,
        reply=Accepted,
        status=HTTPStatus.CREATED,
        problems=(NotFound, Conflict),
    ),
    Route(
        method="POST",
        path="/api/v1/alerts/{id}/updates",
        summary="Submit the next version of an alert that is out; the live one stands until then.",
        run=update_alert,
        roles=frozenset({auth.SUBMITTER}),
        body=ChildAlert,
        query=Nothing,
        reply=Accepted,
        status=HTTPStatus.CREATED,
        problems=(NotFound, Conflict),
    ),
    Route(
        method="POST",
        path="/api/v1/alerts/{id}/extensions",
        summary="Submit an update that changes nothing but when the live alert expires.",
        run=extend_alert,
        roles=frozenset({auth.SUBMITTER}),
        body=ExtensionForm,
        query=Nothing,
        reply=Accepted,
        status=HTTPStatus.CREATED,
        problems=(NotFound, Conflict),
    ),
    Route(
        method="POST",
        path="/api/v1/alerts/{id}/end",
        summary="End an alert and tell everyone who was told.",
        run=end_alert,
        roles=frozenset({auth.APPROVER}),
        body=EndForm,
        query=Nothing,
        reply=Accepted,
        problems=(NotFound, Conflict),
    ),
)
