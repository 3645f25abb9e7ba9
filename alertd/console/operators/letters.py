"""Dead letters and what may have arrived: another chance for one or many, after a preview."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from alertd.console.operators.lists import cursor, link, spelled
from alertd.console.operators.log import choices_of, shown, wanted_of
from alertd.console.operators.words import lane_of
from alertd.console.pages import Answer, Page, Visit, get, post
from alertd.console.permissions import May
from alertd.core.delivery import State
from alertd.core.errors import Conflict, NotAllowed, NotFound
from alertd.pipeline.jurisdiction import BEYOND, Eyes, Sight, decides_on, sight
from alertd.pipeline.requeue import STANDING, check_requeue, requeue
from alertd.watch.board import not_open
from alertd.watch.dispatchlog import Line, LogPage, find, read_chosen

LETTERS = "/dead-letters"
PAGE = 100
FILTERS = ("alert", "case", "channel", "reason", "state")


async def letters(visit: Visit) -> Answer:
    asked = {name: visit.query(name).strip()[:100] for name in FILTERS}
    if asked["state"] not in STANDING:
        asked["state"] = State.DEAD
    after = cursor(visit)
    wanted = wanted_of(visit, asked)
    page: LogPage = await visit.tools.store.read(find, wanted, after=after, limit=PAGE)
    choices = choices_of(visit)
    choices["state"] = [each for each in choices["state"] if each[0] in STANDING]
    return await visit.render(
        "operators/letters.html.j2",
        width="board",
        asked=asked,
        rows=[shown(visit, line) for line in page.lines],
        next=link(LETTERS, asked, after=spelled(page.next)) if page.next else "",
        first=link(LETTERS, asked) if after else "",
        full=page.full,
        export=link("/log.csv", asked),
        choices=choices,
    )


async def preview(visit: Visit) -> Answer:
    """Say what would go out again, and what cannot, before anything happens."""
    numbers, now = chosen(visit), visit.tools.clock()
    sees = sight(visit.tools, visit.actor)
    lines, refused, closed = await visit.tools.store.read(_looked_over, numbers, now, sees)
    for alert_id in {line.alert_id for line in lines}:
        if not await decides_on(visit.tools, visit.actor, alert_id):
            refused |= {line.id: BEYOND for line in lines if line.alert_id == alert_id}
    rows = [(shown(visit, line), refused.get(line.id, "")) for line in lines]
    possible = [{**row, "why": ""} for row, why in rows if not why]
    hopeless = [{**row, "why": visit.say(why)} for row, why in rows if why]
    return await visit.render(
        "operators/requeue.html.j2",
        width="wide",
        possible=possible,
        hopeless=hopeless,
        closed=[lane_of(visit, each) for each in closed],
        mode=_mode([line for line in lines if line.id not in refused] or lines),
    )


def _mode(lines: Sequence[Line]) -> str:
    """Tell what goes out: exercises alone, or something actual among it; nothing at all."""
    if not lines:
        return ""
    return "exercise" if all(line.exercise for line in lines) else "actual"


async def requeue_chosen(visit: Visit) -> Answer:
    done = 0
    numbers = chosen(visit)
    for number in numbers:
        try:
            await requeue(visit.tools, visit.actor, number)
        except (Conflict, NotFound, NotAllowed):
            continue
        done += 1
    await visit.flash(
        "Queued again: %(done)s of %(whole)s. They are tried now.",
        done=done,
        whole=len(numbers),
    )
    return visit.redirect(LETTERS)


def chosen(visit: Visit) -> list[int]:
    found = [text for text in visit.form.all("chosen") if text.isdecimal() and len(text) < 19]
    return sorted({int(text) for text in found})[: 2 * PAGE]


def _looked_over(
    conn: Connection, numbers: list[int], now: datetime, sees: Sight | None
) -> tuple[Sequence[Line], dict[int, str], list[str]]:
    """Give the chosen deliveries of alerts that are seen, and why some cannot be tried again.

    Last come those of their channels that do not work now.
    """
    lines = read_chosen(conn, numbers)
    seen = Eyes(conn, sees).choose(line.alert_id for line in lines)
    lines = tuple(line for line in lines if line.alert_id in seen)
    closed = not_open(conn, {line.channel for line in lines}, now)
    return lines, check_requeue(conn, numbers, now), closed


PAGES: tuple[Page, ...] = (
    get(LETTERS, letters, May.REQUEUE),
    post("/dead-letters/preview", preview, May.REQUEUE),
    post(LETTERS, requeue_chosen, May.REQUEUE),
)
