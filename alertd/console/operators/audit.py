"""The audit log: who did what, whether it verifies, by person, alert and act."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from alertd.console.guard import HEADERS
from alertd.console.operators.board import watcher_of
from alertd.console.operators.details import SEALED, actor_of, details
from alertd.console.operators.lists import PAGE, csv_lines, cursor, link
from alertd.console.operators.words import ACTS
from alertd.console.pages import Answer, Page, Visit, get
from alertd.console.permissions import May
from alertd.pipeline.jurisdiction import sight
from alertd.watch.auditlog import AuditFilter, AuditLine, AuditPage, find_entries

AUDIT = "/audit"
FILTERS = ("actor", "case", "alert", "act")
_STEP = 1000


def wanted_of(visit: Visit, asked: Mapping[str, str]) -> AuditFilter:
    return AuditFilter(
        actor=asked.get("actor") or None,
        alert_id=asked.get("alert") or None,
        case_reference=asked.get("case") or None,
        action=asked.get("act") or None,
        sees=sight(visit.tools, visit.actor),
    )


async def audit(visit: Visit) -> Answer:
    asked = {name: visit.query(name).strip()[:200] for name in FILTERS}
    before = cursor(visit)
    page: AuditPage = await visit.tools.store.read(
        find_entries, wanted_of(visit, asked), before=before[0] if before else None, limit=PAGE
    )
    chain = watcher_of(visit).chain
    return await visit.render(
        "operators/audit.html.j2",
        width="board",
        asked=asked,
        rows=[shown(visit, line, chain.verified, broken=chain.broken) for line in page.lines],
        next=link(AUDIT, asked, after=str(page.next)) if page.next else "",
        first=link(AUDIT, asked) if before else "",
        full=page.full,
        export=link("/audit.csv", asked),
        chain=chain,
        broken=chain.broken or not all(line.sound for line in page.lines),
        acts=sorted(((key, visit.say(text)) for key, text in ACTS.items()), key=lambda x: x[1]),
        as_of=visit.tools.clock(),
    )


def shown(visit: Visit, line: AuditLine, verified: int, *, broken: bool) -> dict[str, Any]:
    state = ("ok", visit.say("verified"))
    if not line.sound or (broken and line.seq > verified):
        state = ("failed", visit.say("does not verify"))
    elif line.seq > verified:
        state = ("waiting", visit.say("not yet"))
    return {
        "seq": line.seq,
        "at": line.at,
        "actor": line.name,
        "name": actor_of(visit, line),
        "act": visit.say(ACTS.get(line.action, line.action)),
        "code": line.action,
        "alert_id": line.alert_id or "",
        "case": line.case,
        "facts": details(visit, line),
        "sealed": ", ".join(visit.say(SEALED.get(name, name)) for name in line.texts),
        "state": state,
        "hash": line.hash[:12],
    }


async def export(visit: Visit) -> Answer:
    """Stream every entry that fits as CSV, newest first; what is sealed stays sealed."""
    asked = {name: visit.query(name).strip()[:200] for name in FILTERS}
    answer = web.StreamResponse(
        headers={
            **HEADERS,
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": 'attachment; filename="audit.csv"',
        }
    )
    await answer.prepare(visit.request)
    heading = ("seq", "at", "actor", "action", "alert", "data", "hash")
    await answer.write(b"\xef\xbb\xbf" + csv_lines([heading]))
    before = None
    while True:
        page: AuditPage = await visit.tools.store.read(
            find_entries, wanted_of(visit, asked), before=before, limit=_STEP
        )
        await answer.write(csv_lines(map(_cells, page.lines)))
        before = page.next
        if before is None:
            break
    await answer.write_eof()
    return answer


def _cells(line: AuditLine) -> tuple[object, ...]:
    data = json.dumps(line.data, ensure_ascii=False)
    at = line.at.isoformat(timespec="milliseconds")
    return (line.seq, at, line.actor, line.action, line.alert_id or "", data, line.hash)


PAGES: tuple[Page, ...] = (
    get(AUDIT, audit, May.AUDIT),
    get("/audit.csv", export, May.AUDIT),
)
