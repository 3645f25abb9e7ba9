"""What every page of the officials has at hand, beside the console's own components."""

from dataclasses import replace
from datetime import date
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date

from alertd.console.officials import labels
from alertd.console.officials.fields import UNKNOWN, Field, Shape, Step, step_of
from alertd.console.officials.live import times
from alertd.console.officials.reading import says_unknown
from alertd.console.officials.sheet import Sheet
from alertd.console.pages import Answer, Visit
from alertd.core.ruleset import Words, say
from alertd.pipeline.wording import autonym


async def show(visit: Visit, template: str, **context: Any) -> Answer:
    """Give one of the officials' pages; a form that came back with faults says so by its status."""
    wrong = visit.page.method == "POST" and (context.get("errors") or context.get("changed"))

    def told(words: Words) -> str:
        return say(words, visit.language)

    return await visit.render(
        f"officials/{template}",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK,
        labels=labels,
        autonym=autonym,
        told=told,
        times=times,
        region_name=lambda code: visit.tools.atlas.name(code, visit.language),
        city=lambda zone: replace(visit.words, zone=ZoneInfo(zone)).zone_name,
        **context,
    )


def summaries(visit: Visit, sheet: Sheet) -> dict[str, list[tuple[str, str]]]:
    """Give what the form says, step by step; what was left empty is left out."""
    found: dict[str, list[tuple[str, str]]] = {step: [] for step in Step}
    for field in sheet.fields.values():
        step = step_of(field.name)
        if step is None or not (value := _value(visit, sheet, field)):
            continue
        label = _label(visit, sheet, field)
        if field.key == "criterion.reason" and found[step] and found[step][-1][0] == label:
            value = f"{found[step].pop()[1]}: {value}"  # the answer and what it rests on
        found[step].append((label, value))
    return found


def area(visit: Visit, sheet: Sheet) -> str:
    """Name the regions that are told."""
    atlas = visit.tools.atlas
    codes = sheet.reading.alert.area.regions
    return ", ".join(atlas.name(code, visit.language) for code in codes)


def _label(visit: Visit, sheet: Sheet, field: Field) -> str:
    if field.name.startswith("criteria."):
        return say(sheet.question(field.name), visit.language)
    return visit.say(labels.LABELS[field.key])


def _value(visit: Visit, sheet: Sheet, field: Field) -> str:
    if field.shape in {Shape.MOMENT, Shape.DATE}:
        return _moment(visit, *(sheet.value(name) for name in field.inputs))
    if field.name == "area.regions":
        codes = sheet.values(field.name)
        return ", ".join(visit.tools.atlas.name(code, visit.language) for code in codes)
    if field.name == "languages":
        return ", ".join(map(autonym, sheet.values(field.name)))
    value = sheet.value(field.name)
    if field.unknown and says_unknown(value):
        value = UNKNOWN
    if field.name == "kind":
        return say(next(k.title for k in sheet.rules.kinds if k.name == sheet.kind), visit.language)
    known = {"yes": "Yes", "no": "No", UNKNOWN: "unknown", "added": "added"} | dict(labels.CHOICES)
    if field.shape is Shape.PHOTO and value:
        value = "added"  # its digest says nothing to people
    if field.shape in {Shape.YES, Shape.CHOICE, Shape.PHOTO} or value == UNKNOWN:
        return visit.say(known.get(value, value)) if value else ""
    return value


def _moment(visit: Visit, day: str, time: str = "") -> str:
    """Say day and time as the reader's language does; what is neither, as it was typed."""
    try:
        said = format_date(date.fromisoformat(day), "d MMMM y", locale=visit.words.locale)
    except ValueError:
        said = day
    return ", ".join(filter(None, (said, time)))
