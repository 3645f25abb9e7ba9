"""The facts of an alert as templates and webhooks get them: only what the policy lets out.

Templates see plain values and never the models, whose methods reach further than a template may.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from alertd.core.alert import Child, ChildAlert, Companion, LastSeen, Person, Vehicle
from alertd.core.cap import date_time
from alertd.core.regions import Atlas
from alertd.core.ruleset import RuleSet
from alertd.pipeline.wording import Wording, years_between

ADULT = 18
LARGEST_DATA = 8_000  # a webhook carries 20,000 bytes, its texts included
_INWARD = frozenset(
    {"case_reference", "criteria", "not_a_duplicate_because", "reported_at", "programme"}
)


class Row(NamedTuple):
    """A fact in words; `lang` marks the value as free text in another language."""

    field: str
    label: str
    value: str
    lang: str = ""


def allowed(alert: ChildAlert, rules: RuleSet, language: str) -> ChildAlert:
    """Give what the rule set's policy lets out, with the phone lines to print in `language`."""
    changes: dict[str, Any] = {"phone_lines": rules.lines(alert.phone_lines, language)}
    if not rules.allow_companion:
        changes["companions"] = ()
    if not rules.allow_health:
        changes["children"] = tuple(
            child.model_copy(update={"health": None}) for child in alert.children
        )
    return alert.model_copy(update=changes)


def view(alert: ChildAlert, wording: Wording) -> dict[str, Any]:
    """Give the facts in one language, ready to print; `neutral_view` has the rest."""
    children = [
        _child(child, alert.reported_at.astimezone(wording.zone), wording)
        for child in alert.children
    ]
    return {
        "who": who(children),
        "children": children,
        "companions": [_companion(each, wording) for each in alert.companions],
        "vehicle": alert.vehicle and _vehicle(alert.vehicle, wording),
        "last_seen": _last_seen(alert.last_seen, wording),
        "circumstances": wording.text(alert.circumstances),
        "authority": alert.authority,
        "expires": wording.moment(alert.expires_at),
    }


def who(children: Iterable[Mapping[str, Any]]) -> str:
    """Name the children in a headline, by as much of name and age as may stand there."""
    named = (", ".join(child[key] for key in ("name", "age") if key in child) for child in children)
    return "; ".join(filter(None, named))


def neutral_view(alert: ChildAlert, wording: Wording, atlas: Atlas) -> dict[str, Any]:
    """Give what an end may still say: nothing of the child, the place or the people."""
    language = wording.catalogue.language
    return {
        "area": ", ".join(atlas.name(code, language) for code in alert.area.regions),
        "phones": [{"label": p.label, "number": p.number} for p in alert.phone_lines],
    }


def labels(wording: Wording) -> dict[str, str]:
    """Give the name of every field that is printed."""
    _ = wording.gettext
    return {
        "children": _("Children"),
        "name": _("Name"),
        "age": _("Age"),
        "sex": _("Sex"),
        "height_cm": _("Height"),
        "build": _("Build"),
        "hair": _("Hair"),
        "eyes": _("Eyes"),
        "clothing": _("Clothing"),
        "distinguishing_marks": _("Distinguishing marks"),
        "health": _("Health"),
        "companions": _("May be with the child"),
        "relation": _("Relation to the child"),
        "suspect": _("Sought by the authorities"),
        "vehicle": _("Vehicle"),
        "make": _("Make"),
        "colour": _("Colour"),
        "plate": _("Number plate"),
        "country": _("Country"),
        "last_seen_at": _("Last seen"),
        "last_seen_place": _("Place last seen"),
        "circumstances": _("Circumstances"),
        "area": _("Area"),
        "authority": _("Issued by"),
        "phone_lines": _("Telephone numbers"),
        "expires_at": _("Valid until"),
    }


def changes(old: ChildAlert, new: ChildAlert, wording: Wording) -> list[str]:
    """Name the printed fields that differ, for `New: clothing, place last seen`."""
    names = labels(wording) | {
        "last_seen_at": wording.gettext("Time last seen"),
        "expires_at": wording.gettext("Period of validity"),
    }
    return [_lower_first(names[field]) for field in changed_fields(old, new)]


def changed_fields(old: ChildAlert, new: ChildAlert) -> list[str]:
    """Give the fields that differ, in the order in which they are printed."""
    fields = _changed_in_children(old, new)
    whole = ("companions", "vehicle")
    fields += [name for name in whole if getattr(old, name) != getattr(new, name)]
    seen = {"last_seen_at": "at", "last_seen_place": "place"}
    fields += [
        field
        for field, name in seen.items()
        if getattr(old.last_seen, name) != getattr(new.last_seen, name)
    ]
    rest = ("circumstances", "area", "authority", "phone_lines", "expires_at")
    return fields + [name for name in rest if getattr(old, name) != getattr(new, name)]


def _changed_in_children(old: ChildAlert, new: ChildAlert) -> list[str]:
    if len(old.children) != len(new.children):
        return ["children"]
    pairs = list(zip(old.children, new.children, strict=True))

    def differs(name: str) -> bool:
        if name == "age":
            return any(_age(a, old.reported_at) != _age(b, new.reported_at) for a, b in pairs)
        return any(getattr(a, name) != getattr(b, name) for a, b in pairs)

    printed = ("name", "age", *_LOOKS, "distinguishing_marks", "health")
    return [name for name in printed if differs(name)]


