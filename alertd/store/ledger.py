"""The hot statements: lease, settle, expand. Each is one statement for a whole batch.

They are written once as text; what the two databases say differently comes from the `SQL`
table of sqlite.py and postgresql.py. A batch travels as one JSON array of rows to SQLite, and
as one array a column to PostgreSQL.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, TextClause, text

from alertd.core.audit import AttemptRow
from alertd.core.delivery import State
from alertd.store import postgresql, sqlite

DIALECTS: dict[str, dict[str, str]] = {"sqlite": sqlite.SQL, "postgresql": postgresql.SQL}
AS_ROWS = {"sqlite": sqlite.as_rows, "postgresql": postgresql.as_rows}
AS_IDS = {"sqlite": sqlite.as_ids, "postgresql": postgresql.as_ids}
FOUND_IN = {"sqlite": sqlite.found_in, "postgresql": postgresql.found_in}

WAITING = State.QUEUED  # progress counts leased rows as queued: they are not done either
Place = tuple[int, str, str]  # dispatch, channel, region; that is empty where there is none
ProgressKey = tuple[int, str, str, str]  # and the state


@dataclass(slots=True, kw_only=True)
class Leased:
    """A delivery in this process's hands, with what is needed to attempt it."""

    id: int
    dispatch_id: int
    address_id: int
    channel: str
    lane: str
    language: str
    region: str
    attempts: int
    repeat: bool
    address: str = field(repr=False)
    secret: bytes | None = field(repr=False)
    suppressed: bool
    first_id: int | None = None  # the delivery that began the thread, where this one follows it

    @property
    def place(self) -> Place:
        return (self.dispatch_id, self.channel, self.region)


@dataclass(slots=True, kw_only=True)
class Change:
    """What becomes of one delivery. `state` SENT gives way to a report that it arrived.

    `held` is the fence of one leasing, its count of attempts: taking a lost lease back raises it.
    """

    id: int
    was: State
    state: State
    next_at: int
    attempts: int
    handed_over: bool = False
    repeat: bool = False
    provider_ref: str | None = None
    reason: str | None = None
    sent_at: int | None = None
    delivered_at: int | None = None
    held: int | None = None

    def row(self) -> list[object]:
        return [
            self.id,
            self.was,
            self.state,
            self.next_at,
            self.attempts,
            self.handed_over,
            self.repeat,
            self.provider_ref,
            self.reason,
            self.sent_at,
            self.delivered_at,
            self.held,
        ]


_LEASED = """
SELECT d.id, d.dispatch_id, d.address_id, d.channel, d.lane, d.language, d.region, d.attempts,
       d.repeat, a.address, a.secret, a.suppressed_at IS NOT NULL AS suppressed
FROM deliveries d JOIN addresses a ON a.id = d.address_id
"""

_DUE = (
    _LEASED
    + """
WHERE d.state = 'queued' AND d.channel = :channel AND d.priority = :priority
  AND d.next_at <= :now
ORDER BY d.next_at DESC LIMIT :limit {skip_locked}
"""
)

_SOME_DUE = """
SELECT p.priority FROM (SELECT 0 AS priority UNION ALL SELECT 1 UNION ALL SELECT 2
                        UNION ALL SELECT 3) AS p
WHERE EXISTS (SELECT 1 FROM deliveries d
              WHERE d.state = 'queued' AND d.channel = :channel AND d.priority = p.priority
                AND d.next_at <= :now)
ORDER BY p.priority
"""

_LOST = (
    _LEASED
    + """
WHERE d.state = 'leased' AND d.next_at < :now
ORDER BY d.next_at LIMIT :limit {skip_locked}
"""
)

_FORGOTTEN = (
    _LEASED
    + """
WHERE d.id {among} AND NOT d.handed_over
  AND (d.state = 'queued' OR (d.state = 'leased' AND d.lease = :lease)) {skip_locked}
"""
)

_TAKE = """
UPDATE deliveries SET state = 'leased', lease = :lease, next_at = :until WHERE id {among}
"""

_OPEN = """
SELECT id, "references" <> '' AS follows, tell_opted_out FROM dispatches
WHERE id {among} AND stopped_at IS NULL {share}
"""

_FIRST = """
SELECT d.id, min(o.id) FROM deliveries d
JOIN dispatches dp ON dp.id = d.dispatch_id
JOIN dispatches earlier ON earlier.alert_id = dp.alert_id AND earlier.id < dp.id
                       AND earlier.kind IN ('alert', 'update')
JOIN deliveries o ON o.dispatch_id = earlier.id AND o.address_id = d.address_id AND o.handed_over
WHERE d.id {among} GROUP BY d.id
"""

