"""The start page: who needs you, what is live now."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from alertd import views
from alertd.console.naming import programme_name
from alertd.console.pages import Answer, Visit, get
from alertd.console.permissions import May
from alertd.core.delivery import State
from alertd.core.lifecycle import VersionState
from alertd.core.rendition import Kind
from alertd.core.ruleset import say
from alertd.pipeline.accountchanges import count_open
from alertd.pipeline.jurisdiction import Sight, sight
from alertd.shapes import AlertSummary
from alertd.store.schema import dispatches, progress

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """An alert that waits for this person."""

    alert: AlertSummary
    roles: Sequence[str]
    asked_at: datetime | None
    returned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """An alert that is out there, and how far."""

    alert: AlertSummary
    planned: int
    delivered: int
    sent: int
    failed: int
    as_of: datetime


async def start(call: Visit) -> Answer:
    now = call.tools.clock()
    roles, sees = call.actor.roles, sight(call.tools, call.actor)
    needed: list[Needed] = []
    live: list[Live] = []
    if May.SEE_ALERTS in call.may:
        needed = await call.tools.store.read(_needed, roles, sees)
        live = await call.tools.store.read(_live, now, sees)
    waiting = 0
    if May.ADMINISTER in call.may:
        waiting = await call.tools.store.read(count_open, now)

    def title(alert: AlertSummary, role: str) -> str:
        """Name a hand as the rules of now do; one that they no longer know by its key."""
        known = call.tools.rulebook.known()  # also of a programme that has ended meanwhile
        rules = known[max(key for key in known if key[0] == alert.programme)]
        titles = {each.name: each.title for each in rules.approvals}
        return say(titles[role], call.language) if role in titles else role

    live.sort(key=lambda each: each.alert.status != "actual")  # what is real stands on top
    actual = [each for each in live if each.alert.status == "actual"]
    return await call.render(
        "home.html.j2",
        needed=needed,
        title=title,
        programme=lambda alert: programme_name(call, alert.programme),
        live=live,
        waiting=waiting,
        mode="actual" if actual else "",
        actual=len(actual),
    )


def _needed(conn: Connection, roles: frozenset[str], sees: Sight | None) -> list[Needed]:
    found = []
    asked = _alerts(conn, VersionState.SUBMITTED, sees)
    for alert in asked:
        newest = views.show_alert(conn, alert.id, None).versions[0]
        if mine := [role for role in newest.missing if role in roles]:
            found.append(Needed(alert=alert, roles=mine, asked_at=newest.submitted_at))
    if "submitter" in roles:
        back = _alerts(conn, VersionState.RETURNED, sees)
        found += [Needed(alert=a, roles=(), asked_at=None, returned=True) for a in back]
    return found


def _alerts(conn: Connection, state: VersionState, sees: Sight | None) -> list[AlertSummary]:
    return views.list_alerts(conn, state=state, before=None, limit=_SHOWN, sees=sees).items


def _live(conn: Connection, now: datetime, sees: Sight | None) -> list[Live]:
    active = _alerts(conn, VersionState.ACTIVE, sees)
    far = _far(conn, [alert.id for alert in active])
    return [
        Live(
            alert=alert,
            planned=sum(far[alert.id].values()),
            delivered=far[alert.id][State.DELIVERED],
            sent=far[alert.id][State.SENT],
            failed=far[alert.id][State.DEAD],
            as_of=now,
        )
        for alert in active
    ]


def _far(conn: Connection, alert_ids: Sequence[str]) -> dict[str, Counter[str]]:
    """Add up what each alert and its updates have reached, over all channels."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    query = (
        select(dispatches.c.alert_id, progress.c.state, func.sum(progress.c.count))
        .join(progress, progress.c.dispatch_id == dispatches.c.id)
        .where(
            dispatches.c.alert_id.in_(alert_ids),
            dispatches.c.kind.in_([Kind.ALERT, Kind.UPDATE]),
        )
        .group_by(dispatches.c.alert_id, progress.c.state)
    )
    for alert_id, state, count in conn.execute(query):
        found[alert_id][state] = int(count)
    return found


PAGES = (get("/", start, May.OWN_ACCOUNT),)