def fitted(typed: Mapping[str, Any]) -> dict[str, Any]:
    """Give typed facts small enough for a webhook.

    What does not fit is named in `omitted`; the CAP document holds it.
    """
    omitted: list[str] = []
    facts = {**typed, "area": dict(typed["area"]), "omitted": omitted}
    for holder, name in ((facts["area"], "polygon"), (facts, "circumstances"), (facts, "children")):
        if _size(facts) > LARGEST_DATA and holder.pop(name, None) is not None:
            omitted.append(name)
    return facts


def typed(alert: ChildAlert, zone: ZoneInfo) -> dict[str, Any]:
    """Give every fact that may be published, as the API names them."""
    facts: dict[str, Any] = alert.model_dump(mode="json", exclude=set(_INWARD), exclude_none=True)
    for child, source in zip(facts["children"], alert.children, strict=True):
        child.pop("birth_date", None)  # the age serves the search; the date would outlive it
        child["age"] = _age(source, alert.reported_at.astimezone(zone))
    facts["last_seen"]["at"] = date_time(alert.last_seen.at.astimezone(zone))
    facts["expires_at"] = date_time(alert.expires_at.astimezone(zone))
    return facts


def shape(alert: ChildAlert) -> dict[str, Any]:
    """Give what a map shows: the area's outline, and where the child was last seen."""
    area = alert.area.model_dump(mode="json", include={"polygon", "circle"}, exclude_none=True)
    seen = alert.last_seen.coordinates
    return area | ({"last_seen": list(seen)} if seen else {})


def neutral_data(alert: ChildAlert) -> dict[str, Any]:
    """Give to machines what an end may still say."""
    return {
        "kind": alert.kind,
        "status": alert.status,
        "area": {"regions": list(alert.area.regions)},
        "languages": list(alert.languages),
    }


def _size(facts: Mapping[str, Any]) -> int:
    return len(json.dumps(facts, ensure_ascii=False).encode())


_LOOKS = ("sex", "height_cm", "build", "hair", "eyes", "clothing")


def _looks(person: Person, wording: Wording, *, adult: bool) -> dict[str, str]:
    return {
        "sex": wording.sex(person.sex, adult=adult),
        "height_cm": wording.height(person.height_cm),
        "build": wording.text(person.build),
        "hair": wording.text(person.hair),
        "eyes": wording.text(person.eyes),
        "clothing": wording.text(person.clothing),
    }


def _child(child: Child, reported_at: datetime, wording: Wording) -> dict[str, Any]:
    years = _age(child, reported_at)
    words = {
        "name": wording.text(child.name),
        "age": wording.age(years),
        **_looks(child, wording, adult=isinstance(years, int) and years >= ADULT),
        "distinguishing_marks": child.distinguishing_marks
        and wording.text(child.distinguishing_marks),
        "health": child.health and wording.text(child.health),
    }
    return {**words, "rows": _rows(words, child, wording)}


def _age(child: Child, reported_at: datetime) -> int | str:
    if child.birth_date is not None:
        return years_between(child.birth_date, reported_at.date())
    return "unknown" if child.age is None else child.age


def _companion(companion: Companion, wording: Wording) -> dict[str, Any]:
    years = companion.age
    words = {
        "name": wording.text(companion.name),
        "age": wording.age(years),
        **_looks(companion, wording, adult=not isinstance(years, int) or years >= ADULT),
        "relation": companion.relation and wording.text(companion.relation),
        "distinguishing_marks": companion.distinguishing_marks
        and wording.text(companion.distinguishing_marks),
        "suspect": wording.gettext("yes") if companion.suspect else None,
    }
    return {**words, "rows": _rows(words, companion, wording)}


def _vehicle(vehicle: Vehicle, wording: Wording) -> dict[str, Any]:
    words = {
        "make": wording.text(vehicle.make),
        "colour": wording.text(vehicle.colour),
        "plate": wording.text(vehicle.plate),
        "country": wording.country(vehicle.country),
    }
    return {**words, "rows": _rows(words, vehicle, wording)}


def _last_seen(seen: LastSeen, wording: Wording) -> dict[str, Any]:
    words = {"last_seen_at": wording.moment(seen.at), "last_seen_place": wording.text(seen.place)}
    names = labels(wording)
    lang = wording.foreign if words["last_seen_place"] == seen.place else ""
    return {
        "moment": words["last_seen_at"],
        "short": wording.short(seen.at),
        "place": words["last_seen_place"],
        "rows": [
            Row("last_seen_at", names["last_seen_at"], words["last_seen_at"]),
            Row("last_seen_place", names["last_seen_place"], words["last_seen_place"], lang),
        ],
    }


def _rows(words: Mapping[str, str | None], source: object, wording: Wording) -> list[Row]:
    """Put label and value together; a value carried as written is free text."""
    names = labels(wording)
    return [
        Row(field, names[field], value, wording.foreign if value == getattr(source, field) else "")
        for field, value in words.items()
        if value is not None
    ]


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