_CHANGE = """
WITH r AS (
  SELECT {id} AS id, {was} AS was, {state} AS state, {next_at} AS next_at, {attempts} AS attempts,
         {handed_over} AS handed_over, {repeat} AS repeat, {provider_ref} AS provider_ref,
         {reason} AS reason, {sent_at} AS sent_at, {delivered_at} AS delivered_at,
         {held} AS held
  FROM {rows}
)
UPDATE deliveries SET
  state = CASE WHEN r.state = 'sent' AND deliveries.delivered_at IS NOT NULL
               THEN 'delivered' ELSE r.state END,
  next_at = r.next_at,
  lease = NULL,
  attempts = r.attempts,
  handed_over = (deliveries.handed_over OR r.handed_over),
  repeat = r.repeat,
  provider_ref = COALESCE(r.provider_ref, deliveries.provider_ref),
  reason = r.reason,
  sent_at = COALESCE(deliveries.sent_at, r.sent_at),
  delivered_at = COALESCE(deliveries.delivered_at, r.delivered_at)
FROM r
WHERE deliveries.id = r.id AND deliveries.state = r.was
  AND (:lease = '' OR deliveries.lease = :lease)
  AND (r.held IS NULL OR deliveries.attempts = r.held)
RETURNING deliveries.id, deliveries.state
"""
_CHANGE_FIELDS = {
    "id": "int",
    "was": "text",
    "state": "text",
    "next_at": "int",
    "attempts": "int",
    "handed_over": "bool",
    "repeat": "bool",
    "provider_ref": "text",
    "reason": "text",
    "sent_at": "int",
    "delivered_at": "int",
    "held": "int",
}

_ATTEMPTS = """
INSERT INTO attempts (delivery_id, number, started_at, finished_at, result, reason, detail,
                      provider_ref, node, batch)
SELECT {delivery_id}, {number}, {started_at}, {finished_at}, {result}, {reason}, {detail},
       {provider_ref}, {node}, :batch
FROM {rows}
"""
_ATTEMPT_FIELDS = {
    "delivery_id": "int",
    "number": "int",
    "started_at": "int",
    "finished_at": "int",
    "result": "text",
    "reason": "text",
    "detail": "text",
    "provider_ref": "text",
    "node": "text",
}

# WHERE TRUE, for SQLite would take ON for a join's.
_PROGRESS = """
INSERT INTO progress (dispatch_id, channel, state, count, first_at, last_at)
SELECT {dispatch_id}, {channel}, {state}, {count}, CAST(:at AS BIGINT), CAST(:at AS BIGINT)
FROM {rows} WHERE TRUE
ON CONFLICT (dispatch_id, channel, state) DO UPDATE SET
  count = progress.count + excluded.count,
  first_at = CASE WHEN progress.first_at < excluded.first_at THEN progress.first_at
                  ELSE excluded.first_at END,
  last_at = CASE WHEN progress.last_at > excluded.last_at THEN progress.last_at
                 ELSE excluded.last_at END
"""
_PROGRESS_FIELDS = {"dispatch_id": "int", "channel": "text", "state": "text", "count": "int"}
_REGION_PROGRESS = """
INSERT INTO region_progress (dispatch_id, region, state, count)
SELECT {dispatch_id}, {region}, {state}, {count} FROM {rows} WHERE TRUE
ON CONFLICT (dispatch_id, region, state) DO UPDATE SET
  count = region_progress.count + excluded.count
"""
_REGION_PROGRESS_FIELDS = {"dispatch_id": "int", "region": "text", "state": "text", "count": "int"}


@cache
def _statement(dialect: str, template: str, fields: tuple[tuple[str, str], ...] = ()) -> TextClause:
    says = DIALECTS[dialect]
    named: dict[str, str] = {}
    columns: list[str] = []
    for n, (name, kind) in enumerate(fields):
        place = {"n": n, "name": name, "kind": says[kind]}
        named[name] = says["field"].format(**place)
        columns.append(says["column"].format(**place))
    rows = says["rows"].format(columns=", ".join(columns), names=", ".join(named))
    return text(template.format(**says | {"rows": rows}, **named))


def statement(
    conn: Connection, template: str, fields: Mapping[str, str] | None = None
) -> TextClause:
    """Give `template` as this database says it; `fields` names a JSON row's places in order."""
    return _statement(conn.dialect.name, template, tuple((fields or {}).items()))


def priorities_due(conn: Connection, *, channel: str, now: int) -> list[int]:
    """Give the priorities at which something is due, the most urgent first."""
    values = {"channel": channel, "now": now}
    return list(conn.scalars(statement(conn, _SOME_DUE), values))


def due(conn: Connection, *, channel: str, priority: int, now: int, limit: int) -> list[Leased]:
    """Give what is due, the latest first: a new alert overtakes a running million."""
    values = {"channel": channel, "priority": priority, "now": now, "limit": limit}
    return _leased(conn, _DUE, values)


def take(conn: Connection, ids: Iterable[int], *, lease: str, until: int) -> None:
    """Lease these rows, which `due` has just locked, until the instant `until`."""
    values = {"ids": _ids(conn, ids), "lease": lease, "until": until}
    conn.execute(statement(conn, _TAKE), values)


