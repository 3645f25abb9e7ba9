"""Form templates: saved from a form or an alert, listed, renamed, removed."""

from collections.abc import Mapping
from dataclasses import dataclass

from alertd.console.naming import programme_name
from alertd.console.officials.beginning import said_by
from alertd.console.officials.fields import Field, Form, Step, count, kind_of
from alertd.console.officials.filling import DRAWN, carried
from alertd.console.officials.labels import LABELS
from alertd.console.officials.remedies import remedies
from alertd.console.officials.sheet import open_sheet
from alertd.console.officials.showing import show
from alertd.console.pages import Answer, Page, Visit, get, post
from alertd.console.permissions import May
from alertd.console.rendering import N_
from alertd.core.errors import InvalidAlert, Problem
from alertd.core.ruleset import RuleSet, say
from alertd.pipeline import formtemplates
from alertd.pipeline.formtemplates import Contents, FormTemplate
from alertd.pipeline.versions import latest
from alertd.pipeline.wording import autonym


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a template is to be made of."""

    programme: str
    rules: RuleSet
    form: Form
    faults: Mapping[str, str]  # of its fields, with what to do about each
    mode: str
    here: str
    back: str

    @property
    def drawn(self) -> bool:
        """Tell whether a circle or an outline could be kept too."""
        said = any(name.startswith(DRAWN) and any(self.form[name]) for name in self.form)
        return said and not any(name.startswith(DRAWN) for name in self.faults)

    def contents(self, *, drawn: bool) -> Contents:
        form = carried(self.form, self.rules, drawn=drawn and self.drawn)
        regions = form.get("area.regions", ())
        return Contents(programme=self.programme, regions=regions, form=form)


# --- saving one ------------------------------------------------------------------------------


async def ask_of_form(visit: Visit) -> Answer:
    return await _ask(visit, await _form(visit))


async def save_of_form(visit: Visit) -> Answer:
    return await _save(visit, await _form(visit))


async def ask_of_alert(visit: Visit) -> Answer:
    return await _ask(visit, await _alert(visit))


async def save_of_alert(visit: Visit) -> Answer:
    return await _save(visit, await _alert(visit))


async def _form(visit: Visit) -> Source:
    sheet = await open_sheet(visit.tools, visit.actor, visit.path("id"), visit.language)
    here = f"/submit/{sheet.draft.id}"
    step = Step.AREA if visit.query("step") == Step.AREA else Step.CHECK
    return Source(
        programme=sheet.draft.programme,
        rules=sheet.rules,
        form=sheet.form,
        faults=sheet.remedies,
        mode="exercise" if sheet.exercise else "actual",
        here=f"{here}/template?step={step}",
        back=f"{here}/{step}",
    )


async def _alert(visit: Visit) -> Source:
    version = await visit.tools.store.read(latest, visit.path("id"))
    here = f"/alerts/{version.alert_id}"
    return Source(
        programme=version.programme,
        rules=version.rules,
        form=await said_by(visit.tools, version),
        faults={},
        mode="exercise" if version.exercise else "actual",
        here=f"{here}/template",
        back=here,
    )


async def _ask(visit: Visit, source: Source, errors: Mapping[str, str] | None = None) -> Answer:
    """Show what would be kept, and ask for its name; or say what has to be put right first."""
    held = source.contents(drawn=False)
    return await show(
        visit,
        "template_new.html.j2",
        source=source,
        mode=source.mode,
        rows=told(visit, held, source.rules),
        faults=[
            (visit.say(LABELS[Field(name=name).key]), text)
            for name, text in _faults(visit, source, held).items()
        ],
        errors=errors or {},
    )


async def _save(visit: Visit, source: Source) -> Answer:
    held = source.contents(drawn=bool(visit.form.get("drawn")))
    if faults := _faults(visit, source, held):
        return await _ask(visit, source, faults)
    name = visit.form.get("name")
    try:
        await formtemplates.save(visit.tools, visit.actor, name, held)
    except InvalidAlert as error:
        return await _ask(visit, source, remedies(error.problems, visit.language))
    await visit.flash("Saved as a template: whoever begins an alert or an exercise finds it there.")
    return visit.redirect(source.back)


def _faults(visit: Visit, source: Source, held: Contents) -> dict[str, str]:
    """Name what is wrong with the fields that would be kept."""
    found = {
        name: text
        for name, text in source.faults.items()
        if name in held.form or name.startswith("phone_lines.")  # a line half said
    }
    if not held.regions:
        found |= remedies([Problem("area.regions", "is required: add it")], visit.language)
    elif not formtemplates.covers(visit.tools, visit.actor, held):
        found |= remedies([Problem("area.regions", formtemplates.BEYOND)], visit.language)
    return found


# --- those that there are --------------------------------------------------------------------


async def show_all(visit: Visit) -> Answer:
    found = await formtemplates.own(visit.tools, visit.actor)
    return await show(
        visit,
        "templates.html.j2",
        templates=found,
        programme_of=lambda held: programme_name(visit, held.programme),
        regions_of=lambda held: _regions(visit, held),
    )


async def show_one(visit: Visit) -> Answer:
    return await _one(visit, await _read(visit))


async def _read(visit: Visit) -> FormTemplate:
    return await formtemplates.read(visit.tools, visit.actor, int(visit.path("number")))


async def _one(
    visit: Visit, template: FormTemplate, errors: Mapping[str, str] | None = None
) -> Answer:
    book = visit.tools.rulebook
    known = template.programme in book.programmes()
    return await show(
        visit,
        "template.html.j2",
        held=template,
        usable=known,
        rows=told(visit, template, book.current(template.programme) if known else None),
        errors=errors or {},
        name=visit.form.get("name") if errors else template.name,
    )


async def rename(visit: Visit) -> Answer:
    template = await _read(visit)
    try:
        await formtemplates.rename(visit.tools, visit.actor, template.id, visit.form.get("name"))
    except InvalidAlert as error:
        return await _one(visit, template, remedies(error.problems, visit.language))
    await visit.flash("Renamed.")
    return visit.redirect(f"/submit/templates/{template.id}")


async def remove(visit: Visit) -> Answer:
    await formtemplates.remove(visit.tools, visit.actor, int(visit.path("number")))
    await visit.flash("The template is removed. What was begun from it stays as it is.")
    return visit.redirect("/submit/templates")


def told(visit: Visit, held: Contents, rules: RuleSet | None) -> list[tuple[str, str]]:
    """Give what a template holds, in the reader's words; what it leaves open is left out."""
    form = held.form
    kind = say(kind_of(form, rules).title, visit.language) if rules and "kind" in form else ""
    drawn = visit.say("Yes") if any(name.startswith(DRAWN) for name in form) else ""
    said = (
        " ".join(form.get(f"phone_lines.{n}.{part}", ("",))[0] for part in ("number", "label"))
        for n in range(count(form, "phone_lines"))
    )
    lines = [line for line in said if line.strip()]  # one that was taken out leaves a gap
    rows = [
        (N_("Programme"), programme_name(visit, held.programme)),
        (LABELS["kind"], kind),
        (LABELS["area.regions"], _regions(visit, held)),
        (N_("Circle or outline"), drawn),
        (LABELS["languages"], ", ".join(map(autonym, form.get("languages", ())))),
        (LABELS["authority"], form.get("authority", ("",))[0]),
        (N_("Telephone lines"), ", ".join(lines or [visit.say("those of the programme")])),
    ]
    return [(visit.say(label), value) for label, value in rows if value]


def _regions(visit: Visit, held: Contents) -> str:
    return ", ".join(visit.tools.atlas.name(code, visit.language) for code in held.regions)


PAGES: tuple[Page, ...] = (
    get("/submit/templates", show_all, May.TEMPLATES),
    get("/submit/templates/{number}", show_one, May.TEMPLATES),
    post("/submit/templates/{number}", rename, May.TEMPLATES),
    post("/submit/templates/{number}/remove", remove, May.TEMPLATES),
    get("/submit/{id}/template", ask_of_form, May.TEMPLATES),
    post("/submit/{id}/template", save_of_form, May.TEMPLATES),
    get("/alerts/{id}/template", ask_of_alert, May.TEMPLATES),
    post("/alerts/{id}/template", save_of_alert, May.TEMPLATES),
)
