"""The dispatch log, one delivery of it, and its export."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from alertd.console.guard import HEADERS
from alertd.console.operators.lists import PAGE, csv_lines, cursor, link, spelled
from alertd.console.operators.words import (
    KINDS,
    REASONS,
    RESULTS,
    STATES,
    lane_of,
    reason_of,
    span,
)
from alertd.console.pages import Answer, Page, Visit, get, post
from alertd.console.permissions import May
from alertd.core.delivery import State
from alertd.core.errors import Undeliverable
from alertd.pipeline.jurisdiction import hold, sight
from alertd.pipeline.record import Entry, record
from alertd.pipeline.wording import autonym
from alertd.watch.dispatchlog import (
    Attempt,
    Filter,
    Line,
    LogPage,
    find,
    find_address,
    read_address,
    read_line,
)

LOG = "/log"
FILTERS = ("alert", "case", "channel", "state", "reason", "address")
NOBODY = 0  # no address has this number: nothing is found
_STEP = 500


def wanted_of(visit: Visit, asked: Mapping[str, str]) -> Filter:
    """Read what is looked for; what is no state or number finds nothing."""
    address = asked.get("address", "")
    state = asked.get("state", "")
    return Filter(
        alert_id=asked.get("alert") or None,
        case_reference=asked.get("case") or None,
        channel=asked.get("channel") or None,
        state=State(state) if state in list(State) else None,
        reason=asked.get("reason") or None,
        address_id=(int(address) if address.isdecimal() and len(address) < 19 else NOBODY)
        if address
        else None,
        sees=sight(visit.tools, visit.actor),
    )


def filters_of(visit: Visit) -> dict[str, str]:
    return {name: visit.query(name).strip()[:100] for name in FILTERS}


async def log(visit: Visit) -> Answer:
    asked = filters_of(visit)
    after = cursor(visit)
    wanted = wanted_of(visit, asked)
    page: LogPage = await visit.tools.store.read(find, wanted, after=after, limit=PAGE)
    return await visit.render(
        "operators/log.html.j2",
        width="board",
        asked=asked,
        rows=[shown(visit, line) for line in page.lines],
        next=link(LOG, asked, after=spelled(page.next)) if page.next else "",
        first=link(LOG, asked) if after else "",
        full=page.full,
        export=link("/log.csv", asked),
        choices=choices_of(visit),
        as_of=visit.tools.clock(),
    )


def choices_of(visit: Visit) -> dict[str, list[tuple[str, str]]]:
    return {
        "channel": [(name, lane_of(visit, name)) for name in sorted(visit.tools.channels)],
        "state": [(str(name), visit.say(word)) for name, (_, word) in STATES.items()],
        "reason": [(str(name), visit.say(word)) for name, word in REASONS.items()],
    }


def shown(visit: Visit, line: Line) -> dict[str, Any]:
    icon, word = STATES[line.state]
    return {
        "id": line.id,
        "link": f"{LOG}/{line.id}",
        "case": line.case_reference,
        "alert_id": line.alert_id,
        "exercise": line.exercise,
        "kind": visit.say(KINDS.get(line.kind, line.kind)),
        "channel": lane_of(visit, line.channel),
        "address": line.address,
        "icon": icon,
        "state": visit.say(word),
        "reason": reason_of(visit, line.reason),
        "next_at": line.next_at,
        "attempts": line.attempts,
        "at": line.delivered_at or line.sent_at,
        "delay": span(visit, line.delay_s) if line.delay_s is not None else "",
    }


async def look_up(visit: Visit) -> Answer:
    """Find an address by its number, so that no address ever stands in a link."""
    text = visit.form.get("address_text")[:500]
    spellings: dict[str, str] = {}
    for name, channel in visit.tools.channels.items():
        try:
            spellings[name] = channel.normalize(text)
        except Undeliverable:
            continue
    number = await visit.tools.store.read(find_address, spellings)
    asked = {name: visit.form.get(name)[:100] for name in FILTERS}
    return visit.redirect(link(LOG, asked, address=str(number or NOBODY)))


async def delivery(visit: Visit) -> Answer:
    return await _show_delivery(visit, address="")


async def _read(visit: Visit, *, deciding: bool) -> tuple[Line, list[Attempt]]:
    """Give a delivery of an alert that this person sees, or decides on."""
    line, attempts = await visit.tools.store.read(read_line, int(visit.path("number")))
    await hold(visit.tools, visit.actor, line.alert_id, deciding=deciding)
    return line, attempts


async def _show_delivery(visit: Visit, *, address: str) -> Answer:
    line, attempts = await _read(visit, deciding=False)
    return await visit.render(
        "operators/delivery.html.j2",
        width="wide",
        line=line,
        row=shown(visit, line),
        mode="exercise" if line.exercise else "",
        lane=lane_of(visit, line.lane),
        events=_events(visit, line, attempts),
        full_address=address,
        language=autonym(line.language),
    )


def _events(visit: Visit, line: Line, attempts: list[Attempt]) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = [
        {
            "at": line.activated_at,
            "title": visit.say("Activated: this message was due"),
            "text": "",
            "kind": "information",
        }
    ]
    for attempt in attempts:
        icon, word = RESULTS.get(attempt.result, ("information", attempt.result))
        events.append(
            {
                "at": attempt.finished_at,
                "title": _title(visit, attempt, visit.say(word)),
                "text": _said(visit, attempt),
                "kind": icon,
            }
        )
    return events


def _title(visit: Visit, attempt: Attempt, word: str) -> str:
    if not attempt.number:
        return visit.say("The provider reported: %(word)s", word=word)
    return visit.say("Attempt %(number)s: %(word)s", number=attempt.number, word=word)


def _said(visit: Visit, attempt: Attempt) -> str:
    """Give the provider's own code, how long it took, and under which number it knows it."""
    took = (attempt.finished_at - attempt.started_at).total_seconds()
    parts = [reason_of(visit, attempt.reason), attempt.detail, attempt.provider_ref]
    if attempt.number:
        parts.append(f"{took * 1000:.0f} ms")
    return " · ".join(part for part in parts if part)


