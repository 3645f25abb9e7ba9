"""The report of an alert, as a document to print or to save."""

from typing import Any

from alertd.console.operators.audit import shown as shown_entry
from alertd.console.operators.board import watcher_of
from alertd.console.operators.words import ACTS, KINDS, STATES, lane_of, reason_of, span
from alertd.console.pages import Answer, Page, Visit, get
from alertd.console.permissions import May
from alertd.core.delivery import State
from alertd.shapes import ChannelProgress, DispatchProgress
from alertd.watch.report import Report, read_report

NONE = "\u2013"
FAILED = (State.DEAD, State.EXPIRED)


async def report(visit: Visit) -> Answer:
    found: Report = await visit.tools.store.read(read_report, visit.path("id"), visit.tools.clock())
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
        failures=[
            {
                "kind": visit.say(KINDS.get(each.kind, each.kind)),
                "channel": lane_of(visit, each.channel),
                "state": visit.say(STATES[each.state][1]),
                "reason": reason_of(visit, each.reason) or NONE,
                "count": visit.words.number(each.count),
            }
            for each in found.failures
        ],
        entries=[
            shown_entry(visit, line, chain.verified, broken=chain.broken) for line in found.timeline
        ],
        acts=ACTS,
        chain=chain,
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
