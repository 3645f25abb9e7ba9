"""The board: what works and what does not, at one glance and from across the room."""

from collections.abc import Collection
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from alertd.console.naming import role_name
from alertd.console.operators.words import (
    ALARMS,
    LANES,
    STAGES,
    lane_of,
    reason_of,
    span,
    subject_of,
)
from alertd.console.pages import Answer, Page, Visit, get, post
from alertd.console.permissions import May
from alertd.console.rendering import N_
from alertd.core.errors import InvalidAlert, NotFound, Problem
from alertd.pipeline.jurisdiction import Eyes, Sight, sight
from alertd.watch import switch
from alertd.watch.alarms import Alarm, standing
from alertd.watch.board import Board, ChannelState
from alertd.watch.clocks import StageClock
from alertd.watch.links import LinkTest, read_tests
from alertd.watch.watcher import Watcher

BOARD = "/board"
CHANNEL = "/board/channel"
LONGEST_WHY = 200
DONE = {
    "pause": N_("%(name)s was paused. Resume it when you are ready."),
    "drain": N_("%(name)s is being emptied, and pauses then."),
    "resume": N_("%(name)s was resumed: what waits is being sent."),
}


def watcher_of(visit: Visit) -> Watcher:
    watcher: Watcher = visit.console.extras["watcher"]
    return watcher


async def board(visit: Visit) -> Answer:
    return await visit.render("operators/board.html.j2", **await _shown(visit))


async def board_now(visit: Visit) -> Answer:
    """Give the part of the board that changes, for the page to renew itself."""
    text = visit.fragment("operators/board_now.html.j2", **await _shown(visit))
    return web.Response(text=text, content_type="text/html")


async def _shown(visit: Visit) -> dict[str, Any]:
    watcher = watcher_of(visit)
    sees = sight(visit.tools, visit.actor)
    state = await watcher.board(sees)
    alarms = await visit.tools.store.read(standing)
    clocks = [clock for clock in await watcher.read_clocks() if clock.runs or not clock.exercise]
    named = {alarm.alert_id for alarm in alarms if alarm.alert_id is not None}
    named |= {clock.alert_id for clock in clocks}
    seen = await visit.tools.store.read(_seen, sees, named)
    return {
        "width": "board",
        "as_of": state.as_of,
        "held": state.held,
        "broken": watcher.chain.broken,
        "anchored_at": watcher.chain.anchored_at,
        "alarms": [_alarm(visit, each) for each in alarms if each.alert_id in {None, *seen}],
        "channels": [_row(visit, watcher, state, each) for each in state.channels],
        "proposals": state.proposals,
        "clocks": [_clock(visit, each, state) for each in clocks if each.alert_id in seen][:8],
    }


def _seen(conn: Connection, sees: Sight | None, alert_ids: Collection[str]) -> set[str]:
    return Eyes(conn, sees).choose(alert_ids)


def _alarm(visit: Visit, alarm: Alarm) -> dict[str, Any]:
    where = CHANNEL if alarm.kind in {"channel_paused", "channel_closed", "link_down"} else ""
    links = {
        "held": "/release",
        "stage_late": f"/alerts/{alarm.alert_id}",
        "not_started": f"/log?alert={alarm.alert_id}&state=queued",
        "nobody": "/recipients",
        "rules_open": "/rules" if May.ADMINISTER in visit.may else "/audit",
        "uncertain": f"/dead-letters?state=uncertain&channel={alarm.subject}",
    }
    return {
        "title": visit.say(ALARMS.get(alarm.kind, alarm.kind)),
        "subject": subject_of(visit, alarm.kind, alarm.subject),
        "raised_at": alarm.raised_at,
        "told": alarm.told_at is not None,
        "link": f"{CHANNEL}?lane={alarm.subject}" if where else links.get(alarm.kind, "/audit"),
    }


