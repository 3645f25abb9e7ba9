"""What the database does for a page, by its own plans."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

BIG = ("deliveries", "attempts", "addresses", "recipients", "recipient_regions")
MOST_ROWS = 25_000  # the widest window that a page looks through, and what it reads besides
_PARTIAL = re.compile(r"ix_deliveries_(due|leased|trouble|failures)")  # of a few rows each

Statement = tuple[str, Any]


@contextmanager
def statements(on: Any = Engine) -> Iterator[list[Statement]]:
    """Note every question about a big table that is put to a database meanwhile."""
    seen: list[Statement] = []

    def note(_conn: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        asks = statement.lstrip().upper().startswith(("SELECT", "WITH"))
        if asks and any(table in statement for table in BIG):
            seen.append((statement, values))

    event.listen(on, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(on, "before_cursor_execute", note)


def faults(conn: Connection, seen: list[Statement]) -> list[str]:
    """Give the steps that go through a big table from end to end."""
    judge = _of_postgresql if conn.dialect.name == "postgresql" else _of_sqlite
    return [fault for statement, values in seen for fault in judge(conn, statement, values)]


def _of_sqlite(conn: Connection, statement: str, values: Any) -> list[str]:
    """A partial index may be read whole: it holds but the few that it is for."""
    rows = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
    steps = [row[3] for row in rows]
    return [step for step in steps if _scanned(step) in BIG and not _PARTIAL.search(step)]


def _scanned(step: str) -> str:
    words = step.split()
    return words[1] if words[0] == "SCAN" else ""


def _of_postgresql(conn: Connection, statement: str, values: Any) -> list[str]:
    asked = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}"
    said = conn.exec_driver_sql(asked, values).scalar_one()
    plan = json.loads(said) if isinstance(said, str) else said
    return [fault for node in _nodes(plan[0]["Plan"]) if (fault := _fault(node))]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each)


def _fault(node: dict[str, Any]) -> str:
    kind, table = node["Node Type"], node.get("Relation Name", "")
    left_out = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    rows = (node.get("Actual Rows", 0) + left_out) * node.get("Actual Loops", 1)
    if (kind == "Seq Scan" and table in BIG) or rows > MOST_ROWS:
        return f"{kind} {table} {rows:.0f} rows".replace("  ", " ")
    return ""
