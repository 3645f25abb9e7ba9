"""A ledger with recipients and dispatches, and no alertd around it: statements alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, select

from alertd.core.delivery import Next, Outcome, Result, State
from alertd.core.rendition import Kind
from alertd.pipeline.deliver import Settled, Want, changed, lease, settle
from alertd.pipeline.dispatch import Dispatch, open_dispatch
from alertd.pipeline.expand import expand, pending
from alertd.store.ledger import Leased
from alertd.store.schema import (
    addresses,
    alerts,
    deliveries,
    persons,
    recipient_regions,
    recipients,
    renditions,
    rule_sets,
    to_micros,
    versions,
)
from alertd.store.store import Store
from tests.conftest import FakeClock

LEASE = timedelta(seconds=30)


@dataclass
class Ledger:
    """The engine's statements, one call each."""

    store: Store
    clock: FakeClock
    alerts: int = 0

    async def alert(self, *, status: str = "exercise", kind: Kind = Kind.ALERT) -> tuple[str, int]:
        """Make an alert in force; gives its id and its version's."""
        self.alerts += 1
        return await self.store.write(_alert, f"alert{self.alerts:015}", status, kind, self.clock())

    async def recipients(self, count: int, **facts: object) -> None:
        await self.store.write(_recipients, count, self.clock(), facts)

    async def dispatch(self, alert: tuple[str, int], **changes: object) -> int:
        values = {
            "alert_id": alert[0],
            "version_id": alert[1],
            "kind": Kind.ALERT,
            "identifier": f"example.{alert[0]}.1",
            "exercise": True,
            "sent_at": self.clock(),
            "deadline_at": self.clock() + timedelta(hours=4),
        }
        dispatch = Dispatch(**values | changes)
        return await self.store.write(open_dispatch, dispatch)

    async def expand(self, chunk: int = 1000) -> None:
        """Expand whatever can be expanded now."""
        waiting: set[int] = set()
        while todo := [i for i in await self.store.read(pending) if i not in waiting]:
            done = await self.store.write(expand, todo[0], now=self.clock(), chunk=chunk)
            if done.waiting:
                waiting.add(todo[0])

    async def lease(self, limit: int = 1000, *, by: str = "a", **changes: object) -> list[Leased]:
        now = self.clock()
        want = {
            "channel": "webhook",
            "lease": by,
            "now": to_micros(now),
            "until": to_micros(now + LEASE),
            "limit": limit,
        }
        return await self.store.write(lease, Want(**want | changes))

    async def settle(
        self, taken: Sequence[Leased], result: Result = Result.DELIVERED, *, by: str = "a"
    ) -> int:
        """Settle each as delivered, or as put off by a minute; gives how many were written."""
        batch = self.outcomes(taken, result, by=by)
        return await self.store.write(settle, batch, node=by, now=to_micros(self.clock()))

    def outcomes(
        self, taken: Sequence[Leased], result: Result = Result.DELIVERED, *, by: str = "a"
    ) -> list[Settled]:
        now = to_micros(self.clock())
        outcome = Outcome(result)
        following = (
            Next(State.DELIVERED)
            if result is Result.DELIVERED
            else Next(State.QUEUED, self.clock() + timedelta(minutes=1))
        )
        return [
            Settled(
                leased=row,
                change=changed(row, outcome, following, now),
                attempt=(row.id, row.attempts + 1, now, now, result, "", "", "", by),
                result=result,
            )
            for row in taken
        ]

    async def states(self, dispatch_id: int) -> dict[str, int]:
        return await self.store.read(_states, dispatch_id)


@pytest.fixture
async def ledger(store: Store, clock: FakeClock) -> Ledger:
    await store.write(lay_ground, clock())
    return Ledger(store, clock)


def lay_ground(conn: Connection, now: datetime) -> None:
    conn.execute(insert(persons).values(id=1, name="Example", language="en", created_at=now))
    rules = {"programme": "example", "version": 1, "digest": "", "body": {}, "seen_at": now}
    conn.execute(insert(rule_sets).values(rules))


def _alert(
    conn: Connection, alert_id: str, status: str, kind: Kind, now: datetime
) -> tuple[str, int]:
    conn.execute(
        insert(alerts).values(
            id=alert_id,
            programme="example",
            status=status,
            case_reference="EX-1",
            key_id="key",
            created_by=1,
            created_at=now,
        )
    )
    return alert_id, add_version(conn, alert_id, 1, kind, now)


def add_version(conn: Connection, alert_id: str, number: int, kind: Kind, now: datetime) -> int:
    """Make a version in force, rendered for webhooks; gives its id."""
    version_id: int = conn.execute(
        insert(versions)
        .values(
            alert_id=alert_id,
            number=number,
            kind=kind,
            state="active",
            revision=1,
            identifier=f"example.{alert_id}.{number}",
            rule_set_version=1,
            regions=["GR", "GR-I"],
            languages=["el"],
            created_by=1,
            created_at=now,
            expires_at=now + timedelta(hours=4),
        )
        .returning(versions.c.id)
    ).scalar_one()
    for each in (Kind.ALERT, Kind.UPDATE, Kind.END):
        conn.execute(
            insert(renditions).values(
                version_id=version_id,
                kind=each,
                variant="",
                channel="webhook",
                language="el",
                form="message",
                media_type="application/json",
                digest="",
            )
        )
    return version_id


def _recipients(conn: Connection, count: int, now: datetime, facts: dict[str, object]) -> None:
    start = conn.execute(select(addresses.c.id)).all()
    for n in range(len(start), len(start) + count):
        address_id = conn.execute(
            insert(addresses)
            .values(
                channel="webhook",
                address=f"https://{n}.example.org/",
                lane=str(facts.get("lane", f"webhook/{n}.example.org:443")),
                created_at=now,
            )
            .returning(addresses.c.id)
        ).scalar_one()
        recipient_id = conn.execute(
            insert(recipients)
            .values(
                address_id=address_id,
                label="Example",
                recipient_class="media",
                language="el",
                exercise=facts.get("exercise", True),
                consent="form",
                consent_at=now,
                created_at=now,
            )
            .returning(recipients.c.id)
        ).scalar_one()
        for region in facts.get("regions", ("GR-I",)):
            conn.execute(insert(recipient_regions).values(recipient_id=recipient_id, region=region))


def _states(conn: Connection, dispatch_id: int) -> dict[str, int]:
    counts: dict[str, int] = {}
    query = select(deliveries.c.state).where(deliveries.c.dispatch_id == dispatch_id)
    for state in conn.execute(query).scalars():
        counts[state] = counts.get(state, 0) + 1
    return counts
