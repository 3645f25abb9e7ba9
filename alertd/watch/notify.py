"""Tells operators of alarms, through alertd's own channels.

What is about an alert goes the way of every message, through the ledger. What is about alertd
itself is handed over directly: a held ledger sends nothing, and a broken one knows nothing.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import Connection, select

from alertd.channel import Message, Prepared
from alertd.core.errors import SendError
from alertd.core.language import best_language
from alertd.core.rendition import fill_some, split
from alertd.pipeline import notices
from alertd.pipeline.filling import at_activation
from alertd.pipeline.people import able
from alertd.pipeline.record import Entry, record
from alertd.pipeline.versions import latest, take_version
from alertd.store.schema import addresses
from alertd.tools import ALERTD, Tools
from alertd.watch.alarms import Alarm, AlarmKind, mark_told

log = structlog.get_logger(__name__)

OPERATOR = "operator"
PATIENCE_S = 30.0
BOARD = "/board"
OF_CHANNELS = (AlarmKind.NOT_STARTED, AlarmKind.NOBODY)  # their subject: case, channel, dispatch


async def tell_operators(tools: Tools, alarms: Sequence[Alarm]) -> None:
    """Tell every operator once of each alarm; one that reached nobody stays untold."""
    for alarm in alarms:
        if alarm.alert_id is None:
            told = await _hand_over(tools, alarm)
        else:
            told = await _dispatch(tools, alarm, alarm.alert_id, channels_of(alarm, alarms))
        if told:
            await tools.store.write(_note, alarm, told, tools.clock())


def channels_of(alarm: Alarm, alarms: Sequence[Alarm]) -> list[str]:
    """Name all channels of an alert that the one notice of this kind is about."""
    if alarm.kind not in OF_CHANNELS:
        return []
    alike = [x for x in alarms if (x.kind, x.alert_id) == (alarm.kind, alarm.alert_id)]
    return sorted({each.subject.rsplit(" ", 2)[1] for each in alike})


async def _dispatch(tools: Tools, alarm: Alarm, alert_id: str, channels: Sequence[str]) -> int:
    version = await tools.store.read(latest, alert_id)
    notice = await notices.prepare(tools, version, alarm.kind, channels)

    def send(conn: Connection, at: datetime) -> int:
        people = {each.person_id for each in able(conn, OPERATOR, deputies=False, besides=())}
        notices.tell(conn, take_version(conn, version), notice, people, at=at)
        return len(people)

    return await tools.store.write(send, tools.clock())


async def _hand_over(tools: Tools, alarm: Alarm) -> int:
    """Send without the ledger; gives how many addresses took it."""
    rules = tools.rulebook.any()
    rendered = await asyncio.to_thread(
        tools.renderer.notice,
        rules=rules,
        event=alarm.kind,
        case_reference=alarm.subject,
        status="actual",
        link=f"{tools.console_url}{BOARD}",
    )
    now = tools.clock()
    values = {
        language: at_activation(language, sent_at=now, zone=rules.authority_timezone, references="")
        for language in rules.languages
    }
    taken = 0
    for channel, address, language in await tools.store.read(_reach):
        offered = {each.language: each for each in rendered if each.channel == channel}
        if not offered or channel not in tools.channels:
            continue
        chosen = offered[best_language(language, tuple(offered))]
        prepared = Prepared(chosen, split(fill_some(chosen.body, values[chosen.language])))
        taken += await _send(tools, alarm, channel, address, prepared)
    return taken


async def _send(
    tools: Tools, alarm: Alarm, channel: str, address: tuple[int, str], prepared: Prepared
) -> bool:
    now = tools.clock()
    message = Message(
        delivery_id=f"alarm-{alarm.id}-{address[0]}",
        address=address[1],
        prepared=prepared,
        own_link="",
        sent_at=now,
        deadline_at=now + tools.end_deadline,
        now=now,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            await tools.channels[channel].send(message)
    except (SendError, TimeoutError) as error:
        kind = type(error).__name__
        log.error("alarm.untold", channel=channel, alarm=alarm.kind, error=kind)
        return False
    return True


def _reach(conn: Connection) -> list[tuple[str, tuple[int, str], str]]:
    """Give channel, address and language of every way to an operator."""
    people = able(conn, OPERATOR, deputies=False, besides=())
    languages = {each.address_id: each.language for each in people}
    rows = conn.execute(
        select(addresses.c.channel, addresses.c.id, addresses.c.address).where(
            addresses.c.id.in_(languages), addresses.c.suppressed_at.is_(None)
        )
    )
    return [(row.channel, (row.id, row.address), languages[row.id]) for row in rows]


def _note(conn: Connection, alarm: Alarm, told: int, at: datetime) -> None:
    mark_told(conn, [alarm.id], at)
    said = {"kind": alarm.kind, "subject": alarm.subject, "told": told}
    record(conn, Entry(ALERTD, "alarm.told", alarm.alert_id, said), at=at)
