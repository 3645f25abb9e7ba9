"""The report of an alert, as a document to print or to save."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
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
from alertd.core.rendition import Kind
from alertd.pipeline.surfaces import What
from alertd.pipeline.wording import autonym
from alertd.shapes import ChannelProgress, EndpointAnswer, ProgressView
from alertd.watch.report import Failures, Report, read_report

NONE = "\u2013"
PUBLIC: Mapping[str, str] = {
    What.FEED: N_("entry in the feeds"),
    What.PAGE: N_("public page"),
    What.CAP: N_("CAP document"),
    What.PHOTO: N_("photo"),
}
FAILED = (State.DEAD, State.EXPIRED)
GONE = (State.SENT, State.DELIVERED)
BY_THE_WAY = (Kind.REQUEST, Kind.NOTICE)


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
        reach=_reach(visit, found.progress),
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


def _reach(visit: Visit, seen: ProgressView) -> list[dict[str, Any]]:
    """Give a row for each message and channel; what officials are told by the way is one."""
    rows: dict[tuple[str, str, str], list[tuple[datetime, ChannelProgress]]] = {}
    for dispatch in seen.dispatches:
        mine = "" if dispatch.kind in BY_THE_WAY else dispatch.identifier
        for channel in dispatch.channels:
            key = (dispatch.kind, mine, channel.channel)
            rows.setdefault(key, []).append((dispatch.sent_at, channel))
    return [
        {
            "kind": visit.say(KINDS.get(kind, kind)),
            "channel": lane_of(visit, channel),
            **_reached(visit, parts),
        }
        for (kind, _, channel), parts in rows.items()
    ]


def _reached(visit: Visit, parts: Sequence[tuple[datetime, ChannelProgress]]) -> dict[str, str]:
    tallies = [
        (sent_at, state, tally)
        for sent_at, channel in parts
        for state, tally in channel.states.items()
    ]

    def count(*states: State) -> str:
        return visit.words.number(sum(each.count for _, state, each in tallies if state in states))

    def after(moments: Iterable[tuple[datetime, datetime | None]], choose: Any) -> str:
        spans = [(at - sent_at).total_seconds() for sent_at, at in moments if at]
        return span(visit, choose(spans)) if spans else NONE

    gone = [(sent_at, each) for sent_at, state, each in tallies if state in GONE]
    return {
        "planned": visit.words.number(sum(channel.planned for _, channel in parts)),
        "delivered": count(State.DELIVERED),
        "sent": count(State.SENT),
        "waiting": count(State.QUEUED, State.UNCERTAIN),
        "failed": count(*FAILED),
        "first": after(((sent_at, each.first_at) for sent_at, each in gone), min),
        "last": after(((sent_at, each.last_at) for sent_at, each in gone), max),
    }


PAGES: tuple[Page, ...] = (get("/alerts/{id}/report", report, May.REPORT),)
