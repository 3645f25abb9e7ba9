"""After a restore nothing is sent until an operator releases it.

An old backup may hold alerts of children who were found since. A ledger is recognised as an
old copy by a witness outside of it: the vault notes the end of the audit chain with every
anchor, and a ledger whose chain does not contain that end is not the one that went on.

A running alertd is such a witness too: when an asynchronous standby takes over, it knows which
entries are missing. Where all of them were outcomes of sending, sending goes on.
"""

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Connection, func, select

from alertd.anchors import Anchor
from alertd.core.audit import GENESIS, Head
from alertd.core.delivery import State
from alertd.pipeline import lanes
from alertd.pipeline.auditor import WENT_BACK
from alertd.pipeline.dispatch import DELIVERIES
from alertd.pipeline.jurisdiction import require_everywhere
from alertd.pipeline.marked import mark, marked_at
from alertd.pipeline.record import Entry, read_head, record
from alertd.pipeline.replay import contains
from alertd.store.schema import alerts, dispatches, progress
from alertd.store.store import wake
from alertd.tools import ALERTD, Actor, Tools
from alertd.vault import Vault

log = structlog.get_logger(__name__)

NOTE = "ledger_head"
_MARK = "went_back"


class Witness:
    """A target of anchors: notes the chain's end where a copy of the ledger cannot carry it."""

    name = "vault"

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def put(self, anchor: Anchor) -> None:
        await self._vault.note(NOTE, str(anchor.head))


async def begin_witness(vault: Vault) -> None:
    """Note that this install's ledger is empty; whatever it says later follows from that."""
    await vault.note(NOTE, str(GENESIS))


async def hold_old_copy(tools: Tools, node: str) -> Head:
    """Close the lane over all lanes when the ledger is an old copy.

    Gives the witnessed end of the chain, or its beginning when this chain does not contain it.
    """
    noted = await tools.vault.noted(NOTE)
    witnessed = Head.parse(noted) if noted else None
    if witnessed is not None and await tools.store.read(contains, witnessed):
        return witnessed
    if await tools.store.write(_hold, node, tools.clock()):
        log.critical("dispatch.held", why="the ledger is an old copy", remedy="alertd release")
    return GENESIS


def note_loss(conn: Connection, kept: Head, known: Head, *, at: datetime, hold: bool) -> None:
    """Put on record that what followed `kept`, up to `known` at least, is gone."""
    said = {"kept": kept.seq, "known": known.seq, "hash": known.hash, "held": hold}
    record(conn, Entry(ALERTD, WENT_BACK, data=said), at=at)
    mark(conn, _MARK, at)
    if hold:
        _hold(conn, ALERTD, at)


def went_back_at(conn: Connection, now: datetime) -> datetime | None:
    """Give when the ledger last lost entries, if that is less than a day ago."""
    return marked_at(conn, _MARK, now)


def _hold(conn: Connection, node: str, at: datetime) -> bool:
    if lanes.is_held(conn):
        return False
    lanes.set_state(conn, lanes.EVERYTHING, lanes.EVERYTHING, lanes.CLOSED)
    data = {"seq": read_head(conn).seq}
    record(conn, Entry(f"node:{node}", "dispatch.held", data=data), at=at)
    return True


@dataclass(frozen=True, slots=True)
class Held:
    """What would go out of one dispatch if everything were released now."""

    alert_id: str
    case_reference: str
    status: str
    kind: str
    waiting: int  # deliveries queued
    expanding: bool  # and more recipients would still be added
    deadline_at: datetime


def held(conn: Connection, now: datetime) -> list[Held]:
    """Give everything that a release would send, nothing of any child."""
    waiting = func.coalesce(func.sum(progress.c.count), 0)
    rows = conn.execute(
        select(
            alerts.c.id,
            alerts.c.case_reference,
            alerts.c.status,
            dispatches.c.kind,
            waiting,
            dispatches.c.expanded_at.is_(None),
            dispatches.c.deadline_at,
        )
        .join(alerts, alerts.c.id == dispatches.c.alert_id)
        .outerjoin(
            progress,
            (progress.c.dispatch_id == dispatches.c.id) & (progress.c.state == State.QUEUED),
        )
        .where(dispatches.c.stopped_at.is_(None), dispatches.c.deadline_at > now)
        .group_by(dispatches.c.id, alerts.c.id)
        .having((waiting > 0) | dispatches.c.expanded_at.is_(None))
        .order_by(dispatches.c.id)
    )
    return [Held(*row) for row in rows]


async def release(tools: Tools, actor: Actor) -> None:
    """Let everything go again; raises NotAllowed."""
    actor.require("operator")
    require_everywhere(actor)
    await tools.store.write(_release, actor, tools.clock())


def _release(conn: Connection, actor: Actor, at: datetime) -> None:
    lanes.set_state(conn, lanes.EVERYTHING, lanes.EVERYTHING, lanes.OPEN)
    record(conn, Entry(actor.label, "dispatch.released"), at=at)
    wake(conn, DELIVERIES)
