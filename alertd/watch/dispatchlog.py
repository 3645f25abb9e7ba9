"""The dispatch log: every delivery, found by what may be searched.

No query reads more than WINDOW rows of the ledger, whatever it asks for and however many there
are: a page that found too little within its window says how far it has looked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    TextClause,
    func,
    select,
    text,
    tuple_,
)

from alertd.core.delivery import State
from alertd.core.errors import NotFound
from alertd.pipeline.jurisdiction import Eyes, Sight
from alertd.pipeline.pseudonyms import hashed, mask_reached
from alertd.store.schema import (
    HALTED,
    addresses,
    alerts,
    attempts,
    deliveries,
    dispatches,
    from_micros,
    progress,
)

WINDOW = 10_000
NEAR = 10  # times a page is looked through at first: mostly it is found full there
MOST_DISPATCHES = 500  # that are asked for one address: the newest
MOST_OWN = 100  # dispatches that a page looks through for whoever does not see all: the newest
HALTED_STATES = (State.DEAD, State.UNCERTAIN, State.EXPIRED)
WAITING = (State.QUEUED, State.LEASED)
_LAST = 10**18 - 1  # beyond every address

Clauses = list[ColumnElement[bool] | TextClause]
Place = tuple[int, ...]
"""Where a page ends: a delivery's id, or, of one alert, a dispatch and an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What is looked for; an address by its number, so that no link ever carries it."""

    alert_id: str | None = None
    case_reference: str | None = None
    channel: str | None = None
    state: State | None = None
    reason: str | None = None
    address_id: int | None = None
    sees: Sight | None = None  # what bounds whoever asks

    @property
    def one_alert(self) -> bool:
        return bool(self.alert_id or self.case_reference)

    @property
    def anything(self) -> bool:
        return not any((self.one_alert, self.channel, self.state, self.reason, self.address_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One delivery as the log shows it; its address is masked."""

    id: int
    alert_id: str
    case_reference: str
    exercise: bool
    kind: str
    variant: str
    version_id: int
    channel: str
    lane: str
    address: str
    address_id: int
    language: str
    state: State
    attempts: int
    repeat: bool
    reason: str
    next_at: datetime | None
    activated_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    provider_ref: str

    @property
    def delay_s(self) -> float | None:
        """Give how long after the last approval it arrived, or at least left us."""
        at = self.delivered_at or self.sent_at
        return (at - self.activated_at).total_seconds() if at else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """`next` is where to go on; `full` is false when the window ended before the page did."""

    lines: tuple[Line, ...]
    next: Place | None = None
    full: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    number: int  # 0: what the provider reported later
    started_at: datetime
    finished_at: datetime
    result: str
    reason: str
    detail: str
    provider_ref: str
    node: str


def find(conn: Connection, wanted: Filter, *, after: Place | None, limit: int) -> LogPage:
    """Give what fits, newest first."""
    if wanted.address_id is not None:
        return _of_address(conn, wanted, after, limit)
    eyes = Eyes(conn, wanted.sees)
    if not wanted.one_alert:
        few = wanted.state in HALTED_STATES or (wanted.state in WAITING and _few_wait(conn))
        if wanted.sees is not None and not few:
            return _of_newest_dispatches(eyes, wanted, after, limit)
        return _newest(conn, wanted, None, after, limit)
    chosen = eyes.choose_dispatches(list(conn.scalars(_dispatches_of(wanted))))
    if not chosen:
        return LogPage(lines=())
    if wanted.state in HALTED_STATES:
        return _newest(conn, wanted, chosen, after, limit)
    return _of_dispatches(conn, wanted, chosen, after, limit)


def find_address(conn: Connection, spelled: dict[str, str]) -> int | None:
    """Give the number of an address, told how each channel would spell it."""
    for channel, address in spelled.items():
        query = select(addresses.c.id).where(
            addresses.c.channel == channel, addresses.c.address == address
        )
        if (found := conn.scalar(query)) is not None:
            return int(found)
    return None


def read_line(conn: Connection, delivery_id: int) -> tuple[Line, list[Attempt]]:
    """Give one delivery with its attempts, in the order in which they were made."""
    lines = read_chosen(conn, [delivery_id])
    if not lines:
        raise NotFound("there is no such delivery")
    rows = conn.execute(
        select(attempts).where(attempts.c.delivery_id == delivery_id).order_by(attempts.c.id)
    ).mappings()
    names = ("number", "result", "reason", "detail", "provider_ref", "node")
    made = [
        Attempt(
            started_at=from_micros(row["started_at"]),
            finished_at=from_micros(row["finished_at"]),
            **{name: row[name] for name in names},
        )
        for row in rows
    ]
    return lines[0], made


def read_address(conn: Connection, address_id: int) -> str:
    """Give an address in full; whoever shows it writes that down."""
    if address_id < 0:
        return hashed(address_id)
    return str(
        conn.execute(select(addresses.c.address).where(addresses.c.id == address_id)).scalar_one()
    )


# --- the three ways through the ledger -------------------------------------------------------


def _newest(
    conn: Connection,
    wanted: Filter,
    dispatch_ids: Sequence[int] | None,
    after: Place | None,
    limit: int,
) -> LogPage:
    """Go by number, through the few halted or waiting ones where only they are asked for."""
    if wanted.state in WAITING and _few_wait(conn):
        return _waiting(conn, wanted, after, limit)
    page = _look(conn, wanted, dispatch_ids, after, limit, min(NEAR * limit, WINDOW))
    return page if page.full else _look(conn, wanted, dispatch_ids, after, limit, WINDOW)


def _look(
    conn: Connection,
    wanted: Filter,
    dispatch_ids: Sequence[int] | None,
    after: Place | None,
    limit: int,
    most: int,
) -> LogPage:
    """Look through the newest, and no more of them than `most`."""
    fits = _fits(wanted)
    low: int | None
    if wanted.state in HALTED_STATES:
        halted: Clauses = [text(HALTED), deliveries.c.state == wanted.state]
        among = [*halted, *_before(after)]
        low = _low(conn, among, most)
        fits.append(text(HALTED))
        if dispatch_ids is None:
            window = [*among, deliveries.c.id >= low] if low is not None else among
            dispatch_ids = _own(conn, wanted, window)
    else:
        start = after[0] if after else (conn.scalar(select(func.max(deliveries.c.id))) or 0) + 1
        low = start - most if start > most else None
    if low is not None:
        fits.append(deliveries.c.id >= low)
    if dispatch_ids is not None:
        fits.append(deliveries.c.dispatch_id.in_(dispatch_ids))
    query = select(deliveries.c.id).where(*fits, *_before(after))
    ids = list(conn.scalars(query.order_by(deliveries.c.id.desc()).limit(limit + 1)))
    if len(ids) > limit:
        return LogPage(lines=read_chosen(conn, ids[:limit]), next=(ids[limit - 1],))
    end = None if low is None else (low,)
    return LogPage(lines=read_chosen(conn, ids), next=end, full=end is None)


def _waiting(conn: Connection, wanted: Filter, after: Place | None, limit: int) -> LogPage:
    """Give what waits, where that is little: from the index of what waits, then sorted."""
    literal = text(f"state = '{wanted.state}'")  # as the partial index says it
    unsorted = (deliveries.c.id + 0).desc()  # or SQLite would read everything in order
    query = select(deliveries.c.id).where(literal, *_fits(wanted), *_before(after))
    if (own := _own(conn, wanted, [literal])) is not None:
        query = query.where(deliveries.c.dispatch_id.in_(own))
    ids = list(conn.scalars(query.order_by(unsorted).limit(limit + 1)))
    end = (ids[limit - 1],) if len(ids) > limit else None
    return LogPage(lines=read_chosen(conn, ids[:limit]), next=end)


def _own(conn: Connection, wanted: Filter, among: Clauses) -> list[int] | None:
    """Give the dispatches of a few deliveries whose alerts are seen; None where all are."""
    if wanted.sees is None:
        return None
    # Read first, by LIMIT: else SQLite goes through the whole index that is in their order.
    few = select(deliveries.c.dispatch_id).where(*among).limit(WINDOW).subquery()
    numbers = conn.scalars(select(few.c.dispatch_id).distinct()).all()
    return Eyes(conn, wanted.sees).choose_dispatches(numbers)


def _of_newest_dispatches(eyes: Eyes, wanted: Filter, after: Place | None, limit: int) -> LogPage:
    """Go through the newest dispatches of the alerts that are seen, and say how far."""
    newest = select(dispatches.c.id).order_by(dispatches.c.id.desc()).limit(MOST_OWN)
    if after is not None:
        newest = newest.where(dispatches.c.id <= after[0])
    asked = list(eyes.conn.scalars(newest))
    place = after if after is None or len(after) > 1 else (after[0], _LAST)
    page = _of_dispatches(eyes.conn, wanted, eyes.choose_dispatches(asked), place, limit)
    if page.next is not None or len(asked) < MOST_OWN:
        return page
    return LogPage(lines=page.lines, next=(asked[-1] - 1, _LAST), full=False)


def _of_dispatches(
    conn: Connection,
    wanted: Filter,
    dispatch_ids: Sequence[int],
    after: Place | None,
    limit: int,
) -> LogPage:
    """Go through dispatches, the newest first, each by its addresses."""
    page = _along(conn, wanted, dispatch_ids, after, limit, min(NEAR * limit, WINDOW))
    return page if page.full else _along(conn, wanted, dispatch_ids, after, limit, WINDOW)


def _along(
    conn: Connection,
    wanted: Filter,
    dispatch_ids: Sequence[int],
    after: Place | None,
    limit: int,
    most: int,
) -> LogPage:
    """Go along the index of dispatch and address, and no further than `most`."""
    table = deliveries.c
    place = (table.dispatch_id, table.address_id)
    window = select(table.id, *place, table.channel, table.state, table.reason)
    window = window.where(table.dispatch_id.in_(dispatch_ids))
    if after is not None:
        window = window.where(tuple_(*place) < tuple_(*after))
    window = window.order_by(*(each.desc() for each in place))
    rows = window.limit(most).subquery().c
    places = select(rows.id, rows.dispatch_id, rows.address_id).where(*_fits(wanted, rows))
    places = places.order_by(rows.dispatch_id.desc(), rows.address_id.desc())
    found = conn.execute(places.limit(limit + 1)).all()
    lines = read_chosen(conn, [row.id for row in found[:limit]])
    if len(found) > limit:
        return LogPage(lines=lines, next=tuple(found[limit - 1][1:]))
    last = window.with_only_columns(*place).offset(most - 1).limit(1)
    row = conn.execute(last).one_or_none()
    end = None if row is None else tuple(row)
    return LogPage(lines=lines, next=end, full=end is None)


def _low(conn: Connection, among: Clauses, most: int) -> int | None:
    """Give the number where the window over `among` ends; None when it holds them all."""
    number = deliveries.c.id
    query = select(number).where(*among).order_by(number.desc()).offset(most - 1).limit(1)
    found: int | None = conn.scalar(query)
    return found


def _before(after: Place | None) -> list[ColumnElement[bool]]:
    return [deliveries.c.id < after[0]] if after else []


def _of_address(conn: Connection, wanted: Filter, after: Place | None, limit: int) -> LogPage:
    """Ask the newest dispatches for one address: a seek each."""
    newest = select(dispatches.c.id).order_by(dispatches.c.id.desc()).limit(MOST_DISPATCHES)
    if after is not None:
        newest = newest.where(dispatches.c.id < after[0])
    if wanted.one_alert:
        newest = newest.where(dispatches.c.id.in_(_dispatches_of(wanted)))
    asked = list(conn.scalars(newest))
    query = (
        select(deliveries.c.id, deliveries.c.dispatch_id)
        .where(
            deliveries.c.dispatch_id.in_(Eyes(conn, wanted.sees).choose_dispatches(asked)),
            deliveries.c.address_id == wanted.address_id,
            *_fits(wanted),
        )
        .order_by(deliveries.c.dispatch_id.desc())
        .limit(limit + 1)
    )
    rows = conn.execute(query).all()
    lines = read_chosen(conn, [row.id for row in rows[:limit]])
    if len(rows) > limit:
        return LogPage(lines=lines, next=(rows[limit - 1].dispatch_id,))
    more = len(asked) == MOST_DISPATCHES
    return LogPage(lines=lines, next=(asked[-1],) if more else None, full=not more)


def _few_wait(conn: Connection) -> bool:
    """Tell whether what waits is so little that all of it fits into one window."""
    query = select(func.sum(progress.c.count)).where(progress.c.state == State.QUEUED)
    return (conn.scalar(query) or 0) < WINDOW


def _dispatches_of(wanted: Filter) -> Select[Any]:
    query = (
        select(dispatches.c.id)
        .join(alerts, alerts.c.id == dispatches.c.alert_id)
        .order_by(dispatches.c.id.desc())
    )
    if wanted.alert_id:
        query = query.where(alerts.c.id == wanted.alert_id)
    if wanted.case_reference:
        query = query.where(alerts.c.case_reference == wanted.case_reference)
    return query


def _fits(wanted: Filter, columns: Any = deliveries.c) -> Clauses:
    asked = {name: getattr(wanted, name) for name in ("channel", "state", "reason")}
    return [columns[name] == value for name, value in asked.items() if value]


def read_chosen(conn: Connection, ids: Sequence[int]) -> tuple[Line, ...]:
    """Give these deliveries in this order; those that there are."""
    if not ids:
        return ()
    query = (
        select(
            deliveries,
            dispatches.c.kind,
            dispatches.c.variant,
            dispatches.c.version_id,
            dispatches.c.exercise,
            dispatches.c.sent_at.label("activated_at"),
            alerts.c.id.label("alert_id"),
            alerts.c.case_reference,
            addresses.c.address,
        )
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .join(alerts, alerts.c.id == dispatches.c.alert_id)
        .outerjoin(addresses, addresses.c.id == deliveries.c.address_id)
        .where(deliveries.c.id.in_(ids))
    )
    found = {row["id"]: _line(row) for row in conn.execute(query).mappings()}
    return tuple(found[number] for number in ids if number in found)


def _line(row: RowMapping) -> Line:
    state = State(row["state"])
    made = {
        "address": _address(row),
        "state": state,
        "reason": row["reason"] or "",
        "next_at": from_micros(row["next_at"]) if state is State.QUEUED else None,
        "sent_at": _instant(row["sent_at"]),
        "delivered_at": _instant(row["delivered_at"]),
        "provider_ref": row["provider_ref"] or "",
    }
    kept = {name: row[name] for name in Line.__dataclass_fields__ if name not in made}
    return Line(**{**kept, **made})


def _address(row: RowMapping) -> str:
    if row["channel"] == "feed":  # the name of a page of ours, and nobody's
        return str(row["address"])
    return mask_reached(row["address_id"], row["address"])


def _instant(number: int | None) -> datetime | None:
    return None if number is None else from_micros(number)
