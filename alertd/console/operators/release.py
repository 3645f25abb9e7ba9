"""The held ledger: what a release would send, and the release."""

from typing import Any

from alertd.console.operators.words import KINDS
from alertd.console.pages import Answer, Page, Visit, get, post
from alertd.console.permissions import May
from alertd.core.errors import Conflict
from alertd.pipeline.hold import held, release
from alertd.pipeline.lanes import is_held

RELEASE = "/release"
WORD = "RELEASE"


async def show(visit: Visit) -> Answer:
    return await _show(visit)


async def _show(visit: Visit, error: str = "") -> Answer:
    now = visit.tools.clock()
    is_closed = await visit.tools.store.read(is_held)
    waiting = await visit.tools.store.read(held, now) if is_closed else []
    rows: list[dict[str, Any]] = [
        {
            "case": each.case_reference,
            "alert_id": each.alert_id,
            "actual": each.status == "actual",
            "kind": visit.say(KINDS.get(each.kind, each.kind)),
            "waiting": visit.words.number(each.waiting),
            "more": each.expanding,
            "deadline_at": each.deadline_at,
        }
        for each in waiting
    ]
    return await visit.render(
        "operators/release.html.j2",
        width="wide",
        is_held=is_closed,
        rows=rows,
        count=sum(each.waiting for each in waiting),
        mode="actual" if any(row["actual"] for row in rows) else "",
        word=WORD,
        error=error,
        as_of=now,
    )


async def let_go(visit: Visit) -> Answer:
    if not await visit.tools.store.read(is_held):
        raise Conflict("nothing is held")
    if visit.form.get("typed").upper() != WORD:
        return await _show(visit, visit.say("Type the word exactly: %(word)s", word=WORD))
    await visit.require_fresh_factor(RELEASE)
    await release(visit.tools, visit.actor)
    await visit.flash("Everything that was held is being sent.")
    return visit.redirect("/board")


PAGES: tuple[Page, ...] = (
    get(RELEASE, show, May.CHANNELS),
    post(RELEASE, let_go, May.CHANNELS),
)
