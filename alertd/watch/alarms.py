"""Alarms: conditions that need a person now. Each stands once, from when it is seen until it ends.

A new one is written to the audit log and to the log as critical, and the operators are told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from socket import gethostname

from sqlalchemy import ColumnElement, Connection, exists, insert, select, update

from alertd.channel import Channel, Timed
from alertd.core.delivery import State
from alertd.core.rendition import Kind
from alertd.exchange import CLOCK_GAP_S
from alertd.pipeline.breakglass import Act, broken_at
from alertd.pipeline.hold import went_back_at
from alertd.pipeline.lanes import CLOSED, PAUSED
from alertd.pipeline.record import Entry, record
from alertd.sections import Watch
from alertd.store import ledger
from alertd.store.schema import alarms, alerts, dispatches, progress, renditions
from alertd.tools import ALERTD
from alertd.watch.board import Board
from alertd.watch.chain import ChainState
from alertd.watch.clocks import StageClock
from alertd.watch.links import is_down
from alertd.watch.takedowns import still_public

WATCHED = timedelta(days=1)  # how long after its activation a dispatch is watched
OWN_READERS = ("feed", "websub")  # they come by themselves, or nobody does
UNDECIDED = timedelta(days=1)  # how long a proposal of rules may wait
STARTED = (State.SENT, State.DELIVERED, State.UNCERTAIN, State.DEAD)


class AlarmKind(StrEnum):
    NOT_STARTED = "not_started"  # a planned channel has sent nothing since activation
    NOBODY = "nobody"  # a planned channel has no recipient at all
    CHANNEL_PAUSED = "channel_paused"  # by us: its peer fails or refuses our credentials
    CHANNEL_CLOSED = "channel_closed"  # by an operator, while messages wait
    LINK_DOWN = "link_down"
    WAITING = "waiting"  # something is due and nobody takes it
    STAGE_LATE = "stage_late"
    STILL_PUBLIC = "still_public"  # of an alert that is over, at its public address
    CHAIN_BROKEN = "chain_broken"
    HELD = "held"
    UNCERTAIN = "uncertain"  # nobody knows whether messages arrived, and they wait for a word
    CLOCK_OFF = "clock_off"  # this machine's clock and those of its peers differ
    WENT_BACK = "went_back"  # a standby took over that lacked the latest entries
    RULES_OPEN = "rules_open"  # a proposal of rules that nobody decides
    GLASS_BROKEN = "glass_broken"  # an administrator was entered without a second one's word
    GLASS_GIVEN = "glass_token"  # a token was given without the two administrators' word


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alarm. `subject` names what it is about, and with `kind` makes it one of its own."""

    kind: str
    subject: str
    alert_id: str | None = None
    raised_at: datetime
    ended_at: datetime | None = None
    id: int = 0
    told_at: datetime | None = None


def conditions(
    conn: Connection,
    board: Board,
    clocks: Sequence[StageClock],
    chain: ChainState,
    limits: Watch,
) -> list[Alarm]:
    """Give what is wrong now."""
    now = board.as_of
    found = [
        *_of_channels(conn, board, limits),
        *_incomplete(conn, limits, now),
        *_uncertain(conn, now),
    ]
    found += [
        Alarm(
            kind=AlarmKind.STAGE_LATE,
            subject=f"{clock.case_reference} {clock.version} {clock.stage} {clock.role}".strip(),
            alert_id=clock.alert_id,
            raised_at=now,
        )
        for clock in clocks
        if clock.runs and clock.is_late(now) and not clock.exercise
    ]
    found += _still_public(conn, now, limits)
    found += [
        Alarm(kind=AlarmKind.RULES_OPEN, subject=each.name, raised_at=now)
        for each in board.proposals
        if now - each.since > UNDECIDED
    ]
    if chain.broken:
        found.append(Alarm(kind=AlarmKind.CHAIN_BROKEN, subject="audit", raised_at=now))
    if board.held:
        found.append(Alarm(kind=AlarmKind.HELD, subject="ledger", raised_at=now))
    if went_back_at(conn, now) is not None:
        found.append(Alarm(kind=AlarmKind.WENT_BACK, subject="ledger", raised_at=now))
    return found + _went_around(conn, now)


