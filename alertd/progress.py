"""How a dispatch stands, as bars and as a table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from alertd.core.delivery import FINAL, State
from alertd.shapes import ChannelProgress, DispatchProgress, ProgressView, Tally

ARRIVED = (State.SENT, State.DELIVERED)
FAILED = (State.DEAD, State.EXPIRED, State.UNCERTAIN)


@dataclass(frozen=True, slots=True)
class Row:
    """One channel of a dispatch in four numbers and two instants."""

    channel: str
    planned: int
    sent: int  # handed over, whether or not arrival was confirmed since
    delivered: int
    failed: int
    settled: int  # nothing more will be tried
    first_at: datetime | None
    last_at: datetime | None


def row(channel: ChannelProgress) -> Row:
    states = channel.states
    arrived = [states[state] for state in ARRIVED if state in states]
    first = [tally.first_at for tally in arrived if tally.first_at]
    last = [tally.last_at for tally in arrived if tally.last_at]
    return Row(
        channel=channel.channel,
        planned=channel.planned,
        sent=_count(states, ARRIVED),
        delivered=_count(states, [State.DELIVERED]),
        failed=_count(states, FAILED),
        settled=_count(states, FINAL),
        first_at=min(first, default=None),
        last_at=max(last, default=None),
    )


def _count(states: Mapping[str, Tally], which: Iterable[State]) -> int:
    return sum(states[state].count for state in which if state in states)


def is_settled(dispatch: DispatchProgress) -> bool:
    """Tell whether every recipient is planned and nothing more will be tried."""
    rows = [row(channel) for channel in dispatch.channels]
    return dispatch.expanded_at is not None and all(r.settled == r.planned for r in rows)


def table(dispatch: DispatchProgress, since: datetime | None = None) -> Table:
    """Give counts per channel and the seconds from `since` (its approval) to the deliveries."""
    since = since or dispatch.sent_at
    shown = Table(title=title(dispatch), title_justify="left")
    shown.add_column("channel")
    for name in ("planned", "sent", "delivered", "failed", "first after", "last after"):
        shown.add_column(name, justify="right")
    for each in sorted(map(row, dispatch.channels), key=lambda r: r.channel):
        shown.add_row(
            each.channel,
            str(each.planned),
            str(each.sent),
            str(each.delivered),
            str(each.failed),
            _after(since, each.first_at),
            _after(since, each.last_at),
        )
    return shown


def title(dispatch: DispatchProgress) -> str:
    name = f"{dispatch.kind} {dispatch.variant}".strip()
    return f"{name}{' (exercise)' if dispatch.exercise else ''}  {dispatch.identifier}"


def _after(since: datetime, at: datetime | None) -> str:
    return "-" if at is None else f"{(at - since).total_seconds():.2f} s"


class Bars:
    """One bar per channel of each dispatch, moved by what /progress says."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def show(self, view: ProgressView) -> None:
        for dispatch in reversed(view.dispatches):
            for channel in dispatch.channels:
                self._show(dispatch, row(channel))

    def _show(self, dispatch: DispatchProgress, each: Row) -> None:
        key = (dispatch.identifier, each.channel)
        if key not in self._tasks:
            label = f"{dispatch.kind} {each.channel}"
            self._tasks[key] = self._progress.add_task(label, total=each.planned, notes="")
        notes = f"{each.delivered} delivered" + (f", {each.failed} failed" if each.failed else "")
        self._progress.update(
            self._tasks[key], total=each.planned, completed=each.settled, notes=notes
        )


def bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TextColumn("{task.fields[notes]}"),
    )
