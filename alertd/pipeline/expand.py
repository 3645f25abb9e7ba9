"""From a dispatch to its deliveries: one row a recipient and channel, made in the database.

What a dispatch still has to go through is a list of sources, each read by keyset in chunks:
the regions of the alert, and for what follows an earlier message, the deliveries of that one.
A dispatch is expanded once the last source is through, and every chunk is a transaction of
its own: the first recipients are being sent to while the rest are still being added, and a
crash repeats at most one chunk, to no effect.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select, update

from alertd.core.delivery import State
from alertd.core.errors import Reason
from alertd.core.rendition import Kind
from alertd.pipeline.dispatch import DELIVERIES, REVOCABLE
from alertd.store import ledger
from alertd.store.ledger import statement
from alertd.store.schema import deliveries, dispatches, renditions, to_micros, versions
from alertd.store.store import wake

CHUNK = 2_000  # rows in one transaction: some 20 ms in which nobody else writes on SQLite
FIRST_CHUNK = 250  # the first recipients need not wait for a thousand others to be queued


@dataclass(frozen=True, slots=True)
class Expansion:
    """Where the expansion of a dispatch stands after a chunk."""

    added: int
    done: bool
    waiting: bool = False  # for earlier messages still in flight


# The alert's own status decides, in the statement itself, that an exercise reaches exercise
# recipients alone, and an actual alert never them.
_BY_REGION = """
INSERT INTO deliveries (dispatch_id, address_id, channel, lane, priority, language, region, state,
                        attempts, next_at, handed_over, repeat)
SELECT dp.id, a.id, a.channel, a.lane, dp.priority, r.language, rr.region, 'queued', 0, dp.sent_at,
       {false}, {false}
FROM dispatches dp
JOIN alerts al ON al.id = dp.alert_id
JOIN recipient_regions rr ON rr.region = :region AND rr.recipient_id > :after
                         AND rr.recipient_id <= :upto
JOIN recipients r ON r.id = rr.recipient_id AND r.ended_at IS NULL
                 AND r.exercise = (al.status <> 'actual')
                 AND (dp.classes IS NULL OR r.recipient_class IN {classes})
JOIN addresses a ON a.id = r.address_id AND a.suppressed_at IS NULL
                AND a.channel IN {channels}
WHERE dp.id = :dispatch
  AND NOT EXISTS (SELECT 1 FROM dispatches earlier
                  JOIN deliveries o ON o.dispatch_id = earlier.id AND o.address_id = a.id
                                   AND (o.state = 'leased'
                                        OR (dp.occurrence > 0 AND o.state = 'queued'
                                            AND earlier.stopped_at IS NULL))
                  WHERE earlier.alert_id = dp.alert_id AND earlier.id < dp.id)
ON CONFLICT (dispatch_id, address_id) DO NOTHING
RETURNING channel, region
"""

# Exactly those who got something, or may have got it, even if they have left the list since;
# whoever has any earlier message in flight, its end too, is added once that has come down.
_BY_DISPATCH = """
INSERT INTO deliveries (dispatch_id, address_id, channel, lane, priority, language, region, state,
                        attempts, next_at, handed_over, repeat)
SELECT dp.id, o.address_id, o.channel, o.lane, dp.priority, o.language, o.region, 'queued', 0,
       dp.sent_at, {false}, {false}
FROM dispatches dp
JOIN deliveries o ON o.dispatch_id = :earlier AND o.address_id > :after AND o.address_id <= :upto
                 AND o.handed_over AND o.channel IN {channels}
JOIN addresses a ON a.id = o.address_id
                AND (a.suppressed_at IS NULL
                     OR (dp.tell_opted_out AND a.suppressed_reason = 'opted_out'))
WHERE dp.id = :dispatch
  AND NOT EXISTS (SELECT 1 FROM dispatches other
                  JOIN deliveries f ON f.dispatch_id = other.id AND f.address_id = o.address_id
                                   AND f.state = 'leased'
                  WHERE other.alert_id = dp.alert_id AND other.id < dp.id)
