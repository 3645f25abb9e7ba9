"""From an alert's facts to a form: to edit it, to update it, or to begin a like one."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from alertd.console.officials.fields import Form, fields
from alertd.core.alert import ChildAlert
from alertd.core.ruleset import RuleSet

USUAL = timedelta(hours=24)  # how long an alert is in force, where nothing else was said
DRAWN = ("area.circle.", "area.polygon")
_CARRIED = ("kind", "authority", "area.regions", "languages", "phone_lines.")
_NOT_ASKED = ("programme", "status", "criteria")

Said = dict[str, tuple[str, ...]]


def fresh(rules: RuleSet, now: datetime) -> Said:
    """Give the form of a new alert: reported now, in force as long as is usual."""
    zone = ZoneInfo(rules.authority_timezone)
    until = now + min(USUAL, timedelta(hours=rules.max_hours) - timedelta(minutes=30))
    return {
        **dict(_moment("reported_at", now, zone)),
        **dict(_moment("expires_at", until, zone)),
        "languages": rules.languages,
        "kind": (rules.kinds[0].name,),
    }


def filled(alert: ChildAlert, rules: RuleSet) -> Said:
    """Give the form that says what `alert` says."""
    zone = ZoneInfo(rules.authority_timezone)
    said: Said = {}
    for name, value in _leaves("", alert.model_dump(exclude_none=True)):
        if name.startswith(_NOT_ASKED):
            continue
        if isinstance(value, datetime):
            said |= dict(_moment(name, value, zone))
        elif isinstance(value, bool):
            said |= {name: ("yes",)} if value else {}
        elif isinstance(value, tuple):
            said[name] = tuple(map(str, value))
        else:
            said[name] = (str(value),)
    for answer in alert.criteria:
        said[f"criteria.{answer.criterion}.met"] = ("yes" if answer.met else "no",)
        said[f"criteria.{answer.criterion}.reason"] = (answer.reason,)
    return said


def carried(form: Form, rules: RuleSet, *, drawn: bool = False) -> Said:
    """Give the programme's side of a form, and no person of it.

    A circle or an outline tells where that child was: it is taken only where somebody says so.
    """
    taken = (*_CARRIED, *DRAWN) if drawn else _CARRIED
    names = [field.name for field in fields(form, rules) if field.name.startswith(taken)]
    return {name: tuple(form[name]) for name in names if any(form.get(name, ()))}


def _leaves(at: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(f"{at}.{key}" if at else key, each)
    elif at.endswith(("coordinates", "centre")):
        yield at, f"{value[0]}, {value[1]}"
    elif at.endswith("polygon"):
        yield at, " ".join(f"{latitude},{longitude}" for latitude, longitude in value)
    elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        for number, each in enumerate(value):
            yield from _leaves(f"{at}.{number}", each)
    else:
        yield at, value


def _moment(name: str, at: datetime, zone: ZoneInfo) -> Iterator[tuple[str, tuple[str, ...]]]:
    local = at.astimezone(zone)
    yield f"{name}.date", (f"{local:%Y-%m-%d}",)
    yield f"{name}.time", (f"{local:%H:%M}",)
