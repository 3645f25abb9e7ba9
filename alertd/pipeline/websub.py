"""Subscriptions by WebSub: entered once they are confirmed, gone when their lease ends."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from alertd.pipeline.record import Entry, record
from alertd.pipeline.turns import Turn, take_turn
from alertd.store.schema import addresses, recipient_regions, recipients
from alertd.tools import Tools

CHANNEL = "websub"
CLASS = "subscriber"
LEASE = timedelta(days=10)  # what W3C WebSub 5.1 suggests where the subscriber names none
SHORTEST, LONGEST = timedelta(minutes=5), timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What a subscriber asked for and confirmed."""

    address: str = field(repr=False)  # callback#topic, normalised
    language: str
    regions: tuple[str, ...]
    exercise: bool
    lease: timedelta
    secret: str = field(default="", repr=False)


async def subscribe(tools: Tools, subscription: Subscription) -> None:
    """Enter a confirmed subscription, or renew it."""
    await tools.store.write(_subscribe, tools, subscription, tools.clock())


async def unsubscribe(tools: Tools, address: str) -> None:
    """End a subscription whose end was confirmed; ending one that is not there changes nothing."""
    await tools.store.write(_end, [address], tools.clock())


async def end_leases(tools: Tools) -> int:
    """End what was not renewed in time; gives how many."""
    now = tools.clock()
    over = await tools.store.read(_run_out, now)
    return await tools.store.write(_end, over, now) if over else 0


def room(conn: Connection, lane: str, *, most: int, most_of_host: int) -> bool:
    """Tell whether one more subscription of this host may be taken."""
    living = (
        select(func.count())
        .select_from(recipients.join(addresses, addresses.c.id == recipients.c.address_id))
        .where(addresses.c.channel == CHANNEL, recipients.c.ended_at.is_(None))
    )
    in_all = conn.execute(living).scalar_one()
    of_host = conn.execute(living.where(addresses.c.lane == lane)).scalar_one()
    return bool(in_all < most and of_host < most_of_host)


def _subscribe(conn: Connection, tools: Tools, asked: Subscription, now: datetime) -> None:
    take_turn(conn, Turn.ENROLMENT)
    channel = tools.channels[CHANNEL]
    lane = channel.lane(asked.address)
    secret = tools.vault.master.seal(asked.secret.encode()) if asked.secret else None
    known = conn.execute(select(addresses.c.id).where(_is(asked.address))).scalar()
    if known is None:
        known = conn.execute(
            insert(addresses)
            .values(
                channel=CHANNEL, address=asked.address, lane=lane, secret=secret, created_at=now
            )
            .returning(addresses.c.id)
        ).scalar_one()
    else:  # whoever confirms anew wants to be written to again, whatever was before
        conn.execute(
            update(addresses)
            .where(addresses.c.id == known)
            .values(secret=secret, suppressed_at=None, suppressed_reason=None)
        )
    _renew(conn, known, asked, now)
    data = {"address": known, "lease_s": int(asked.lease.total_seconds())}
    record(conn, Entry("subscriber", "websub.subscribed", data=data), at=now)


def _renew(conn: Connection, address_id: int, asked: Subscription, now: datetime) -> None:
    values = {
        "language": asked.language,
        "exercise": asked.exercise,
        "consent": "confirmed by WebSub",
        "consent_at": now,
        "ended_at": None,
        "lease_until": now + asked.lease,
    }
    known = conn.execute(
        update(recipients)
        .where(recipients.c.address_id == address_id)
        .values(values)
        .returning(recipients.c.id)
    ).first()
    if known is None:
        fixed = {"address_id": address_id, "label": "WebSub", "recipient_class": CLASS}
        made = conn.execute(
            insert(recipients)
            .values(fixed | values | {"created_at": now})
            .returning(recipients.c.id)
        ).scalar_one()
        rows = [{"region": region, "recipient_id": made} for region in asked.regions]
        conn.execute(insert(recipient_regions), rows)


def _is(address: str) -> ColumnElement[bool]:
    return (addresses.c.channel == CHANNEL) & (addresses.c.address == address)


def _run_out(conn: Connection, now: datetime) -> list[str]:
    query = (
        select(addresses.c.address)
        .join(recipients, recipients.c.address_id == addresses.c.id)
        .where(recipients.c.lease_until <= now, recipients.c.ended_at.is_(None))
    )
    return list(conn.execute(query).scalars())


def _end(conn: Connection, over: list[str], now: datetime) -> int:
    take_turn(conn, Turn.ENROLMENT)
    ours = select(addresses.c.id).where(
        addresses.c.channel == CHANNEL, addresses.c.address.in_(over)
    )
    ended = conn.execute(
        update(recipients)
        .where(recipients.c.address_id.in_(ours), recipients.c.ended_at.is_(None))
        .values(ended_at=now)
    ).rowcount
    if ended:
        record(conn, Entry("subscriber", "websub.ended", data={"count": ended}), at=now)
    return ended
