"""An operator's hand on a channel: pause, resume, drain.

What a process has in hand when a channel is paused still goes out, within seconds. Draining
sends all that waits and pauses then: a new alert is not held up by it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, delete, insert, select

from alertd.core.errors import Conflict, NotFound
from alertd.pipeline import lanes
from alertd.pipeline.dispatch import DELIVERIES
from alertd.pipeline.jurisdiction import require_everywhere
from alertd.pipeline.record import Entry, record
from alertd.store.schema import lanes as rows
from alertd.store.schema import marks
from alertd.store.store import wake
from alertd.tools import ALERTD, Actor, Tools
from alertd.watch.board import DRAIN, Board

log = structlog.get_logger(__name__)

OPERATOR = "operator"


async def pause(tools: Tools, actor: Actor, lane: str, why: str) -> None:
    """Let nothing more be taken for a channel, or one endpoint of it, until it is resumed."""
    await _switch(tools, actor, lane, lanes.CLOSED, why)


async def resume(tools: Tools, actor: Actor, lane: str) -> None:
    """Open it again with a clean record."""
    await _switch(tools, actor, lane, lanes.OPEN, "")


async def drain(tools: Tools, actor: Actor, channel: str, why: str) -> None:
    """Send all that waits on a channel, then pause it."""
    actor.require(OPERATOR)
    require_everywhere(actor)
    _known(tools, channel)
    await tools.store.write(_drain, actor, channel, _why(tools, why), tools.clock())


async def _switch(tools: Tools, actor: Actor, lane: str, state: str, why: str) -> None:
    actor.require(OPERATOR)
    require_everywhere(actor)
    channel = _known(tools, lane)
    said = _why(tools, why)
    await tools.store.write(_set, actor, (lane, channel), state, said, tools.clock())
    log.warning("lane.switched", lane=lane, state=state, person=actor.person_id)


def _why(tools: Tools, why: str) -> dict[str, Any]:
    """Give what seals an operator's own words beside the entry."""
    return {"texts": {"why": why}, "key": tools.vault.master} if why else {"texts": {}, "key": None}


def _known(tools: Tools, lane: str) -> str:
    channel = lane.partition("/")[0]
    if channel not in tools.channels:
        raise NotFound("there is no such channel")
    return channel


def _set(
    conn: Connection,
    actor: Actor,
    lane: tuple[str, str],
    state: str,
    why: Mapping[str, Any],
    at: datetime,
) -> None:
    name, channel = lane
    if name != channel and not conn.scalar(select(rows.c.lane).where(rows.c.lane == name)):
        raise NotFound("nothing was ever sent there")
    lanes.set_state(conn, name, channel, state)
    conn.execute(delete(marks).where(marks.c.name == DRAIN + name))
    action = "lane.closed" if state == lanes.CLOSED else "lane.opened"
    entry = Entry(actor.label, action, data={"lane": name}, texts=why["texts"])
    record(conn, entry, at=at, key=why["key"])
    wake(conn, DELIVERIES)


def _drain(
    conn: Connection, actor: Actor, channel: str, why: Mapping[str, Any], at: datetime
) -> None:
    state = conn.scalar(select(rows.c.state).where(rows.c.lane == channel))
    if state == lanes.CLOSED:
        raise Conflict("the channel is paused: resume it before you drain it")
    if conn.scalar(select(marks.c.name).where(marks.c.name == DRAIN + channel)):
        return
    conn.execute(insert(marks).values(name=DRAIN + channel, value=actor.label))
    entry = Entry(actor.label, "lane.draining", data={"lane": channel}, texts=why["texts"])
    record(conn, entry, at=at, key=why["key"])


def finish_drains(conn: Connection, board: Board, at: datetime) -> None:
    """Pause what was to be drained and has nothing waiting any more."""
    draining = set(conn.scalars(select(marks.c.name).where(marks.c.name.startswith(DRAIN))))
    for channel in board.channels:
        mark = DRAIN + channel.channel
        if mark in draining and not channel.queued:
            lanes.set_state(conn, channel.channel, channel.channel, lanes.CLOSED)
            conn.execute(delete(marks).where(marks.c.name == mark))
            said = {"lane": channel.channel, "why": "drained"}
            record(conn, Entry(ALERTD, "lane.closed", data=said), at=at)
