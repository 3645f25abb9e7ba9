"""An alert's page, and what is decided there: approve, return, reject."""

import asyncio
from typing import Any

from aiohttp import web

from alertd import views
from alertd.console.officials.charts import Map, draw
from alertd.console.officials.framing import frame_answer
from alertd.console.officials.freshness import again, is_fresh
from alertd.console.officials.live import read_live
from alertd.console.officials.pictures import with_pictures
from alertd.console.officials.previews import Body, framed, previews, tabs_of
from alertd.console.officials.record import (
    Record,
    area_of,
    counting,
    moment_of,
    open_bodies,
    open_record,
)
from alertd.console.officials.showing import show
from alertd.console.pages import Answer, Page, Visit, get, post
from alertd.console.permissions import May
from alertd.core.approval import needed_roles
from alertd.core.errors import Conflict, Gone, NotAllowed, NotFound
from alertd.core.lifecycle import VersionState
from alertd.core.rendition import Kind
from alertd.pipeline import approve as approving
from alertd.pipeline.audience import COUNTING_S
from alertd.pipeline.forecast import forecast_soon
from alertd.pipeline.jurisdiction import sight
from alertd.pipeline.versions import Version, key_of, last_sent, latest, open_facts
from alertd.tools import Tools

LISTED = 50


async def list_alerts(visit: Visit) -> Answer:
    """List the alerts, newest first; by case reference, for a list stays open on a wall."""
    chosen = visit.query("state")
    state = VersionState(chosen) if chosen in set(VersionState) else None
    cursor = visit.query("cursor") or None
    page = await visit.tools.store.read(
        views.list_alerts,
        state=state,
        before=cursor,
        limit=LISTED,
        sees=sight(visit.tools, visit.actor),
    )
    return await show(visit, "alerts.html.j2", page=page, chosen=state or "", width="wide")


async def show_alert(visit: Visit) -> Answer:
    """Lead whoever comes, by whatever link, to what they have to do."""
    record = await open_record(visit)
    return await _page(visit, record)


async def _page(visit: Visit, record: Record, **more: Any) -> Answer:
    tools = visit.tools
    waits = record.waits and record.alert is not None
    context: dict[str, Any] = {
        "record": record,
        "version": record.version,
        "mode": record.mode,
        "reach": await forecast_soon(tools, record.version.alert_id) if waits else None,
        "foreseen": waits,
        "live": await tools.store.read(read_live, record.version.alert_id, tools.clock())
        if record.sent
        else None,
        "area": area_of(visit, record),
        "width": "wide",
        "errors": {},
        "typed": visit.form,
    }
    return await show(visit, "alert.html.j2", **(context | more))


# --- previews --------------------------------------------------------------------------------


async def show_preview(visit: Visit) -> Answer:
    """Show every message of the newest version as its readers will see it."""
    record = await open_record(visit)
    if record.alert is None:
        raise Gone("what this alert said was purged, or is not yours to read")
    version, tools = record.version, visit.tools
    bodies = await open_bodies(tools, version, version.kind)
    old = await _before(tools, version)
    return await show(
        visit,
        "preview.html.j2",
        record=record,
        version=version,
        mode=record.mode,
        compared=bool(old),
        tabs=tabs_of({body.channel for body in bodies}),
        previews=previews(bodies, moment_of(tools, version), old),
        tab=visit.query("tab", "sms"),
        shown=visit.query("language", version.rules.languages[0]),
        frames=f"/alerts/{version.alert_id}/frames",
        here=f"/alerts/{version.alert_id}/preview",
    )


async def _before(tools: Tools, version: Version) -> list[Body]:
    """Give what went out before this version; nothing of a first one."""
    before = await tools.store.read(last_sent, version.alert_id)
    if before is None or before.number >= version.number:
        return []
    return await open_bodies(tools, before, before.kind)


async def show_frame(visit: Visit) -> Answer:
    version = await visit.tools.store.read(counting, visit.path("id"))
    bodies = await open_bodies(visit.tools, version, version.kind)
    body = next((each for each in bodies if each.frame == visit.path("name")), None)
    if body is None:
        raise NotFound("there is no such preview")
    alert = open_facts(await key_of(visit.tools, version), version)
    before = await _before(visit.tools, version)
    shown = await asyncio.to_thread(framed, body, moment_of(visit.tools, version), before)
    html = await with_pictures(visit.tools, version.alert_id, alert, shown)
    return frame_answer(html)


