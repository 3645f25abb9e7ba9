"""The form, page by page: fill in, keep, discard."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from aiohttp import web

from alertd.console.officials.charts import Map, draw, proposed
from alertd.console.officials.fields import Step
from alertd.console.officials.pictures import crop_photo, take_uploads
from alertd.console.officials.remedies import remedies
from alertd.console.officials.sheet import Sheet, intent_of, lay, merged, open_sheet, rules_of
from alertd.console.officials.showing import show
from alertd.console.pages import Answer, Page, Visit, get, post
from alertd.console.permissions import May
from alertd.core.errors import NotFound, StaleVersion
from alertd.pictures import MAX_BYTES
from alertd.pipeline import formdrafts
from alertd.pipeline.audience import count_ahead
from alertd.pipeline.formdrafts import FormDraft
from alertd.pipeline.wording import Wording

_STEPS = tuple(Step)


async def discard(visit: Visit) -> Answer:
    await formdrafts.discard(visit.tools, visit.actor, visit.path("id"))
    await visit.flash("The form is discarded, and what it said is destroyed.")
    return visit.redirect("/submit")


async def show_step(visit: Visit) -> Answer:
    step = _step(visit)
    sheet = await open_sheet(visit.tools, visit.actor, visit.path("id"), visit.language)
    errors = sheet.of(step) if visit.query("all") else sheet.wrong(step)
    touched = _touched(visit, sheet) if visit.query("proposed") and step is Step.AREA else None
    return await _page(visit, sheet, step, errors, touched=touched)


async def take_step(visit: Visit) -> Answer:
    """Keep what a page says, then go where its button leads.

    What is kept is shown by GET: loading a page again must not send an older form anew.
    """
    step, go = _step(visit), visit.form.get("go", "next")
    draft = await formdrafts.read(visit.tools, visit.actor, visit.path("id"))
    form = _with_action(merged(draft.form, step, visit.form.values), go)
    unread = await take_uploads(visit.tools, visit.actor, visit.form, form)
    if go.startswith("crop-"):
        unread += await crop_photo(visit, go.removeprefix("crop-"), form)
    rules = await rules_of(visit.tools, draft)
    sheet = lay(visit.tools, draft, form, rules, visit.language)
    found = _touched(visit, sheet) if go == "propose" else ()
    if found:
        form["area.regions"] = tuple(dict.fromkeys((*form.get("area.regions", ()), *found)))
    try:
        draft = await _save(visit, form)
    except StaleVersion:
        return await _page(visit, sheet, step, sheet.wrong(step), stale=True)
    sheet = lay(visit.tools, draft, draft.form, rules, visit.language)
    if go.startswith("to-"):
        return visit.redirect(f"/submit/{draft.id}/{Step(go.removeprefix('to-'))}")
    if go == "template" and not unread:
        return visit.redirect(f"/submit/{draft.id}/template?step={step}")
    if unread:
        wrong = sheet.wrong(step) | remedies(unread, visit.language)
        return await _page(visit, sheet, step, wrong)
    if go != "next" or sheet.wrong(step):
        return visit.redirect(_again(visit, step, go))
    if step is Step.AREA:  # a step before the count is looked at
        await count_ahead(visit.tools, intent_of(visit.tools, sheet))
    return visit.redirect(f"/submit/{draft.id}/{_STEPS[_STEPS.index(step) + 1]}")


async def autosave(visit: Visit) -> Answer:
    """Keep what a page says, and give what its script shows."""
    step = _step(visit)
    draft = await formdrafts.read(visit.tools, visit.actor, visit.path("id"))
    draft = await _save(visit, merged(draft.form, step, visit.form.values))
    rules = await rules_of(visit.tools, draft)
    sheet = lay(visit.tools, draft, draft.form, rules, visit.language)
    return web.json_response(
        {
            "revision": draft.revision,
            "saved": visit.words.clock(draft.saved_at, seconds=True),
            "touched": _touched(visit, sheet) if step is Step.AREA else [],
            "notice": visit.fragment(
                "officials/notice.html.j2", sheet=sheet, rows=_notice(visit, sheet)
            ),
        }
    )


async def _save(visit: Visit, form: Mapping[str, tuple[str, ...]]) -> FormDraft:
    given = visit.form.get("revision", "0")
    return await formdrafts.save(
        visit.tools,
        visit.actor,
        visit.path("id"),
        form,
        revision=int(given) if given.isdigit() else 0,
    )


def _again(visit: Visit, step: Step, go: str) -> str:
    """Give where the same step is read again, in the language that its notice was in."""
    asked = {"notice": visit.query("notice"), "proposed": "1" if go == "propose" else ""}
    said = urlencode({name: value for name, value in asked.items() if value})
    return f"/submit/{visit.path('id')}/{step}" + (f"?{said}" if said else "")


def _with_action(form: dict[str, tuple[str, ...]], go: str) -> dict[str, tuple[str, ...]]:
    """Do what a button that adds or removes a row asks for."""
    action, _, holder = go.partition("-")
    if action == "add" and holder in {"children", "companions", "phone_lines"}:
        name = "number" if holder == "phone_lines" else "name"
        numbers = [int(key.split(".")[1]) for key in form if key.startswith(f"{holder}.")]
        return form | {f"{holder}.{max(numbers, default=-1) + 1}.{name}": ("",)}
    if action == "remove" and "." in holder:
        return {key: value for key, value in form.items() if not f"{key}.".startswith(f"{holder}.")}
    return form


def _touched(visit: Visit, sheet: Sheet) -> list[str]:
    """Name the regions that the circle and the outline on the form touch."""
    return proposed(visit.tools.atlas, sheet.rules.country, sheet.reading.alert.area)


def _map(visit: Visit, sheet: Sheet) -> Map | None:
    """Draw the area as the form has it, without what stands in for regions not chosen yet."""
    chosen = {"regions": sheet.values("area.regions")}
    area = sheet.reading.alert.area.model_copy(update=chosen)
    return draw(visit.tools.atlas, sheet.rules.country, area, visit.language)


async def _page(
    visit: Visit,
    sheet: Sheet,
    step: Step,
    errors: Mapping[str, str],
    *,
    stale: bool = False,
    touched: Sequence[str] | None = None,
) -> Answer:
    return await show(
        visit,
        f"step_{step}.html.j2",
        sheet=sheet,
        step=step,
        mode="exercise" if sheet.exercise else "actual",
        width="wide",
        errors=errors,
        stale=stale,
        touched=touched,
        map=_map(visit, sheet) if step is Step.AREA else None,
        rows=_notice(visit, sheet),
        notice_language=wording_of(visit, sheet).catalogue.language,
    )


def _notice(visit: Visit, sheet: Sheet) -> list[tuple[str, str]]:
    return sheet.notice(wording_of(visit, sheet), visit.tools)


def wording_of(visit: Visit, sheet: Sheet) -> Wording:
    """Give the words of the notice beside the form, in the language asked for."""
    language = visit.query("notice") or visit.language
    templates = visit.tools.renderer.templates
    chosen = language if language in sheet.rules.languages else sheet.rules.languages[0]
    written = sheet.reading.alert.languages[0]
    return Wording(templates.catalogue(chosen), visit.words.zone, written)


def _step(visit: Visit) -> Step:
    try:
        return Step(visit.path("name"))
    except ValueError:
        raise NotFound("the form has no such step") from None


PAGES: tuple[Page, ...] = (
    get("/submit/{id}/{name}", show_step, May.SUBMIT),
    post("/submit/{id}/{name}", take_step, May.SUBMIT, upload_bytes=MAX_BYTES),
    post("/submit/{id}/{name}/save", autosave, May.SUBMIT),
    post("/submit/{id}/discard/now", discard, May.SUBMIT),
)
