"""Fills what an unfinished form does not say, so that the rest can be shown and checked."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from alertd.console.officials.fields import UNKNOWN
from alertd.core.ruleset import RuleSet

Facts = dict[str, Any]
Stand = Callable[[RuleSet, datetime], Any]

REMOVED = object()

_STAND_INS: Mapping[str, Stand] = {
    "kind": lambda rules, _: rules.kinds[0].name,
    "case_reference": lambda *_: "0000",
    "authority": lambda *_: UNKNOWN,
    "reported_at": lambda _, now: now.isoformat(),
    "children": lambda *_: [{"name": UNKNOWN, "age": 0, "sex": UNKNOWN}],
    "children.name": lambda *_: UNKNOWN,
    "children.sex": lambda *_: UNKNOWN,
    "children.age": lambda rules, _: rules.kinds[0].min_age,
    "companions.sex": lambda *_: UNKNOWN,
    "last_seen": lambda _, now: {"at": _earlier(now), "place": UNKNOWN},
    "last_seen.at": lambda _, now: _earlier(now),
    "last_seen.place": lambda *_: UNKNOWN,
    "circumstances": lambda *_: UNKNOWN,
    "area": lambda rules, _: {"regions": [rules.country]},
    "area.regions": lambda rules, _: [rules.country],
    "languages": lambda rules, _: list(rules.languages),
    "expires_at": lambda _, now: (now + timedelta(hours=1)).isoformat(),
    "criteria.reason": lambda *_: UNKNOWN,
}
"""What stands for a field that is required; any other that is wrong is left out."""


def fill_gaps(facts: Facts, fields: Iterable[str], rules: RuleSet, now: datetime) -> None:
    """Put in `facts` something possible wherever `fields` says that it is not."""
    for field in fields:
        path = _whole(field.split("."))
        key = ".".join(part for part in path if not part.isdigit())
        if key in {"children.birth_date", "children.age"}:
            _set(facts, [*path[:-1], "birth_date"], REMOVED)
            path, key = [*path[:-1], "age"], "children.age"
        stand = _STAND_INS.get(key)
        _set(facts, path, stand(rules, now) if stand else REMOVED)


def _earlier(now: datetime) -> str:
    return (now - timedelta(hours=1)).isoformat()


def _whole(path: Sequence[str]) -> list[str]:
    """Give the field that an item of a list belongs to: a list of words is replaced as a whole."""
    if path[0] in {"languages", "phone_lines"}:
        return [path[0]]
    if path[0] == "area" and len(path) > 1:
        return list(path[:2])
    return list(path[:2]) if path[0] == "last_seen" else list(path)


def _set(facts: Any, path: Sequence[str], value: object) -> None:
    *above, last = path
    for part in above:
        facts = facts[int(part)] if isinstance(facts, list) else facts.setdefault(part, {})
    if value is not REMOVED:
        facts[last] = value
    else:
        facts.pop(last, None)