ON CONFLICT (dispatch_id, address_id) DO NOTHING
RETURNING channel, region
"""

_UPTO_REGION = """
SELECT max(id) FROM (SELECT recipient_id AS id FROM recipient_regions
  WHERE region = :region AND recipient_id > :after ORDER BY recipient_id LIMIT :chunk) AS chunk
"""
_UPTO_DISPATCH = """
SELECT max(id) FROM (SELECT address_id AS id FROM deliveries
  WHERE dispatch_id = :earlier AND address_id > :after ORDER BY address_id LIMIT :chunk) AS chunk
"""

_IN_FLIGHT = """
SELECT EXISTS (SELECT 1 FROM deliveries o JOIN dispatches earlier ON earlier.id = o.dispatch_id
               WHERE o.state = 'leased' AND earlier.alert_id = :alert AND earlier.id < :dispatch)
"""


def pending(conn: Connection) -> list[int]:
    """Give the dispatches that still have recipients to add, urgent ones first."""
    query = (
        select(dispatches.c.id)
        .where(dispatches.c.expanded_at.is_(None), dispatches.c.stopped_at.is_(None))
        .order_by(dispatches.c.priority, dispatches.c.id.desc())
    )
    return list(conn.execute(query).scalars())


def expand(conn: Connection, dispatch_id: int, *, now: datetime, chunk: int = CHUNK) -> Expansion:
    """Add the next chunk of recipients to a dispatch."""
    if not ledger.alone(conn, f"expand:{dispatch_id}"):
        return Expansion(0, done=False, waiting=True)  # another node is at it
    row = conn.execute(select(dispatches).where(dispatches.c.id == dispatch_id)).mappings().one()
    if row["expanded_at"] is not None or row["stopped_at"] is not None:
        return Expansion(0, done=True)
    sources = _sources(conn, row)
    source = row["source"] or (sources[0] if sources else "")
    if not row["source"]:
        chunk = min(chunk, FIRST_CHUNK)
    added, upto = _add(conn, row, source, chunk) if source else (0, None)
    if added:
        wake(conn, DELIVERIES)
    if upto is not None:
        _move_on(conn, dispatch_id, source=source, expanded_to=upto)
        return Expansion(added, done=False)
    following = sources[sources.index(source) + 1 :] if source else []
    if following:
        _move_on(conn, dispatch_id, source=following[0], expanded_to=0)
        return Expansion(added, done=False)
    return Expansion(added, *_finish(conn, row, now))


def _finish(conn: Connection, row: RowMapping, now: datetime) -> tuple[bool, bool]:
    """Close the expansion, unless an earlier message is in flight: then go through all again.

    What is in flight may yet arrive, and whoever gets it must be told too. Their lease bounds
    the wait.
    """
    values = {"alert": row["alert_id"], "dispatch": row["id"]}
    repeats = row["occurrence"] and row["kind"] in REVOCABLE  # what is in flight says the same
    if not repeats and conn.execute(statement(conn, _IN_FLIGHT), values).scalar():
        _move_on(conn, row["id"], source="", expanded_to=0)
        return False, True
    conn.execute(update(dispatches).where(dispatches.c.id == row["id"]).values(expanded_at=now))
    return True, False


def _move_on(conn: Connection, dispatch_id: int, *, source: str, expanded_to: int) -> None:
    conn.execute(
        update(dispatches)
        .where(dispatches.c.id == dispatch_id)
        .values(source=source, expanded_to=expanded_to)
    )


def _sources(conn: Connection, row: RowMapping) -> list[str]:
    """Give what this dispatch has to go through, in a fixed order."""
    earlier = conn.execute(
        select(dispatches.c.id)
        .where(
            dispatches.c.alert_id == row["alert_id"],
            dispatches.c.id < row["id"],
            dispatches.c.kind.in_(REVOCABLE),
        )
        .order_by(dispatches.c.id)
    ).scalars()
    reached = [f"dispatch:{id_}" for id_ in earlier]
    if row["kind"] not in REVOCABLE:
        return reached
    query = select(versions.c.regions).where(versions.c.id == row["version_id"])
    regions = conn.execute(query).scalar_one()
    again = reached if row["kind"] == Kind.UPDATE and not row["occurrence"] else []
    return again + [f"region:{region}" for region in sorted(regions)]


def _add(conn: Connection, row: RowMapping, source: str, chunk: int) -> tuple[int, int | None]:
    """Insert one chunk; gives how many rows are new, and the cursor (None: source is through)."""
    kind, _, name = source.partition(":")
    place: dict[str, object] = {"region": name} if kind == "region" else {"earlier": int(name)}
    values = {**place, "after": row["expanded_to"], "chunk": chunk}
    limit, insert = (
        (_UPTO_REGION, _BY_REGION) if kind == "region" else (_UPTO_DISPATCH, _BY_DISPATCH)
    )
    upto = conn.execute(statement(conn, limit), values).scalar()
    if upto is None:
        return 0, None
    values = {
        **place,
        "after": row["expanded_to"],
        "upto": upto,
        "dispatch": row["id"],
        "names": ledger.as_json(_channels(conn, row)),
    }
    if kind == "region":
        values["classes"] = ledger.as_json(row["classes"] or ())
    made = Counter(tuple(each) for each in conn.execute(statement(conn, insert), values))
    counts: dict[ledger.ProgressKey, int] = {
        (row["id"], channel, region, State.QUEUED): count
        for (channel, region), count in made.items()
    }
    ledger.add_progress(conn, counts, to_micros(row["sent_at"]))
    return made.total(), upto


def _channels(conn: Connection, row: RowMapping) -> Sequence[str]:
    """Give the channels that were rendered, and so approved; feeds are not for recipients.

    A dispatch may name fewer, as a rebroadcast does.
    """
    query = (
        select(renditions.c.channel)
        .distinct()
        .where(
            renditions.c.version_id == row["version_id"],
            renditions.c.kind == row["kind"],
            renditions.c.variant == row["variant"],
            renditions.c.channel != "feed",
        )
    )
    wanted = row["channels"]
    return [name for name in conn.execute(query).scalars() if wanted is None or name in wanted]


_SWEEP = """
SELECT d.id, d.dispatch_id, d.channel, d.region, d.attempts, d.repeat FROM deliveries d
WHERE d.dispatch_id = :dispatch AND d.state = 'queued' LIMIT :chunk {skip_locked}
"""


def to_sweep(conn: Connection) -> list[int]:
    """Give the dispatches that were stopped and may still have queued rows."""
    query = select(dispatches.c.id).where(
        dispatches.c.stopped_at.is_not(None), dispatches.c.swept_at.is_(None)
    )
    return list(conn.execute(query).scalars())


@dataclass(frozen=True, slots=True)
class Swept:
    closed: int
    done: bool


def sweep(conn: Connection, dispatch_id: int, *, now: datetime, chunk: int = CHUNK) -> Swept:
    """Close the next chunk of what was queued when the dispatch was stopped."""
    values = {"dispatch": dispatch_id, "chunk": chunk}
    rows = conn.execute(statement(conn, _SWEEP), values).all()
    changes = [
        ledger.Change(
            id=row.id,
            was=State.QUEUED,
            state=State.CANCELLED,
            next_at=to_micros(now),
            attempts=row.attempts,
            repeat=bool(row.repeat),
            reason=Reason.SUPERSEDED,
        )
        for row in rows
    ]
    counts: Counter[ledger.ProgressKey] = Counter()
    closed = ledger.change(conn, changes)
    for row in rows:
        if row.id in closed:
            place = (row.dispatch_id, row.channel, row.region)
            ledger.moved(counts, place, State.QUEUED, State.CANCELLED)
    ledger.add_progress(conn, counts, to_micros(now))
    done = not rows and not _in_hand(conn, dispatch_id)
    if done:
        conn.execute(update(dispatches).where(dispatches.c.id == dispatch_id).values(swept_at=now))
    return Swept(len(closed), done)


def _in_hand(conn: Connection, dispatch_id: int) -> bool:
    """Tell whether something of it is leased: it may yet come back as queued."""
    query = select(deliveries.c.id).where(
        deliveries.c.dispatch_id == dispatch_id, deliveries.c.state == State.LEASED
    )
    return conn.execute(query.limit(1)).first() is not None
