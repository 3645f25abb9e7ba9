"""What can be counted of alerts without telling of anybody; it needs no key and outlives a purge.

Each table has one dimension and none is crossed with another. How many alerts a month, a
programme and a kind had is public by nature; where and how they ended is not, so such a count
below SMALL is kept back, and with it another one, lest the sum betray it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import Connection, func, select

from alertd.core.delivery import State
from alertd.core.rendition import Kind
from alertd.shapes import Count, Reach, StageTime, StatisticsView
from alertd.store.schema import alerts, dispatches, from_micros, progress, versions

SMALL = 5
UNKNOWN = "unknown"  # of alerts of before it was kept

_REACHED = (State.SENT, State.DELIVERED)


@dataclass(slots=True)
class _Alert:
    programme: str
    kind: str
    reported_at: datetime | None
    submitted_at: datetime
    activated_at: datetime
    regions: set[str] = field(default_factory=set)
    outcome: str = ""
    ended_at: datetime | None = None
    first_at: datetime | None = None  # delivery of the alert itself
    last_at: datetime | None = None


def count_alerts(
    conn: Connection, *, status: str, since: datetime, until: datetime, now: datetime
) -> StatisticsView:
    """Count the alerts that were first activated from `since` on and before `until`."""
    found = _read(conn, status, since, until)
    _read_deliveries(conn, found)
    those = list(found.values())
    return StatisticsView(
        as_of=now,
        status=status,
        since=since,
        until=until,
        small_below=SMALL,
        alerts=len(those),
        months=_counts(f"{each.activated_at:%Y-%m}" for each in those),
        programmes=_counts(each.programme for each in those),
        kinds=_counts(each.kind for each in those),
        outcomes=_kept_back(_counts(each.outcome for each in those)),
        regions=_kept_back(_counts(region for each in those for region in each.regions)),
        reach=_reach(conn, found),
        stages=[_stage(name, those, span) for name, span in _STAGES.items()],
    )


def _read(conn: Connection, status: str, since: datetime, until: datetime) -> dict[str, _Alert]:
    """Give the alerts by their ids, each as its versions tell."""
    query = (
        select(versions, alerts.c.programme, alerts.c.kind.label("tier"), alerts.c.reported_at)
        .join(alerts, alerts.c.id == versions.c.alert_id)
        .where(alerts.c.status == status, versions.c.sent_at.is_not(None))
        .order_by(versions.c.alert_id, versions.c.number)
    )
    found: dict[str, _Alert] = {}
    for row in conn.execute(query):
        alert = found.setdefault(
            row.alert_id,
            _Alert(
                row.programme, row.tier or UNKNOWN, row.reported_at, row.submitted_at, row.sent_at
            ),
        )
        alert.regions |= {*row.regions}
        alert.outcome = row.closed_reason or row.state
        alert.ended_at = row.closed_at
    return {key: each for key, each in found.items() if since <= each.activated_at < until}


def _read_deliveries(conn: Connection, found: Mapping[str, _Alert]) -> None:
    query = (
        select(dispatches.c.alert_id, func.min(progress.c.first_at), func.max(progress.c.last_at))
        .join(progress, progress.c.dispatch_id == dispatches.c.id)
        .where(
            dispatches.c.kind == Kind.ALERT,
            dispatches.c.occurrence == 0,
            progress.c.state.in_(_REACHED),
        )
        .group_by(dispatches.c.alert_id)
    )
    for alert_id, first, last in conn.execute(query):
        if (alert := found.get(alert_id)) is not None and first is not None:
            alert.first_at, alert.last_at = from_micros(first), from_micros(last)


def _reach(conn: Connection, found: Mapping[str, _Alert]) -> list[Reach]:
    """Give how many messages of alerts and updates each channel was to carry, and did."""
    query = (
        select(
            dispatches.c.alert_id,
            progress.c.channel,
            progress.c.state,
            func.sum(progress.c.count).label("messages"),
        )
        .join(progress, progress.c.dispatch_id == dispatches.c.id)
        .where(dispatches.c.kind.in_([Kind.ALERT, Kind.UPDATE]))
        .group_by(dispatches.c.alert_id, progress.c.channel, progress.c.state)
    )
    planned: Counter[str] = Counter()
    reached: Counter[str] = Counter()
    of_alerts: dict[str, set[str]] = defaultdict(set)
    for row in conn.execute(query):
        if row.alert_id in found:
            planned[row.channel] += int(row.messages)
            reached[row.channel] += int(row.messages) if row.state in _REACHED else 0
            of_alerts[row.channel].add(row.alert_id)
    return [
        Reach(channel=name, alerts=len(of_alerts[name]), planned=count, reached=reached[name])
        for name, count in sorted(planned.items())
    ]


def _between(began: datetime | None, done: datetime | None) -> timedelta | None:
    return None if began is None or done is None else max(done - began, timedelta())


_Span = Callable[[_Alert], timedelta | None]

_STAGES: Mapping[str, _Span] = {
    "report_to_submission": lambda each: _between(each.reported_at, each.submitted_at),
    "submission_to_activation": lambda each: _between(each.submitted_at, each.activated_at),
    "activation_to_first_delivery": lambda each: _between(each.activated_at, each.first_at),
    "activation_to_last_delivery": lambda each: _between(each.activated_at, each.last_at),
    "activation_to_end": lambda each: _between(each.activated_at, each.ended_at),
}


def _stage(name: str, those: Iterable[_Alert], span: _Span) -> StageTime:
    """Give how long a stage took; of few alerts a median would tell of one of them."""
    took = sorted(each.total_seconds() for each in map(span, those) if each is not None)
    many = len(took) >= SMALL
    return StageTime(
        stage=name,
        alerts=len(took),
        median_s=median(took) if many else None,
        longest_s=took[-1] if many else None,
    )


def _counts(names: Iterable[str]) -> list[Count]:
    return [Count(name=name, count=count) for name, count in sorted(Counter(names).items())]


def _kept_back(counts: Sequence[Count]) -> list[Count]:
    """Give the counts without the small ones; of one alone the next smallest goes with it."""
    by_size = sorted(counts, key=lambda each: (each.count or 0, each.name))
    small = sum((each.count or 0) < SMALL for each in by_size)
    hidden = {each.name for each in by_size[: max(small, 2) if small else 0]}
    return [Count(name=each.name, count=None) if each.name in hidden else each for each in counts]