def _went_around(conn: Connection, now: datetime) -> list[Alarm]:
    return [
        Alarm(kind=AlarmKind(act), subject="administrators", raised_at=now)
        for act in Act
        if broken_at(conn, act, now) is not None
    ]


def _of_channels(conn: Connection, board: Board, limits: Watch) -> Iterable[Alarm]:
    for channel in board.channels:
        name, at = channel.channel, board.as_of
        if channel.state == PAUSED:
            yield Alarm(kind=AlarmKind.CHANNEL_PAUSED, subject=name, raised_at=at)
        if channel.state == CLOSED and channel.queued:
            yield Alarm(kind=AlarmKind.CHANNEL_CLOSED, subject=name, raised_at=at)
        if is_down(conn, name):
            yield Alarm(kind=AlarmKind.LINK_DOWN, subject=name, raised_at=at)
        if channel.lag_s > limits.waiting_s and channel.state == "open" and not board.held:
            yield Alarm(kind=AlarmKind.WAITING, subject=name, raised_at=at)


def _incomplete(conn: Connection, limits: Watch, now: datetime) -> Iterable[Alarm]:
    """Find channels of a dispatch that were planned and of which nothing went out yet.

    Planned is what has deliveries; and all that was rendered, when nobody was added at all.
    """
    # What only an earlier state of this dispatch's deliveries is told by: it began, even if a
    # delivery is back in the queue since.
    began = _counted(progress.c.state.in_(STARTED))
    waits = _counted(progress.c.state == State.QUEUED, progress.c.count > 0)
    added = exists().where(
        progress.c.dispatch_id == dispatches.c.id,
        progress.c.channel != "feed",  # its deliveries are there from the first moment
    )
    growing = dispatches.c.expanded_at.is_(None)
    yield from _of_dispatches(
        conn, AlarmKind.NOT_STARTED, (~began, waits | (growing & ~added)), limits, now
    )
    empty = (
        ~growing,
        ~_counted(),
        renditions.c.channel.not_in(OWN_READERS),
        dispatches.c.kind.in_([Kind.ALERT, Kind.UPDATE]),
    )
    yield from _of_dispatches(conn, AlarmKind.NOBODY, empty, limits, now)


def _counted(*among: ColumnElement[bool]) -> ColumnElement[bool]:
    """Tell whether a rendered channel of a dispatch has deliveries among those."""
    return exists().where(
        progress.c.dispatch_id == dispatches.c.id,
        progress.c.channel == renditions.c.channel,
        *among,
    )


def _of_dispatches(
    conn: Connection,
    kind: AlarmKind,
    wrong: Iterable[ColumnElement[bool]],
    limits: Watch,
    now: datetime,
) -> Iterable[Alarm]:
    """Give an alarm for each channel of a watched dispatch of which `wrong` is true."""
    mine = (
        (renditions.c.version_id == dispatches.c.version_id)
        & (renditions.c.kind == dispatches.c.kind)
        & (renditions.c.variant == dispatches.c.variant)
    )
    of_alert = (dispatches.c.alert_id, alerts.c.case_reference)
    rows = conn.execute(
        select(dispatches.c.id, *of_alert, renditions.c.channel)
        .join(alerts, alerts.c.id == dispatches.c.alert_id)
        .join(renditions, mine)
        .where(
            dispatches.c.sent_at.between(now - WATCHED, now - timedelta(seconds=limits.start_s)),
            dispatches.c.stopped_at.is_(None),
            dispatches.c.deadline_at > now,
            dispatches.c.kind.not_in([Kind.REQUEST, Kind.NOTICE]),
            *wrong,
        )
        .distinct()
    )
    for dispatch_id, alert_id, case_reference, channel in rows:
        subject = f"{case_reference} {channel} {dispatch_id}"
        yield Alarm(kind=kind, subject=subject, alert_id=alert_id, raised_at=now)


