"""Who has lost a lease writes nothing more, even where the same process leased the row again."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from alertd.core.delivery import State
from alertd.store import ledger
from alertd.store.ledger import Change
from alertd.store.schema import deliveries
from alertd.store.store import Store

NODE, OTHER = "node-a", "node-b"


def _lease(conn: Connection, node: str, attempts: int) -> int:
    row: dict[str, Any] = {
        "dispatch_id": 1,
        "address_id": 1,
        "channel": "sms",
        "lane": "sms",
        "priority": 1,
        "language": "el",
        "state": State.LEASED,
        "attempts": attempts,
        "next_at": 1,
        "lease": node,
        "handed_over": False,
        "repeat": attempts > 0,
    }
    made = conn.execute(insert(deliveries).values(row).returning(deliveries.c.id))
    return int(made.scalar_one())


def _settle(conn: Connection, id_: int, node: str, held: int) -> str:
    change = Change(
        id=id_, was=State.LEASED, state=State.SENT, next_at=2, attempts=held + 1, held=held
    )
    ledger.change(conn, [change], lease=node)
    return str(conn.scalar(select(deliveries.c.state).where(deliveries.c.id == id_)))


@pytest.mark.parametrize(
    ("now_at", "attempts", "settled"),
    [(NODE, 0, "sent"), (OTHER, 1, "leased"), (OTHER, 0, "leased"), (NODE, 1, "leased")],
    ids=["still ours", "another's", "another's after it was given back untried", "ours again"],
)
async def test_a_settlement_counts_for_the_very_lease_it_began_under(
    store: Store, now_at: str, attempts: int, settled: str
) -> None:
    id_ = await store.write(_lease, now_at, attempts)
    assert await store.write(_settle, id_, NODE, 0) == settled
