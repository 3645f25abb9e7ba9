"""Takes back what a provider still holds of an alert that stopped: best effort, recorded."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, exists, insert, select

from alertd.channel import Recalls
from alertd.core.delivery import State
from alertd.core.errors import SendError
from alertd.pipeline.dispatch import REVOCABLE
from alertd.pipeline.record import Entry, record
from alertd.store.schema import deliveries, dispatches, recalls, to_micros
from alertd.tools import ALERTD, Tools

log = structlog.get_logger()

RECENT = timedelta(hours=1)  # what was handed over longer ago has left the provider's queue
CHUNK = 500  # messages in one turn of the duty
AT_ONCE = 8

_RESULTS = {True: "recalled", False: "too_late", None: "failed"}

Row = tuple[int, str, str]  # delivery, alert, the provider's name for the message


async def recall(tools: Tools) -> int:
    """Ask providers to cancel what of stopped alerts they hold; gives how many they did.

    Every message is asked for once: the end follows it anyway.
    """
    done = 0
    for name, channel in tools.channels.items():
        if not isinstance(channel, Recalls) or not channel.can_recall:
            continue
        rows = await tools.store.read(_to_recall, name, tools.clock())
        if not rows:
            continue
        room = asyncio.Semaphore(AT_ONCE)
        came = await asyncio.gather(*(_recall(channel, ref, room) for _, _, ref in rows))
        results = {row[0]: result for row, result in zip(rows, came, strict=True)}
        done += await tools.store.write(_note, rows, results, tools.clock())
        log.info("deliveries.recalled", channel=name, **Counter(came))
    return done


async def _recall(channel: Recalls, ref: str, room: asyncio.Semaphore) -> str:
    async with room:
        try:
            return _RESULTS[await channel.recall(ref)]
        except (SendError, OSError, TimeoutError) as error:
            log.warning("recall.failed", error=type(error).__name__)
            return _RESULTS[None]


def _to_recall(conn: Connection, channel: str, now: datetime) -> list[Row]:
    query = (
        select(deliveries.c.id, dispatches.c.alert_id, deliveries.c.provider_ref)
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .where(
            dispatches.c.stopped_at > now - RECENT,
            dispatches.c.kind.in_(REVOCABLE),
            deliveries.c.channel == channel,
            deliveries.c.state == State.SENT,
            deliveries.c.provider_ref.is_not(None),
            deliveries.c.sent_at > to_micros(now - RECENT),
            ~exists().where(recalls.c.delivery_id == deliveries.c.id),
        )
        .order_by(deliveries.c.sent_at.desc())
        .limit(CHUNK)
    )
    return [(row[0], row[1], row[2]) for row in conn.execute(query)]


def _note(conn: Connection, rows: Sequence[Row], results: Mapping[int, str], at: datetime) -> int:
    ids = [row[0] for row in rows]
    known = set(conn.scalars(select(recalls.c.delivery_id).where(recalls.c.delivery_id.in_(ids))))
    fresh = [row for row in rows if row[0] not in known]  # another node may have been at it
    if not fresh:
        return 0
    noted = [{"delivery_id": row[0], "at": at, "result": results[row[0]]} for row in fresh]
    conn.execute(insert(recalls), noted)
    for alert_id in sorted({row[1] for row in fresh}):
        counts = Counter(results[row[0]] for row in fresh if row[1] == alert_id)
        record(conn, Entry(ALERTD, "deliveries.recalled", alert_id, dict(counts)), at=at)
    return sum(result == "recalled" for result in results.values())
