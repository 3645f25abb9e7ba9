"""The reckoning: the ledger against the people, the sinks' logs and its own counters."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from click.testing import CliRunner
from sqlalchemy import Connection, func, select

from alertd.cli import main
from alertd.cli.audit import LOST
from alertd.core.delivery import Result, State
from alertd.pipeline.reports import delivery_ref
from alertd.store.ledger import WAITING
from alertd.store.schema import addresses, attempts, deliveries, dispatches, progress
from tests.acceptance.harness.daemon import Daemon
from tests.acceptance.harness.sinks import Line
from tests.acceptance.harness.town import Town

REACHED = {State.SENT, State.DELIVERED}
HANDED = (Result.SENT, Result.DELIVERED, Result.UNCERTAIN)
CHANNELS = ("sms", "email", "webhook")


@dataclass(frozen=True, slots=True)
class Row:
    """A delivery as the ledger has it, with its attempts that may have reached the sink."""

    ref: str
    alert_id: str
    channel: str
    address: str
    state: str
    repeat: bool
    handed: int


@dataclass
class Account:
    """What a campaign came to."""

    tried: int = 0
    lost: int = 0
    duplicates: int = 0
    bound: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.tried} tried, {self.lost} lost, {self.duplicates} duplicates, "
            f"bound {self.bound}"
        )

    def check(self) -> None:
        assert not self.faults, "\n".join([str(self), *self.faults[:20]])
        assert self.lost == 0, str(self)
        assert self.duplicates <= self.bound, str(self)


async def account(town: Town, bound: int) -> Account:
    """Hold everything against everything; every fault is named."""
    rows = await town.tools.store.read(_rows)
    result = Account(tried=len(rows), bound=bound)
    lines = {channel: town.sinks.lines(channel) for channel in CHANNELS}
    result.faults += _missing_rows(town, rows)
    result.faults += await town.tools.store.read(_miscounted)
    result.faults += await town.tools.store.read(_counted_twice)
    seen = {channel: Counter(line.id for line in found) for channel, found in lines.items()}
    for row in rows:
        arrived = seen[row.channel][row.ref]
        result.lost += row.state not in REACHED or not arrived
        result.duplicates += max(arrived - 1, 0)
        result.faults += _disagreements(row, arrived)
    for channel, found in lines.items():
        result.faults += _unmarked(found)
        known = {row.ref: row.address for row in rows if row.channel == channel}
        result.faults += _strangers(found, known)
    return result


async def verified(daemon: Daemon, *, went_back: bool = False) -> None:
    """Let `alertd audit verify` replay the chain, on a loop of its own."""
    words = ["--config", str(daemon.config), "audit", "verify"]
    told = await asyncio.to_thread(CliRunner().invoke, main, words)
    assert told.exit_code in ((0, LOST) if went_back else (0,)), told.output


async def in_hand(town: Town) -> set[tuple[int, str]]:
    """Give what is leased: all that a process which died now may have sent without saying so."""
    return await town.tools.store.read(_leased)


def _leased(conn: Connection) -> set[tuple[int, str]]:
    query = select(deliveries.c.id, deliveries.c.lease).where(
        deliveries.c.state == State.LEASED, deliveries.c.channel != "feed"
    )
    return {(row.id, row.lease) for row in conn.execute(query)}


def _rows(conn: Connection) -> list[Row]:
    # Asked apart: joined, PostgreSQL would go by key through every group for every delivery.
    count = select(attempts.c.delivery_id, func.count()).group_by(attempts.c.delivery_id)
    came = attempts.c.result.in_(HANDED)
    came_by = conn.execute(count.where(attempts.c.number > 0, came))
    handed = {row.delivery_id: row[1] for row in came_by}
    query = (
        select(
            deliveries.c.id,
            dispatches.c.alert_id,
            deliveries.c.channel,
            addresses.c.address,
            deliveries.c.state,
            deliveries.c.repeat,
        )
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .join(addresses, addresses.c.id == deliveries.c.address_id)
        .where(deliveries.c.channel != "feed")
    )
    return [
        Row(
            ref=delivery_ref(row.alert_id, row.id),
            alert_id=row.alert_id,
            channel=row.channel,
            address=row.address,
            state=row.state,
            repeat=bool(row.repeat),
            handed=handed.get(row.id, 0),
        )
        for row in conn.execute(query)
    ]


def _missing_rows(town: Town, rows: list[Row]) -> Iterator[str]:
    """Every recipient has exactly one delivery of every alert."""
    found = Counter((row.alert_id, row.channel, row.address) for row in rows)
    for alert_id in town.alerts:
        for channel, people in town.people.items():
            for address in people:
                if (count := found.pop((alert_id, channel, address), 0)) != 1:
                    yield f"{alert_id} {channel} {address}: {count} deliveries"
    for alert_id, channel, address in found:
        yield f"{alert_id} {channel} {address}: nobody asked for it"


def _disagreements(row: Row, arrived: int) -> Iterator[str]:
    if row.state in REACHED and not arrived:
        yield f"{row.ref} {row.channel}: {row.state}, but the sink never saw it"
    if row.state not in REACHED:
        yield f"{row.ref} {row.channel}: ended as {row.state}"
    if arrived > row.handed:
        yield f"{row.ref} {row.channel}: arrived {arrived} times, {row.handed} attempts"
    if arrived > 1 and not row.repeat:
        yield f"{row.ref} {row.channel}: arrived {arrived} times and is no repeat in the ledger"


def _unmarked(lines: list[Line]) -> Iterator[str]:
    """Of all copies one at most looks like the first, where the medium has a place for a mark.

    It need not come first: a process that slept may let go of it after its repeat.
    """
    plain = Counter(line.id for line in lines if line.repeat is False)
    yield from (
        f"{id_}: came {count} times without a mark" for id_, count in plain.items() if count > 1
    )


def _strangers(lines: list[Line], known: dict[str, str]) -> Iterator[str]:
    for line in lines:
        address = known.get(line.id)
        if address is None:
            yield f"{line.id}: arrived, and is no delivery"
        elif line.to not in (address, urlsplit(address).path):
            yield f"{line.id}: arrived at another address"


def _miscounted(conn: Connection) -> list[str]:
    """Give where the counters differ from the rows."""
    counted = {
        (row.dispatch_id, row.channel, row.state): row.count
        for row in conn.execute(select(progress))
        if row.count
    }
    key = (deliveries.c.dispatch_id, deliveries.c.channel, deliveries.c.state)
    rows: Counter[tuple[int, str, str]] = Counter()
    for row in conn.execute(select(*key, func.count().label("count")).group_by(*key)):
        state = WAITING if row.state == State.LEASED else row.state
        rows[row.dispatch_id, row.channel, state] += row.count
    return [
        f"dispatch {where}: counted {counted.get(where, 0)}, there are {rows[where]}"
        for where in sorted(counted.keys() | rows.keys())
        if counted.get(where, 0) != rows[where]
    ]


def _counted_twice(conn: Connection) -> list[str]:
    """Give the attempts that two processes wrote: one of them came too late, and was let in."""
    query = (
        select(attempts.c.delivery_id, attempts.c.number, func.count().label("count"))
        .where(attempts.c.number > 0)
        .group_by(attempts.c.delivery_id, attempts.c.number)
        .having(func.count() > 1)
    )
    return [
        f"delivery {row.delivery_id}: attempt {row.number} was written {row.count} times"
        for row in conn.execute(query)
    ]
