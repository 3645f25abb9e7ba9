"""An alert that is out: how far it has come, moving; and its end."""

import asyncio
import json
from typing import Any

from aiohttp import web

from alertd.console.officials.freshness import again, is_fresh
from alertd.console.officials.live import Live, as_event, read_live
from alertd.console.officials.previews import previews
from alertd.console.officials.record import Record, moment_of, open_bodies, open_record
from alertd.console.officials.remedies import remedies
from alertd.console.officials.showing import show
from alertd.console.pages import Answer, Page, Visit, get, post
from alertd.console.permissions import May
from alertd.core.errors import Conflict, InvalidAlert, NotAllowed
from alertd.core.rendition import Kind
from alertd.core.ruleset import EndReason
from alertd.pipeline import end as ending

EVERY_S = 1.0
LONGEST_S = 15 * 60.0  # then the browser asks again: whoever lost their session is noticed


async def show_events(visit: Visit) -> Answer:
    """Tell how far the alert has come whenever that changes, as server-sent events."""
    tools, alert_id = visit.tools, visit.path("id")
    live = await tools.store.read(read_live, alert_id, tools.clock())
    stream = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    await stream.prepare(visit.request)
    told = ""
    loop = asyncio.get_running_loop()
    until = loop.time() + LONGEST_S
    while loop.time() < until:
        said = json.dumps({**as_event(live, visit.words), "as_of": ""})
        await stream.write(b"event: here\ndata:\n\n" if said == told else _event(visit, live))
        told = said
        await asyncio.sleep(EVERY_S if live.moves else 5 * EVERY_S)
        live = await tools.store.read(read_live, alert_id, tools.clock())
    return stream


def _event(visit: Visit, live: Live) -> bytes:
    return f"data: {json.dumps(as_event(live, visit.words))}\n\n".encode()


async def show_progress(visit: Visit) -> Answer:
    """Give the same once, for whoever has no stream."""
    tools = visit.tools
    live = await tools.store.read(read_live, visit.path("id"), tools.clock())
    return web.json_response(as_event(live, visit.words))


# --- the end ---------------------------------------------------------------------------------


async def show_end(visit: Visit) -> Answer:
    """Show what ends the alert: the reason, and the words that everybody reached will read."""
    if not is_fresh(visit):
        return again(visit)
    record = await open_record(visit)
    return await _page(visit, record, visit.query("reason"))


async def _page(visit: Visit, record: Record, reason: str, **more: Any) -> Answer:
    version = record.live
    if version is None:
        raise Conflict("this alert is not live")
    if not record.i_may_end:
        raise NotAllowed("ending this alert is not yours to do")
    tools = visit.tools
    chosen = version.rules.end_reason(reason)
    bodies = await open_bodies(tools, version, _kind(chosen), chosen.name) if chosen else []
    moment = moment_of(tools, version)
    live = await tools.store.read(read_live, version.alert_id, tools.clock())
    context: dict[str, Any] = {
        "record": record,
        "version": version,
        "mode": record.mode,
        "act": _act(visit, chosen, live),
        "reasons": version.rules.end_reasons,
        "reason": chosen,
        "texts": [each for each in previews(bodies, moment) if each.tab == "sms"],
        "live": live,
        "errors": {},
        "typed": visit.form,
    }
    return await show(visit, "end.html.j2", **(context | more))


async def end(visit: Visit) -> Answer:
    record = await open_record(visit)
    form, reason = visit.form, visit.form.get("reason")
    errors = {}
    if not form.get("why"):
        errors["why"] = visit.say("Say why.")
    chosen = record.live.rules.end_reason(reason) if record.live else None
    if chosen is None:
        errors["reason"] = visit.say("Choose one.")
    if errors or chosen is None:
        return await _page(visit, record, reason, errors=errors)
    await visit.require_fresh_factor(f"/alerts/{record.version.alert_id}/end?reason={reason}")
    try:
        await ending.end(
            visit.tools,
            visit.actor,
            visit.path("id"),
            reason_code=reason,
            why=form.get("why"),
            confirm=True,
        )
    except InvalidAlert as error:
        told = remedies(error.problems, visit.language)
        return await _page(visit, record, reason, errors=told)
    if chosen.correction:
        await visit.flash("Withdrawn. Whoever got it is being told that it was wrong.")
    else:
        await visit.flash("Ended. Whoever was reached is being told, and the page says so.")
    return visit.redirect(f"/alerts/{visit.path('id')}")


def _act(visit: Visit, reason: EndReason | None, live: Live) -> str:
    """Name what the button does, and how many are told."""
    bars = [bar for each in live.sendings[:1] for bar in each.bars if bar.name != "feed"]
    reached = sum(bar.delivered + bar.sent for bar in bars)
    words = visit.words
    if reason is not None and reason.correction:
        if not reached:
            return words.say("Withdraw it: it has reached no recipient")
        return words.ngettext(
            "Withdraw it and tell the %(n)s person who got it",
            "Withdraw it and tell the %(n)s who got it",
            reached,
        )
    if not reached:
        return words.say("End it: it has reached no recipient")
    return words.ngettext(
        "End it and tell the %(n)s person who got it",
        "End it and tell the %(n)s who got it",
        reached,
    )


def _kind(reason: EndReason | None) -> Kind:
    return Kind.CORRECTION if reason and reason.correction else Kind.END


PAGES: tuple[Page, ...] = (
    get("/alerts/{id}/events", show_events, May.LIVE),
    get("/alerts/{id}/progress", show_progress, May.LIVE),
    get("/alerts/{id}/end", show_end, May.END),
    post("/alerts/{id}/end", end, May.END),
)