class OpenDispatch(NamedTuple):
    """What leasing has to know of a dispatch."""

    follows: bool  # an earlier message of its alert
    tell_opted_out: bool


def still_open(conn: Connection, dispatch_ids: Iterable[int]) -> dict[int, OpenDispatch]:
    """Give those that are not stopped, and keep them from being stopped in this transaction."""
    ids = sorted(set(dispatch_ids))
    rows = conn.execute(statement(conn, _OPEN), {"ids": _ids(conn, ids)})
    return {row.id: OpenDispatch(bool(row.follows), bool(row.tell_opted_out)) for row in rows}


def first_messages(conn: Connection, ids: Iterable[int]) -> dict[int, int]:
    """Give, per delivery, the first one that reached the same address about the same alert."""
    values = {"ids": _ids(conn, ids)}
    return dict(map(tuple, conn.execute(statement(conn, _FIRST), values)))


def change(conn: Connection, changes: Sequence[Change], *, lease: str = "") -> dict[int, str]:
    """Apply what still holds and give the state each changed delivery came to.

    A row that is no longer in the state it `was` in, or no longer under `lease`, stays as it
    is: whoever took it over accounts for it.
    """
    if not changes:
        return {}
    rows = _bound(conn, [change.row() for change in changes])
    query = statement(conn, _CHANGE, _CHANGE_FIELDS)
    return dict(map(tuple, conn.execute(query, {**rows, "lease": lease})))


def add_attempts(conn: Connection, rows: Sequence[AttemptRow], batch: int) -> None:
    """Store what the audit entry `batch` covers."""
    if rows:
        query = statement(conn, _ATTEMPTS, _ATTEMPT_FIELDS)
        conn.execute(query, {**_bound(conn, rows), "batch": batch})


def add_progress(conn: Connection, counts: Mapping[ProgressKey, int], at: int) -> None:
    """Add to the counters; in one order everywhere, so that two transactions cannot deadlock."""
    channels: Counter[tuple[int, str, str]] = Counter()
    regions: Counter[tuple[int, str, str]] = Counter()
    for (dispatch_id, channel, region, state), count in counts.items():
        channels[dispatch_id, channel, state] += count
        if region:
            regions[dispatch_id, region, state] += count
    if rows := _told(channels):
        query = statement(conn, _PROGRESS, _PROGRESS_FIELDS)
        conn.execute(query, {**_bound(conn, rows), "at": at})
    if rows := _told(regions):
        query = statement(conn, _REGION_PROGRESS, _REGION_PROGRESS_FIELDS)
        conn.execute(query, _bound(conn, rows))


def _told(counts: Mapping[tuple[int, str, str], int]) -> list[tuple[int, str, str, int]]:
    return sorted((*key, count) for key, count in counts.items() if count)


def moved(counts: Counter[ProgressKey], place: Place, was: str, state: str, count: int = 1) -> None:
    """Note in `counts` that `count` deliveries went from `was` to `state`."""
    before = WAITING if was == State.LEASED else was
    after = WAITING if state == State.LEASED else state
    if before != after:
        counts[(*place, before)] -= count
        counts[(*place, after)] += count


def alone(conn: Connection, name: str) -> bool:
    """Tell whether this transaction is the only one now that asked for `name`; never waits."""
    return bool(conn.execute(statement(conn, "SELECT {alone}"), {"name": name}).scalar())


def _bound(conn: Connection, rows: Sequence[Sequence[object]]) -> dict[str, object]:
    return AS_ROWS[conn.dialect.name](rows)


def _ids(conn: Connection, ids: Iterable[int]) -> object:
    return AS_IDS[conn.dialect.name](list(ids))


def found_in(
    conn: Connection, column: ColumnElement[int], wanted: Select[Any]
) -> ColumnElement[bool]:
    """Tell whether `column` is among what a query gives, whose rows are looked up one by one."""
    return FOUND_IN[conn.dialect.name](column, wanted)


def as_json(values: Sequence[object]) -> str:
    return json.dumps(list(values))


def reclaim(conn: Connection, now: int, limit: int) -> list[Leased]:
    """Give deliveries whose lease ran out, locked: whoever held them is dead, or too late."""
    return _leased(conn, _LOST, {"now": now, "limit": limit})


def forgotten(conn: Connection, ids: Iterable[int], *, lease: str) -> list[Leased]:
    """Give, locked, which of these are not known to have left, and nobody else has in hand."""
    return _leased(conn, _FORGOTTEN, {"ids": _ids(conn, ids), "lease": lease})


def _leased(conn: Connection, template: str, values: Mapping[str, object]) -> list[Leased]:
    return [
        Leased(
            id=row[0],
            dispatch_id=row[1],
            address_id=row[2],
            channel=row[3],
            lane=row[4],
            language=row[5],
            region=row[6],
            attempts=row[7],
            repeat=bool(row[8]),
            address=row[9],
            secret=row[10],
            suppressed=bool(row[11]),
        )
        for row in conn.execute(statement(conn, template), values)
    ]