# --- decisions -------------------------------------------------------------------------------


async def find_approval(visit: Visit) -> Answer:
    """Lead to the approval that is this person's to give, or to why there is none."""
    record = await open_record(visit)
    mine = [f"/approve/{role}" for role in record.i_may_approve_as]
    return visit.redirect(f"/alerts/{record.version.alert_id}{mine[0] if len(mine) == 1 else ''}")


async def show_approval(visit: Visit) -> Answer:
    """Show exactly what an approval would send, how many, and where."""
    if not is_fresh(visit):
        return again(visit)
    record = await open_record(visit)
    role = visit.path("code")
    if role not in record.i_may_approve_as:
        raise _why_not(record, role)
    return await _confirmation(visit, record, role)


async def _confirmation(visit: Visit, record: Record, role: str, **more: Any) -> Answer:
    seen = await approving.preview(visit.tools, visit.actor, record.version.alert_id, role=role)
    reach = await forecast_soon(visit.tools, record.version.alert_id)
    people = sum(channel.addresses for channel in reach.channels) if reach else None
    area = area_of(visit, record)
    context: dict[str, Any] = {
        "record": record,
        "version": record.version,
        "mode": record.mode,
        "area": area,
        "map": _map(visit, record),
        "people": people,
        "act": _act(visit, record, people, area, last=seen.would_activate),
        "hand": next(hand for hand in record.hands if hand.role == role),
        "digest": seen.digest,
        "last": seen.would_activate,
        "reach": reach,
        "changed": visit.page.method == "POST" and visit.form.get("digest") != seen.digest,
        "errors": {},
        "typed": visit.form,
    }
    return await show(visit, "approve.html.j2", **(context | more))


def _map(visit: Visit, record: Record) -> Map | None:
    if record.alert is None:
        return None
    country = record.version.rules.country
    return draw(visit.tools.atlas, country, record.alert.area, visit.language)


async def await_count(visit: Visit) -> Answer:
    """Tell whether the audience is counted: once it is, or in a while."""
    reach = await forecast_soon(visit.tools, visit.path("id"), within=COUNTING_S)
    return web.json_response({"counted": reach is not None})


async def approve(visit: Visit) -> Answer:
    """Approve what was shown, and nothing else; the second factor is asked for anew.

    Whoever read a text that was changed meanwhile is shown what it says now.
    """
    version = await visit.tools.store.read(latest, visit.path("id"))
    role, form = visit.path("code"), visit.form
    if form.get("digest") != version.digest:
        record = await open_record(visit)
        return await _confirmation(visit, record, role)
    if errors := _unconfirmed(visit, version, role):  # first: a second factor serves for one act
        record = await open_record(visit)
        return await _confirmation(visit, record, role, errors=errors)
    await visit.require_fresh_factor(f"/alerts/{version.alert_id}/approve/{role}")
    done = await approving.approve(
        visit.tools,
        visit.actor,
        version.alert_id,
        role=role,
        digest=form.get("digest"),
        reference=form.get("reference"),
    )
    if done.activated:
        await visit.flash("Approved by everybody. It is going out now.")
    else:
        await visit.flash("Approved. It goes out once the others have approved too.")
    return visit.redirect(f"/alerts/{version.alert_id}")


def _act(visit: Visit, record: Record, people: int | None, area: str, *, last: bool) -> str:
    """Name what the button does, and to how many where that is counted."""
    if people is None:
        return _act_uncounted(visit, record, area, last=last)
    if not people:
        return _act_for_nobody(visit, record, last=last)
    words = visit.words
    if record.exercise and last:
        return words.ngettext(
            "Send the exercise to %(n)s recipient in %(area)s",
            "Send the exercise to %(n)s recipients in %(area)s",
            people,
            area=area,
        )
    if last:
        return words.ngettext(
            "Send to %(n)s person in %(area)s",
            "Send to %(n)s people in %(area)s",
            people,
            area=area,
        )
    if record.exercise:
        return words.ngettext(
            "Approve the exercise for %(n)s recipient in %(area)s",
            "Approve the exercise for %(n)s recipients in %(area)s",
            people,
            area=area,
        )
    return words.ngettext(
        "Approve for %(n)s person in %(area)s",
        "Approve for %(n)s people in %(area)s",
        people,
        area=area,
    )