async def show_address(visit: Visit) -> Answer:
    """Show one address in full; who looked, and when, is on record."""
    line, _ = await _read(visit, deciding=True)
    address = await visit.tools.store.write(_reveal, line, visit.actor.label, visit.tools.clock())
    return await _show_delivery(visit, address=address)


def _reveal(conn: Connection, line: Line, actor: str, at: datetime) -> str:
    said = {"address": line.address_id, "delivery": line.id}
    record(conn, Entry(actor, "address.shown", line.alert_id, said), at=at)
    return read_address(conn, line.address_id)


async def export(visit: Visit) -> Answer:
    """Stream every line that fits as CSV, addresses masked."""
    answer = web.StreamResponse(
        headers={
            **HEADERS,
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": 'attachment; filename="dispatch-log.csv"',
        }
    )
    await answer.prepare(visit.request)
    await answer.write(b"\xef\xbb\xbf" + csv_lines([_COLUMNS]))
    wanted = wanted_of(visit, filters_of(visit))
    after = cursor(visit)
    while True:
        page: LogPage = await visit.tools.store.read(find, wanted, after=after, limit=_STEP)
        await answer.write(csv_lines(map(_cells, page.lines)))
        after = page.next
        if after is None:
            break
    await answer.write_eof()
    return answer


_COLUMNS = (
    "delivery",
    "case",
    "alert",
    "exercise",
    "kind",
    "channel",
    "address",
    "language",
    "state",
    "reason",
    "attempts",
    "activated_at",
    "sent_at",
    "delivered_at",
    "delay_s",
)


def _cells(line: Line) -> tuple[object, ...]:
    def at(moment: datetime | None) -> str:
        return moment.isoformat(timespec="seconds") if moment else ""

    return (
        line.id,
        line.case_reference,
        line.alert_id,
        "yes" if line.exercise else "no",
        line.kind,
        line.channel,
        line.address,
        line.language,
        line.state,
        line.reason,
        line.attempts,
        at(line.activated_at),
        at(line.sent_at),
        at(line.delivered_at),
        "" if line.delay_s is None else f"{line.delay_s:.1f}",
    )


PAGES: tuple[Page, ...] = (
    get(LOG, log, May.DISPATCH_LOG),
    get("/log.csv", export, May.DISPATCH_LOG),
    post("/log/address", look_up, May.DISPATCH_LOG),
    get("/log/{number}", delivery, May.DISPATCH_LOG),
    post("/log/{number}/address", show_address, May.UNMASK),
)
