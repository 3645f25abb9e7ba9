"""Gives a dead letter another chance, and releases what is held because it may have arrived."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, Row, Select, select

from alertd.core.delivery import State
from alertd.core.errors import Conflict, NotFound
from alertd.pipeline.dispatch import DELIVERIES
from alertd.pipeline.jurisdiction import hold
from alertd.pipeline.record import Entry, record
from alertd.store import ledger
from alertd.store.ledger import Change
from alertd.store.schema import addresses, deliveries, dispatches, to_micros
from alertd.store.store import wake
from alertd.tools import Actor, Tools

_OVER = "its time is over: nobody is helped by it any more"

log = structlog.get_logger()

STANDING = (State.DEAD, State.UNCERTAIN)  # nothing more happens to these by itself


async def requeue(tools: Tools, actor: Actor, delivery_id: int) -> None:
    """Queue a dead or uncertain delivery for now; its attempts go on counting.

    Raises Conflict when its dispatch was stopped or its time is over, and NotAllowed for an alert
    that others decide on.
    """
    actor.require("operator")
    if not actor.jurisdiction.everywhere:
        await hold(tools, actor, await tools.store.read(_alert_of, delivery_id), deciding=True)
    await tools.store.write(_requeue, actor, delivery_id, tools.clock())
    log.info("delivery.requeued", delivery=delivery_id, person=actor.person_id)


def _alert_of(conn: Connection, delivery_id: int) -> str:
    return str(_read(conn, delivery_id).alert_id)


def check_requeue(conn: Connection, delivery_ids: Collection[int], at: datetime) -> dict[int, str]:
    """Tell of each delivery why it cannot be requeued now; nothing of those that can."""
    refused = dict.fromkeys(delivery_ids, _OVER)  # until found: its address was forgotten
    for row in conn.execute(_standing().where(deliveries.c.id.in_(delivery_ids))):
        try:
            _refuse_hopeless(row, at)
        except Conflict as error:
            refused[row.id] = str(error)
        else:
            del refused[row.id]
    return refused


def _requeue(conn: Connection, actor: Actor, delivery_id: int, at: datetime) -> None:
    row = _read(conn, delivery_id)
    _refuse_hopeless(row, at)
    change = Change(
        id=delivery_id,
        was=State(row.state),
        state=State.QUEUED,
        next_at=to_micros(at),
        attempts=row.attempts,
        repeat=row.repeat,
    )
    if not ledger.change(conn, [change]):
        raise Conflict("somebody else requeued it at the same moment")
    counts: Counter[ledger.ProgressKey] = Counter()
    ledger.moved(counts, (row.dispatch_id, row.channel, row.region), row.state, State.QUEUED)
    ledger.add_progress(conn, counts, to_micros(at))
    said = {"delivery": delivery_id}
    record(conn, Entry(actor.label, "delivery.requeued", row.alert_id, said), at=at)
    wake(conn, DELIVERIES)


def _read(conn: Connection, delivery_id: int) -> Row[Any]:
    row = conn.execute(_standing().where(deliveries.c.id == delivery_id)).one_or_none()
    if row is None:
        raise NotFound("there is no such delivery")
    return row


def _standing() -> Select[Any]:
    return (
        select(
            deliveries.c.id,
            deliveries.c.dispatch_id,
            deliveries.c.channel,
            deliveries.c.region,
            deliveries.c.state,
            deliveries.c.attempts,
            deliveries.c.repeat,
            dispatches.c.alert_id,
            dispatches.c.stopped_at,
            dispatches.c.deadline_at,
            addresses.c.suppressed_at,
        )
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .join(addresses, addresses.c.id == deliveries.c.address_id)
    )


def _refuse_hopeless(row: Row[Any], at: datetime) -> None:
    if row.state not in STANDING:
        raise Conflict(f"only what is dead or uncertain can be requeued; this one is {row.state}")
    if row.stopped_at is not None:
        raise Conflict("its alert was ended or replaced: nothing more of it is sent")
    if row.deadline_at <= at:
        raise Conflict(_OVER)
    if row.suppressed_at is not None:
        raise Conflict("its address asked not to be written to, or does not exist")
