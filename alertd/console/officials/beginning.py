"""Begin a form: empty, from a template, like an earlier alert, or of an alert itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from alertd import views
from alertd.console.officials.fields import Form, Step
from alertd.console.officials.filling import carried, filled, fresh
from alertd.console.officials.labels import STATUSES
from alertd.console.officials.remedies import remedies
from alertd.console.officials.showing import show
from alertd.console.pages import Answer, Page, Visit, get, post
from alertd.console.permissions import May
from alertd.core.errors import Conflict, InvalidAlert, NotFound, Problem
from alertd.pipeline import formdrafts, formtemplates
from alertd.pipeline.formdrafts import Beginning, Purpose
from alertd.pipeline.jurisdiction import hold, sight
from alertd.pipeline.versions import OPEN, Version, key_of, last_sent, latest, open_facts
from alertd.tools import Tools

RECENT = 20  # alerts that a new one may be begun from; an older one by its case reference
_TEMPLATE = "template-"  # what a source begins with that is no alert
_NUMBER = re.compile(r"[0-9]{1,18}")
_TWO = "is one too many: choose from the list, or give a case reference"
_NONE = "names no alert that you may see"
_PURGED = "was purged: nothing can be taken from it"
_GONE = "is gone: choose another"
_OVER = "is of a programme that is over: choose another"


@dataclass(frozen=True, slots=True)
class Taken:
    """What a new form takes over."""

    programme: str
    form: Form


async def show_start(visit: Visit) -> Answer:
    return await _start_page(visit, {}, visit.request.query)


async def _start_page(visit: Visit, errors: Mapping[str, str], asked: Mapping[str, str]) -> Answer:
    tools = visit.tools
    sees = sight(tools, visit.actor)
    recent = await tools.store.read(
        views.list_alerts, state=None, before=None, limit=RECENT, sees=sees
    )
    programmes = tools.rulebook.programmes()
    templates = [
        (f"{_TEMPLATE}{each.id}", each.name)
        for each in await formtemplates.own(tools, visit.actor)
        if each.programme in programmes
    ]
    return await show(
        visit,
        "start.html.j2",
        drafts=await formdrafts.own(tools, visit.actor),
        programmes=[tools.rulebook.current(name) for name in programmes],
        templates=templates,
        recent=[(each.id, each.case_reference) for each in recent.items],
        asked={"status": "actual", "programme": next(iter(programmes), ""), **asked},
        errors=errors,
        mode="exercise" if asked.get("status") in {"exercise", "test"} else "",
    )


async def start(visit: Visit) -> Answer:
    """Begin a form; of what it is taken from, nothing about a person is taken along."""
    tools, form = visit.tools, visit.form
    try:
        taken = await _taken(visit)
    except InvalidAlert as error:
        asked = {name: form.get(name) for name in form.values}
        return await _start_page(visit, remedies(error.problems, visit.language), asked)
    status = form.get("status")
    programme = taken.programme if taken else form.get("programme")
    if status not in STATUSES or programme not in tools.rulebook.programmes():
        raise InvalidAlert([Problem("status", "choose what it is, and a programme")])
    said = fresh(tools.rulebook.current(programme), tools.clock())
    if taken:
        said |= taken.form
    beginning = Beginning(purpose=Purpose.NEW, programme=programme, status=status, form=said)
    return await _begin(visit, beginning)


async def _taken(visit: Visit) -> Taken | None:
    """Give what the new form takes over; raises InvalidAlert where there is no such thing."""
    tools, source = visit.tools, visit.form.get("source")
    reference = visit.form.get("reference")
    if source and reference:
        raise InvalidAlert([Problem("reference", _TWO)])
    field = "reference" if reference else "source"
    if source.startswith(_TEMPLATE):
        taken = await _of_template(visit, source.removeprefix(_TEMPLATE))
    elif source or reference:
        taken = await _of_alert(visit, source or await _found(visit, reference), field)
    else:
        return None
    if taken.programme not in tools.rulebook.programmes():
        raise InvalidAlert([Problem(field, _OVER)])
    return taken


async def _of_template(visit: Visit, number: str) -> Taken:
    try:
        found = await formtemplates.read(visit.tools, visit.actor, _numbered(number))
    except NotFound:
        raise InvalidAlert([Problem("source", _GONE)]) from None
    return Taken(found.programme, found.form)


def _numbered(text: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise NotFound("there is no such template")
    return int(text)


async def _of_alert(visit: Visit, alert_id: str, field: str) -> Taken:
    await hold(visit.tools, visit.actor, alert_id, deciding=False)
    version = await visit.tools.store.read(latest, alert_id)
    try:
        return Taken(version.programme, carried(await said_by(visit.tools, version), version.rules))
    except NotFound:
        raise InvalidAlert([Problem(field, _PURGED)]) from None


async def _found(visit: Visit, reference: str) -> str:
    """Name the newest alert of this case that is seen."""
    if not reference.isprintable():  # a NUL is more than PostgreSQL can compare
        raise InvalidAlert([Problem("reference", _NONE)])
    sees = sight(visit.tools, visit.actor)
    found = await visit.tools.store.read(
        views.list_alerts, state=None, before=None, limit=1, sees=sees, case_reference=reference
    )
    if not found.items:
        raise InvalidAlert([Problem("reference", _NONE)])
    return found.items[0].id


async def said_by(tools: Tools, version: Version) -> Form:
    """Give the form that says what a version says; raises NotFound once it is purged."""
    return filled(open_facts(await key_of(tools, version), version), version.rules)


async def start_edit(visit: Visit) -> Answer:
    """Begin a form with what a version that is not out yet says."""
    version = await visit.tools.store.read(latest, visit.path("id"))
    if version.state not in OPEN:
        raise Conflict("this version is no longer open for a change")
    return await _begin_from(visit, version, Purpose.EDIT)


async def start_update(visit: Visit) -> Answer:
    """Begin a form with what the version that went out last says."""
    newest = await visit.tools.store.read(latest, visit.path("id"))
    if newest.state in OPEN:
        raise Conflict("an update is under way already: edit or reject it first")
    sent = await visit.tools.store.read(last_sent, visit.path("id"))
    if sent is None:
        raise NotFound("this alert never went out")
    return await _begin_from(visit, sent, Purpose.UPDATE)


async def _begin_from(visit: Visit, version: Version, purpose: Purpose) -> Answer:
    return await _begin(
        visit,
        Beginning(
            purpose=purpose,
            programme=version.programme,
            status=version.status,
            form=await said_by(visit.tools, version),
            alert_id=version.alert_id,
            alert_revision=version.revision,
        ),
    )


async def _begin(visit: Visit, beginning: Beginning) -> Answer:
    draft_id = await formdrafts.begin(visit.tools, visit.actor, beginning)
    first = Step.WHO if beginning.purpose is Purpose.NEW else Step.CHECK
    return visit.redirect(f"/submit/{draft_id}/{first}")


PAGES: tuple[Page, ...] = (
    get("/submit", show_start, May.SUBMIT),
    post("/submit", start, May.SUBMIT),
    post("/alerts/{id}/edit", start_edit, May.SUBMIT),
    post("/alerts/{id}/update", start_update, May.UPDATE),
)
