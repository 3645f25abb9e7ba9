"""What the console's pages cost with a million deliveries in the ledger.

python -m tests.benchmarks.console [--deliveries 1000000] [--url postgresql://...]
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import Connection, text

from alertd.console.officials.live import read_live
from alertd.core.delivery import State
from alertd.pipeline.audience import FRESH, Intent, audience
from alertd.store.schema import to_micros
from alertd.store.store import Store, open_store
from alertd.tools import Tools
from alertd.watch.alarms import recent
from alertd.watch.auditlog import AuditFilter, find_entries
from alertd.watch.board import read_board
from alertd.watch.dispatchlog import Filter, find, read_line
from alertd.watch.report import failures_of
from alertd.watch.roster import Standing, Wanted, find_recipients

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
ALERTS = 20
BOUND_MS = 50
ROUNDS = 15
RATES: dict[str, float | None] = {"sms": 100.0, "email": 50.0, "webhook": None, "feed": None}

_COUNT = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
"""
_ADDRESSES = (
    "INSERT INTO addresses (id, channel, address, lane, created_at) "
    + _COUNT
    + "SELECT i, CASE i % 2 WHEN 0 THEN 'sms' ELSE 'email' END, 'reader' || i || '@example.org', "
    "CASE i % 2 WHEN 0 THEN 'sms' ELSE 'email' END, :now FROM n"
)
_RECIPIENTS = (
    "INSERT INTO recipients (id, address_id, label, recipient_class, language, exercise, consent, "
    "consent_at, created_at) "
    + _COUNT
    + "SELECT i, i, '', 'citizen', 'el', true, 'example', :now, :now FROM n"
)
_REGIONS = (
    "INSERT INTO recipient_regions (region, recipient_id) "
    + _COUNT
    + "SELECT CASE i % 4 WHEN 0 THEN 'GR' WHEN 1 THEN 'GR-B' ELSE 'GR-I' END, i FROM n"
)
_DELIVERIES = (
    "INSERT INTO deliveries (id, dispatch_id, address_id, channel, lane, priority, language, "
    "state, attempts, next_at, handed_over, repeat, reason, sent_at, delivered_at) "
    + _COUNT
    + """SELECT :base + i, :dispatch, i,
      CASE i % 2 WHEN 0 THEN 'sms' ELSE 'email' END, CASE i % 2 WHEN 0 THEN 'sms' ELSE 'email' END,
      1, 'el', CASE WHEN i % 100 = 7 THEN 'dead' WHEN :last AND i % 50 = 3 THEN 'queued'
               ELSE 'delivered' END,
      1, :now + i, true, false, CASE WHEN i % 100 = 7 THEN 'address_unreachable' END,
      :now, :now + 1000000 FROM n"""
)
_ATTEMPTS = (
    "INSERT INTO attempts (delivery_id, number, started_at, finished_at, result, reason, detail, "
    "provider_ref, node, batch) "
    + _COUNT
    + "SELECT :base + i, 1, :now, :now + 100000, 'delivered', '', '200', '', 'example', 1 FROM n"
)
_RECIPIENTS = (
    "INSERT INTO recipients (id, address_id, label, recipient_class, language, exercise, consent, "
    "consent_at, created_at) "
    + _COUNT
    + "SELECT i, i, 'Example', 'citizen', 'el', true, 'example', :now, :now FROM n"
)
_REGIONS = (
    "INSERT INTO recipient_regions (region, recipient_id) " + _COUNT + "SELECT 'GR-I', i FROM n"
)


_ALERT = """
INSERT INTO alerts (id, programme, status, case_reference, key_id, created_by, created_at)
VALUES (:id, 'example', 'exercise', :case, 'k', 1, :now)
"""
_VERSION = """
INSERT INTO versions (id, alert_id, number, kind, state, revision, rule_set_version, regions,
                      languages, created_by, created_at, expires_at, sent_at)
VALUES (:n, :id, 1, 'alert', 'active', 1, 1, '[]', '[]', 1, :now, :now, :now)
"""
_DISPATCH = """
INSERT INTO dispatches (id, alert_id, version_id, kind, variant, occurrence, identifier, priority,
                        exercise, sent_at, deadline_at, "references", source, expanded_to,
                        expanded_at)
VALUES (:n, :id, :n, 'alert', '', 0, :id, 1, true, :now, :now + 86400000000, '', '', 0, :now)
"""


