"""The report of an alert, as a document to print or to save."""

from collections.abc import Mapping
from typing import Any

from alertd.console.naming import end_reason, programme_name, region_names, role_name
from alertd.console.operators.audit import shown as shown_entry
from alertd.console.operators.board import watcher_of
from alertd.console.operators.letters import LETTERS
from alertd.console.operators.lists import link
from alertd.console.operators.words import KINDS, STATES, lane_of, reason_of, span
from alertd.console.pages import Answer, Page, Visit, get
from alertd.console.permissions import May
from alertd.console.rendering import N_
from alertd.core.delivery import State
from alertd.pipeline.surfaces import What
from alertd.pipeline.wording import autonym
from alertd.shapes import ChannelProgress, DispatchProgress, EndpointAnswer
from alertd.watch.report import Failures, Report, read_report

NONE = "\u2013"
PUBLIC: Mapping[str, str] = {
    What.FEED: N_("entry in the feeds"),
    What.PAGE: N_("public page"),
    What.CAP: N_("CAP document"),
    What.PHOTO: N_("photo"),
}
FAILED = (State.DEAD, State.EXPIRED)


async def report(visit: Visit) -> Answer:
    tools = visit.tools
    found: Report = await tools.store.read(
        read_report, visit.path("id"), tools.clock(), public_url=tools.public_url
    )
    chain = watcher_of(visit).chain
    return await visit.render(
        "operators/report.html.j2",
        width="wide",
        alert=found.alert,
        mode="exercise" if found.alert.status != "actual" else "",
        as_of=found.as_of,
        reach=[
            _reach(visit, dispatch, channel)
            for dispatch in found.progress.dispatches
            for channel in dispatch.channels
        ],
        failures=[_failure(visit, each) for each in found.failures],
        more_failures=found.more_failures,
        export=link("/log.csv", {"alert": found.alert.id, "state": State.DEAD}),
        gone=[{**each.model_dump(), "what": visit.say(PUBLIC[each.what])} for each in found.gone],
        answers=[_answer(visit, each) for each in found.answers],
        entries=[
            shown_entry(visit, line, chain.verified, broken=chain.broken) for line in found.timeline
        ],
        end_reason=end_reason,
        programme_name=programme_name,
        region_names=region_names,
        role_name=role_name,
        tongues=lambda tags: ", ".join(map(autonym, tags)),
        chain=chain,
    )


def _failure(visit: Visit, each: Failures) -> dict[str, Any]:
    return {
        "kind": visit.say(KINDS.get(each.kind, each.kind)),
        "channel": lane_of(visit, each.channel),
        "state": visit.say(STATES[each.state][1]),
        "reason": reason_of(visit, each.reason) or NONE,
        "count": visit.words.number(each.count),
        "link": _letters(visit, each),
    }


def _answer(visit: Visit, each: EndpointAnswer) -> dict[str, Any]:
    return {
        "address": each.address,
        "state": visit.say(STATES[each.state][1]),
        "asked": visit.words.number(each.asked),
        "at": each.acknowledged_at,
    }


def _letters(visit: Visit, each: Failures) -> str:
    """Give where these failures can be tried again; nothing for whoever may not."""
    if each.state != State.DEAD or May.REQUEUE not in visit.may:
        return ""
    return link(
        LETTERS, {"alert": visit.path("id"), "channel": each.channel, "reason": each.reason}
    )


def _reach(visit: Visit, dispatch: DispatchProgress, channel: ChannelProgress) -> dict[str, Any]:
    counts = {state: tally.count for state, tally in channel.states.items()}
    firsts = [
        tally.first_at
        for state, tally in channel.states.items()
        if state in (State.SENT, State.DELIVERED) and tally.first_at
    ]
    lasts = [
        tally.last_at
        for state, tally in channel.states.items()
        if state in (State.SENT, State.DELIVERED) and tally.last_at
    ]

    def after(moments: list[Any], choose: Any) -> str:
        if not moments:
            return NONE
        return span(visit, (choose(moments) - dispatch.sent_at).total_seconds())

    number = visit.words.number
    return {
        "kind": visit.say(KINDS.get(dispatch.kind, dispatch.kind)),
        "channel": lane_of(visit, channel.channel),
        "planned": number(channel.planned),
        "delivered": number(counts.get(State.DELIVERED, 0)),
        "sent": number(counts.get(State.SENT, 0)),
        "waiting": number(counts.get(State.QUEUED, 0) + counts.get(State.UNCERTAIN, 0)),
        "failed": number(sum(counts.get(state, 0) for state in FAILED)),
        "first": after(firsts, min),
        "last": after(lasts, max),
    }


PAGES: tuple[Page, ...] = (get("/alerts/{id}/report", report, May.REPORT),)