def _act_for_nobody(visit: Visit, record: Record, *, last: bool) -> str:
    """Name what the button does where no recipient is registered: it is published, no more."""
    if record.exercise and last:
        return visit.say("Publish the exercise on its page and in its feed alone")
    if last:
        return visit.say("Publish it on the page and in the feeds alone")
    if record.exercise:
        return visit.say("Approve the exercise for its page and its feed alone")
    return visit.say("Approve it for the page and the feeds alone")


def _act_uncounted(visit: Visit, record: Record, area: str, *, last: bool) -> str:
    if record.exercise and last:
        return visit.say("Send the exercise to all recipients in %(area)s", area=area)
    if last:
        return visit.say("Send to everybody in %(area)s", area=area)
    if record.exercise:
        return visit.say("Approve the exercise for all recipients in %(area)s", area=area)
    return visit.say("Approve for everybody in %(area)s", area=area)


def _unconfirmed(visit: Visit, version: Version, role: str) -> dict[str, str]:
    """Tell what is missing: for an actual alert its case reference, an order's own for some."""
    found, form = {}, visit.form
    if not version.exercise and form.get("typed") != version.case_reference:
        found["typed"] = visit.say("Type the case reference as it stands above; capitals count.")
    needed = needed_roles(version.rules, version.kind)
    refers = any(each.name == role and each.reference_required for each in needed)
    if refers and not form.get("reference"):
        found["reference"] = visit.say("Give the reference of the order.")
    return found


def _why_not(record: Record, role: str) -> Exception:
    if not record.waits:
        return Conflict("this alert waits for no approval now")
    if record.i_wrote_it:
        return NotAllowed("whoever wrote an alert cannot approve it")
    if any(hand.role == role and not hand.missing for hand in record.hands):
        return Conflict("this approval was given already")
    return NotAllowed("this approval is not yours to give")


async def send_back(visit: Visit) -> Answer:
    return await _refuse(visit, back=True)


async def reject(visit: Visit) -> Answer:
    return await _refuse(visit, back=False)


async def _refuse(visit: Visit, *, back: bool) -> Answer:
    alert_id, reason = visit.path("id"), visit.form.get("reason")
    act = approving.send_back if back else approving.reject
    if not reason:
        record = await open_record(visit)
        return await _page(visit, record, errors={"reason": visit.say("Say why.")})
    version = await visit.tools.store.read(latest, alert_id)
    await act(visit.tools, visit.actor, alert_id, reason=reason)
    if back:
        await visit.flash("Returned. Whoever wrote it is being told why.")
    elif version.kind is Kind.UPDATE:
        await visit.flash("The update cannot go out any more. The alert stays as it went out.")
    elif version.created_by == visit.actor.person_id:
        await visit.flash("Withdrawn. It cannot go out any more.")
    else:
        await visit.flash("Rejected. It cannot go out any more.")
    return visit.redirect(f"/alerts/{alert_id}")


PAGES: tuple[Page, ...] = (
    get("/alerts/{id}", show_alert, May.SEE_ALERTS),
    get("/alerts/{id}/preview", show_preview, May.PREVIEW),
    get("/alerts/{id}/frames/{name}", show_frame, May.PREVIEW),
    get("/alerts", list_alerts, May.SEE_ALERTS),
    get("/alerts/{id}/live", show_alert, May.LIVE),
    get("/alerts/{id}/approve", find_approval, May.APPROVE),
    get("/alerts/{id}/approve/{code}", show_approval, May.APPROVE),
    post("/alerts/{id}/approve/{code}", approve, May.APPROVE),
    get("/alerts/{id}/counted", await_count, May.READ_RECORD),
    post("/alerts/{id}/return", send_back, May.APPROVE),
    post("/alerts/{id}/reject", reject, May.READ_RECORD),
)
