"""Opening and stopping a dispatch: one sending of one alert version, of one kind."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from alertd.core.delivery import Priority, State
from alertd.core.rendition import Kind
from alertd.store.ledger import add_progress
from alertd.store.schema import addresses, deliveries, dispatches, renditions, to_micros
from alertd.store.store import wake

DISPATCHES = "dispatches"  # topic: there is something to expand or to sweep
DELIVERIES = "deliveries"  # topic: there is something to send

REVOCABLE = (Kind.ALERT, Kind.UPDATE)  # what an end, a correction or a newer version stops


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """What is to be sent; whom it reaches follows from its kind (see pipeline.expand)."""

    alert_id: str
    version_id: int
    kind: Kind
    variant: str = ""
    occurrence: int = 0
    identifier: str
    exercise: bool
    sent_at: datetime
    deadline_at: datetime
    references: str = ""
    channels: Sequence[str] | None = None  # None: every one that was rendered
    classes: Sequence[str] | None = None  # of recipients; None: all
    tell_opted_out: bool = False

    @property
    def priority(self) -> int:
        if self.kind not in REVOCABLE:
            return Priority.END
        if self.exercise:
            return Priority.EXERCISE
        return Priority.REBROADCAST if self.occurrence else Priority.ALERT


def open_dispatch(conn: Connection, dispatch: Dispatch) -> int:
    """Store the dispatch, publish it in the feeds, and wake the expander; gives its id."""
    dispatch_id = _insert(conn, dispatch, expanded=False)
    if dispatch.channels is None or "feed" in dispatch.channels:
        _publish(conn, dispatch_id, dispatch)
    wake(conn, DISPATCHES)
    wake(conn, DELIVERIES)
    return dispatch_id


def _publish(conn: Connection, dispatch_id: int, dispatch: Dispatch) -> None:
    feeds = conn.execute(
        select(renditions.c.language).where(
            renditions.c.version_id == dispatch.version_id,
            renditions.c.kind == dispatch.kind,
            renditions.c.variant == dispatch.variant,
            renditions.c.channel == "feed",
            renditions.c.form == "entry",
        )
    ).scalars()
    side = "exercise" if dispatch.exercise else "public"
    for language in sorted(feeds):
        address_id = _feed_address(conn, f"{side}/{language}", dispatch.sent_at)
        _deliver_to(conn, dispatch_id, dispatch, [(address_id, "feed", "feed", language)])


def open_direct(conn: Connection, dispatch: Dispatch, people: Sequence[tuple[int, str]]) -> int:
    """Store a dispatch for exactly these (address id, language); gives its id."""
    dispatch_id = _insert(conn, dispatch, expanded=True)
    languages = dict(people)
    rows = conn.execute(
        select(addresses.c.id, addresses.c.channel, addresses.c.lane).where(
            addresses.c.id.in_(languages), addresses.c.suppressed_at.is_(None)
        )
    ).all()
    _deliver_to(
        conn, dispatch_id, dispatch, [(r.id, r.channel, r.lane, languages[r.id]) for r in rows]
    )
    wake(conn, DELIVERIES)
    return dispatch_id


def stop(
    conn: Connection, alert_id: str, at: datetime, *, kinds: Sequence[Kind] = REVOCABLE
) -> list[int]:
    """Hand nothing more over of what this alert has running; gives the dispatches stopped.

    Leasing takes a share lock on the dispatches it leases from, so once this is committed,
    whatever is in flight is visible as leased. The rows still queued are closed afterwards,
    in chunks and at each lease: no transaction grows with the audience.
    """
    stopped = conn.execute(
        update(dispatches)
        .where(
            dispatches.c.alert_id == alert_id,
            dispatches.c.kind.in_(kinds),
            dispatches.c.stopped_at.is_(None),
        )
        .values(stopped_at=at)
        .returning(dispatches.c.id)
    )
    wake(conn, DISPATCHES)
    return list(stopped.scalars())


def _insert(conn: Connection, dispatch: Dispatch, *, expanded: bool) -> int:
    dispatch_id: int = conn.execute(
        insert(dispatches)
        .values(
            alert_id=dispatch.alert_id,
            version_id=dispatch.version_id,
            kind=dispatch.kind,
            variant=dispatch.variant,
            occurrence=dispatch.occurrence,
            identifier=dispatch.identifier,
            priority=dispatch.priority,
            exercise=dispatch.exercise,
            sent_at=dispatch.sent_at,
            deadline_at=dispatch.deadline_at,
            references=dispatch.references,
            channels=None if dispatch.channels is None else list(dispatch.channels),
            classes=None if dispatch.classes is None else list(dispatch.classes),
            tell_opted_out=dispatch.tell_opted_out,
            source="",
            expanded_to=0,
            expanded_at=dispatch.sent_at if expanded else None,
        )
        .returning(dispatches.c.id)
    ).scalar_one()
    return dispatch_id


def _deliver_to(
    conn: Connection,
    dispatch_id: int,
    dispatch: Dispatch,
    rows: Sequence[tuple[int, str, str, str]],
) -> None:
    for address_id, channel, lane, language in rows:
        conn.execute(
            insert(deliveries).values(
                dispatch_id=dispatch_id,
                address_id=address_id,
                channel=channel,
                lane=lane,
                priority=dispatch.priority,
                language=language,
                state=State.QUEUED,
                attempts=0,
                next_at=to_micros(dispatch.sent_at),
                handed_over=False,
                repeat=False,
            )
        )
        add_progress(
            conn, {(dispatch_id, channel, "", State.QUEUED): 1}, to_micros(dispatch.sent_at)
        )


def _feed_address(conn: Connection, address: str, at: datetime) -> int:
    """Give the id of a feed's address; two activations at the same moment make it once."""
    query = select(addresses.c.id).where(
        addresses.c.channel == "feed", addresses.c.address == address
    )
    if (known := conn.scalar(query)) is None:
        with suppress(IntegrityError), conn.begin_nested():
            conn.execute(
                insert(addresses).values(
                    channel="feed", address=address, lane="feed", created_at=at
                )
            )
        known = conn.execute(query).scalar_one()
    return int(known)