def fill(conn: Connection, count: int) -> None:
    """Make a ledger with `count` deliveries, spread over the dispatches of ALERTS alerts."""
    each = count // ALERTS
    now = to_micros(NOW)
    run = conn.execute
    run(text("INSERT INTO persons (id, name, language, created_at) VALUES (1, 'E', 'el', 0)"))
    run(
        text(
            "INSERT INTO rule_sets (programme, version, digest, body, seen_at) "
            "VALUES ('example', 1, 'x', '{}', 0)"
        )
    )
    for statement in (_ADDRESSES, _RECIPIENTS):
        run(text(statement), {"count": each, "now": now})
    run(text(_REGIONS), {"count": each})
    for n in range(1, ALERTS + 1):
        _alert(conn, n, now)
        run(
            text(_DELIVERIES),
            {
                "count": each,
                "base": (n - 1) * each,
                "dispatch": n,
                "now": now,
                "last": n == ALERTS,
            },
        )
        run(text(_ATTEMPTS), {"count": each, "base": (n - 1) * each, "now": now})
        run(
            text(
                "INSERT INTO progress (dispatch_id, channel, state, count, first_at, last_at) "
                "SELECT dispatch_id, channel, state, count(*), :now, :now FROM deliveries "
                "WHERE dispatch_id = :n GROUP BY dispatch_id, channel, state"
            ),
            {"n": n, "now": now},
        )
    conn.execute(text("ANALYZE"))


def _alert(conn: Connection, n: int, now: int) -> None:
    values = {"n": n, "id": f"example{n:02}", "case": f"EX-{n:04}", "now": now}
    for statement in (_ALERT, _VERSION, _DISPATCH):
        conn.execute(text(statement), values)


def pages(count: int) -> Iterator[tuple[str, Callable[[Connection], object]]]:
    """Name what is read for each page, the worst questions among them."""
    now = NOW + timedelta(minutes=2)

    def log(**wanted: Any) -> Callable[[Connection], object]:
        return lambda conn: find(conn, Filter(**wanted), after=None, limit=50)

    def board(conn: Connection) -> object:
        return read_board(conn, RATES, now), recent(conn)

    yield "board", board
    yield "log: everything", log()
    yield "log: far down", lambda conn: find(conn, Filter(), after=(count // 2,), limit=50)
    yield "log: a state of many", log(state=State.DELIVERED, channel="sms")
    yield "log: a state of few", log(state=State.QUEUED, channel="sms")
    yield "log: a state of none", log(state=State.SENT)
    yield "log: in hand", log(state=State.LEASED)
    yield "log: a reason of none", log(reason="throttled")
    yield "log: dead of one channel", log(state=State.DEAD, channel="email")
    yield "log: dead of an alert", log(state=State.DEAD, alert_id="example01")
    yield "log: dead for a reason of none", log(state=State.DEAD, reason="dns")
    yield "log: a case", log(case_reference="EX-0003")
    yield "log: a case and a state of none", log(case_reference="EX-0003", state=State.SENT)
    yield "log: an address", log(address_id=7)
    yield "a delivery", lambda conn: read_line(conn, count // 3)
    yield "audit", lambda conn: find_entries(conn, AuditFilter(), before=None, limit=50)
    yield "failures of an alert", lambda conn: failures_of(conn, "example05")
    yield "an alert that moves", lambda conn: read_live(conn, f"example{ALERTS:02}", now)

    def roster(**wanted: Any) -> Callable[[Connection], object]:
        return lambda conn: find_recipients(conn, Wanted(**wanted), after=0, limit=50)

    yield "recipients", roster()
    yield "recipients: a channel of none", roster(channel="webhook")
    yield "recipients: a region", roster(region="GR-I")
    yield "recipients: a region and a language of none", roster(region="GR-I", language="en")
    yield "recipients: who left", roster(standing=Standing.ENDED)


async def measure(store: Store, count: int) -> dict[str, float]:
    """Give the median of each page in milliseconds, the transaction included."""
    found: dict[str, float] = {}
    for name, read in pages(count):
        taken = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            await store.read(read)
            taken.append((time.perf_counter() - began) * 1000)
        found[name] = statistics.median(taken)
    return found


async def measure_reach(store: Store) -> tuple[float, float]:
    """Give what the first look at an alert's reach takes in milliseconds, and each one after."""
    intent = Intent(
        alert_id="",
        regions=frozenset({"GR", "GR-I"}),
        exercise=True,
        channels=frozenset({"sms", "email"}),
    )
    taken = []
    for round_ in range(ROUNDS):
        for at in (NOW + round_ * FRESH, NOW + round_ * FRESH + FRESH / 2):
            tools = cast("Tools", SimpleNamespace(store=store, clock=lambda at=at: at))
            began = time.perf_counter()
            await audience(tools, intent)
            taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken[::2]), statistics.median(taken[1::2])


async def main(count: int, url: str) -> int:
    async with open_store(url) as store:
        await store.migrate()
        began = time.perf_counter()
        await store.write(fill, count)
        print(f"{count} deliveries made in {time.perf_counter() - began:.0f} s")
        found = await measure(store, count)
        first, found["reach: again"] = await measure_reach(store)
    print(f"{first:7.1f} ms  reach: counted, of {count // ALERTS} recipients")
    for name, took in found.items():
        print(f"{took:7.1f} ms  {name}")
    slow = [name for name, took in found.items() if took > BOUND_MS]
    print(f"over {BOUND_MS} ms: {', '.join(slow) or 'none'}")
    return 1 if slow else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=1_000_000)
    parser.add_argument("--url")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="alertd-bench-") as folder:
        url = given.url or f"sqlite:///{Path(folder) / 'alertd.db'}"
        raise SystemExit(asyncio.run(main(given.deliveries, url)))