def _row(visit: Visit, watcher: Watcher, state: Board, channel: ChannelState) -> dict[str, Any]:
    now = state.as_of
    icon, word = LANES[channel.state]
    if state.held:
        icon, word = LANES["held"]
    oldest = (now - channel.oldest_at).total_seconds() if channel.oldest_at else None
    return {
        "name": lane_of(visit, channel.channel),
        "link": f"{CHANNEL}?lane={channel.channel}",
        "icon": icon,
        "state": visit.say(word),
        "reason": reason_of(visit, channel.reason),
        "until": channel.until,
        "rate": channel.rate_per_s,
        "queued": channel.queued,
        "dead": channel.dead,
        "letters": f"/dead-letters?channel={channel.channel}",
        "oldest": span(visit, oldest) if oldest is not None else "",
        "lag": span(visit, channel.lag_s) if channel.lag_s > watcher.limits.waiting_s else "",
        "failures": watcher.tallies.failures(channel.channel, now.timestamp()),
        "endpoints": [
            {"name": lane.lane.partition("/")[2], "link": f"{CHANNEL}?lane={lane.lane}"}
            for lane in channel.lanes
        ],
        "test": _test(visit, channel.last_test) if channel.last_test else None,
    }


def _test(visit: Visit, test: LinkTest) -> dict[str, Any]:
    return {
        "at": test.at,
        "passed": test.passed,
        "took": f"{test.took_s * 1000:.0f} ms",
        "reason": reason_of(visit, test.reason),
        "detail": test.detail,
    }


def _clock(visit: Visit, clock: StageClock, state: Board) -> dict[str, Any]:
    late = clock.is_late(state.as_of)
    stage = visit.say(STAGES[clock.stage])
    who = f" ({role_name(visit, clock.role)})" if clock.role else ""
    kept = "waiting" if clock.runs else "ok"
    return {
        "label": f"{clock.case_reference}: {stage}{who}",
        "state": "failed" if late and not clock.exercise else kept,
        "over": not clock.runs,
        "exercise": clock.exercise,
        "span": span(visit, clock.lasted(state.as_of).total_seconds()),
        "limit": span(visit, clock.limit_s),
        "since": clock.began_at,
    }


async def channel(visit: Visit) -> Answer:
    """Show one channel or endpoint, its link tests, and the hand to lay on it."""
    return await _show_channel(visit, visit.query("lane"))


async def _show_channel(visit: Visit, lane: str, error: str = "") -> Answer:
    state = await watcher_of(visit).board(sight(visit.tools, visit.actor))
    name = lane.partition("/")[0]
    found = next((each for each in state.channels if each.channel == name), None)
    if found is None:
        raise NotFound("there is no such channel")
    endpoint = next((each for each in found.lanes if each.lane == lane), None)
    shown = endpoint or found
    tests = await visit.tools.store.read(read_tests, name, 60)
    icon, word = LANES[shown.state if endpoint or lane == name else "open"]
    return await visit.render(
        "operators/channel.html.j2",
        lane=lane,
        whole=lane == name,
        name=lane_of(visit, lane),
        icon=icon,
        word=visit.say(word),
        reason=reason_of(visit, shown.reason),
        until=shown.until,
        state=shown.state if endpoint or lane == name else "open",
        queued=found.queued,
        rate=found.rate_per_s,
        tests=[_test(visit, test) for test in tests],
        endpoints=[(each.lane, each.lane.partition("/")[2]) for each in found.lanes],
        as_of=state.as_of,
        error=error,
    )


async def change_channel(visit: Visit) -> Answer:
    """Pause, resume or drain, and say so in the past tense."""
    lane, act, why = (visit.form.get(name) for name in ("lane", "act", "why"))
    if act not in DONE:
        raise InvalidAlert([Problem("act", "choose pause, resume or drain")])
    if act != "resume" and not 0 < len(why) <= LONGEST_WHY:
        return await _show_channel(visit, lane, visit.say("Say in a few words why."))
    tools, actor = visit.tools, visit.actor
    if act == "pause":
        await switch.pause(tools, actor, lane, why)
    elif act == "drain":
        await switch.drain(tools, actor, lane, why)
    else:
        await switch.resume(tools, actor, lane)
    await visit.flash(DONE[act], name=lane_of(visit, lane))
    return visit.redirect(BOARD)


PAGES: tuple[Page, ...] = (
    get(BOARD, board, May.BOARD),
    get("/board/now", board_now, May.BOARD),
    get(CHANNEL, channel, May.BOARD),
    post(CHANNEL, change_channel, May.CHANNELS),
)
