"""What came of an end: who was told, who says that it deleted what it had, and who is chased."""

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Connection, Select, exists, func, insert, select
from sqlalchemy.exc import IntegrityError

from alertd.core.delivery import State
from alertd.core.errors import NotFound
from alertd.core.rendition import Kind
from alertd.ownlinks import address_id_of, is_ack_token
from alertd.pipeline.activate import ENDS
from alertd.pipeline.dispatch import Dispatch, open_direct
from alertd.pipeline.record import Entry, record
from alertd.pipeline.versions import read_all, select_versions
from alertd.store.schema import acknowledgements, deliveries, dispatches, versions
from alertd.tools import ALERTD, Tools

log = structlog.get_logger()

CHANNEL = "webhook"  # the one whose receivers are asked to acknowledge
ACKNOWLEDGED = "takedown.acknowledged"


async def acknowledge(tools: Tools, token: str) -> None:
    """Note that an endpoint has deleted what it had; again changes nothing. Raises NotFound."""
    delivery_id = address_id_of(token)
    await tools.store.write(_acknowledge, tools, token, delivery_id, tools.clock())


def _acknowledge(
    conn: Connection, tools: Tools, token: str, delivery_id: int, at: datetime
) -> None:
    query = (
        select(dispatches.c.alert_id, dispatches.c.version_id, deliveries.c.address_id)
        .join(deliveries, deliveries.c.dispatch_id == dispatches.c.id)
        .where(deliveries.c.id == delivery_id, dispatches.c.kind.in_(ENDS))
    )
    found = conn.execute(query).one_or_none()
    if found is None or not is_ack_token(tools.vault.master, token, delivery_id, found.alert_id):
        raise NotFound("this link belongs to no end of an alert")
    try:
        with conn.begin_nested():
            conn.execute(
                insert(acknowledgements).values(
                    version_id=found.version_id, address_id=found.address_id, at=at
                )
            )
    except IntegrityError:  # it has said so before
        return
    said = {"delivery": delivery_id}
    record(conn, Entry("endpoint", ACKNOWLEDGED, found.alert_id, said), at=at)
    log.info(ACKNOWLEDGED, alert_id=found.alert_id, delivery=delivery_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Silent:
    """An end that endpoints were asked to acknowledge, perhaps in vain."""

    dispatch_id: int
    version_id: int
    kind: str
    variant: str
    asked: int  # times, the first one included
    asked_at: datetime


async def chase(tools: Tools) -> int:
    """Ask again those who have not acknowledged in time; gives how many ends that were of."""
    now = tools.clock()
    chased = 0
    for silent in await tools.store.read(_overdue, now):
        chased += await tools.store.write(_ask_again, silent, now)
    return chased


def _overdue(conn: Connection, now: datetime) -> list[_Silent]:
    """Give the ends of which the rule set says that the silent are asked again now."""
    asked = _asked(conn, now)
    query = select_versions().where(versions.c.id.in_({each.version_id for each in asked}))
    rules = {version.id: version.rules for version in read_all(conn, query)} if asked else {}
    return [
        each
        for each in asked
        if each.asked <= rules[each.version_id].chase_times
        and each.asked_at + rules[each.version_id].chase_after <= now
    ]


def _asked(conn: Connection, now: datetime) -> list[_Silent]:
    same = (dispatches.c.version_id, dispatches.c.kind, dispatches.c.variant)
    query = (
        select(
            func.min(dispatches.c.id).label("dispatch_id"),
            *same,
            func.count().label("asked"),
            func.max(dispatches.c.sent_at).label("asked_at"),
        )
        .where(dispatches.c.kind.in_(ENDS))
        .group_by(*same)
        .having(func.min(dispatches.c.deadline_at) > now)
    )
    return [_Silent(**row) for row in conn.execute(query).mappings()]


def _ask_again(conn: Connection, silent: _Silent, now: datetime) -> bool:
    first = conn.execute(
        select(dispatches).where(dispatches.c.id == silent.dispatch_id).with_for_update()
    ).one()
    known = select(func.max(dispatches.c.occurrence)).where(
        dispatches.c.version_id == silent.version_id,
        dispatches.c.kind == silent.kind,
        dispatches.c.variant == silent.variant,
    )
    owing = conn.execute(_unanswered(silent.dispatch_id, silent.version_id)).all()
    if conn.scalar(known) != silent.asked - 1 or not owing or first.stopped_at is not None:
        return False
    open_direct(
        conn,
        Dispatch(
            alert_id=first.alert_id,
            version_id=first.version_id,
            kind=Kind(first.kind),
            variant=first.variant,
            occurrence=silent.asked,
            identifier=first.identifier,
            exercise=first.exercise,
            sent_at=now,
            deadline_at=first.deadline_at,
            references=first.references,
            channels=[CHANNEL],
        ),
        [(row.address_id, row.language) for row in owing],
    )
    said = {"occurrence": silent.asked, "endpoints": len(owing)}
    record(conn, Entry(ALERTD, "takedown.chased", first.alert_id, said), at=now)
    return True


def _unanswered(dispatch_id: int, version_id: int) -> Select[tuple[int, str]]:
    answered = exists().where(
        acknowledgements.c.version_id == version_id,
        acknowledgements.c.address_id == deliveries.c.address_id,
    )
    return select(deliveries.c.address_id, deliveries.c.language).where(
        deliveries.c.dispatch_id == dispatch_id,
        deliveries.c.channel == CHANNEL,
        deliveries.c.state.not_in([State.QUEUED, State.LEASED]),
        ~answered,
    )