def _still_public(conn: Connection, now: datetime, limits: Watch) -> Iterable[Alarm]:
    late = {each.alert_id for each in still_public(conn, now, limits.takedown_s)}
    cases = select(alerts.c.id, alerts.c.case_reference).where(alerts.c.id.in_(late))
    for alert_id, case_reference in conn.execute(cases) if late else ():
        yield Alarm(
            kind=AlarmKind.STILL_PUBLIC,
            subject=case_reference,
            alert_id=alert_id,
            raised_at=now,
        )


def _uncertain(conn: Connection, now: datetime) -> Iterable[Alarm]:
    """Find channels that hold what may have arrived, of alerts that still go out."""
    query = (
        select(progress.c.channel)
        .join(dispatches, dispatches.c.id == progress.c.dispatch_id)
        .where(
            progress.c.state == State.UNCERTAIN,
            progress.c.count > 0,
            dispatches.c.stopped_at.is_(None),
            dispatches.c.deadline_at > now,
        )
        .distinct()
    )
    for channel in conn.scalars(query):
        yield Alarm(kind=AlarmKind.UNCERTAIN, subject=channel, raised_at=now)


def standing(conn: Connection) -> list[Alarm]:
    """Give the alarms that stand, the oldest first."""
    query = select(alarms).where(alarms.c.ended_at.is_(None)).order_by(alarms.c.id)
    return [Alarm(**row) for row in conn.execute(query).mappings()]


def recent(conn: Connection, limit: int = 50) -> list[Alarm]:
    """Give the latest alarms, standing or not, newest first."""
    query = select(alarms).order_by(alarms.c.id.desc()).limit(limit)
    return [Alarm(**row) for row in conn.execute(query).mappings()]


def of_machine(channels: Iterable[Channel], now: datetime) -> list[Alarm]:
    """Give what is wrong with this machine alone."""
    gaps = [channel.clock_gap_s for channel in channels if isinstance(channel, Timed)]
    if not any(abs(gap) > CLOCK_GAP_S for gap in gaps):
        return []
    return [Alarm(kind=AlarmKind.CLOCK_OFF, subject=gethostname(), raised_at=now)]


def judged_here(alarm: Alarm, now: datetime) -> bool:
    """Tell whether this machine says how long an alarm stands: not of another one's clock.

    That one may be gone for good, so its word holds for a day.
    """
    mine = alarm.kind != AlarmKind.CLOCK_OFF or alarm.subject == gethostname()
    return mine or now - alarm.raised_at > WATCHED


def settle(conn: Connection, found: Sequence[Alarm], now: datetime) -> list[Alarm]:
    """Raise what is new and end what is over; gives what stands and nobody was told of yet."""
    if not ledger.alone(conn, "alarms"):
        return []  # another node is at it
    mine = [alarm for alarm in standing(conn) if judged_here(alarm, now)]
    known = {(alarm.kind, alarm.subject): alarm for alarm in mine}
    present = {(alarm.kind, alarm.subject): alarm for alarm in found}
    over = [alarm.id for key, alarm in known.items() if key not in present]
    if over:
        conn.execute(update(alarms).where(alarms.c.id.in_(over)).values(ended_at=now))
    for alarm in (alarm for key, alarm in present.items() if key not in known):
        said = {"kind": alarm.kind, "subject": alarm.subject}
        conn.execute(insert(alarms).values(**said, alert_id=alarm.alert_id, raised_at=now))
        record(conn, Entry(ALERTD, "alarm.raised", alarm.alert_id, said), at=now)
    return [alarm for alarm in standing(conn) if alarm.told_at is None]


def mark_told(conn: Connection, numbers: Sequence[int], now: datetime) -> None:
    conn.execute(update(alarms).where(alarms.c.id.in_(numbers)).values(told_at=now))
