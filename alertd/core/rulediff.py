"""What one version of a rule set says otherwise than another."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alertd.core.ruleset import RuleSet

Place = tuple[str, ...]
"""The way from a rule set to one of its values; what has a name is gone through by it."""


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One place; None stands where it is new, or gone."""

    place: Place
    before: Any
    after: Any


def rule_changes(old: RuleSet | None, new: RuleSet) -> list[RuleChange]:
    """Give every difference, by place; what has a name is told by it, wherever it stands."""
    before = dict(_flat((), old.model_dump(mode="json"))) if old else {}
    after = dict(_flat((), new.model_dump(mode="json")))
    return [
        RuleChange(place, before.get(place), after.get(place))
        for place in dict.fromkeys([*before, *after])
        if before.get(place) != after.get(place)
    ]


def _flat(place: Place, said: Any) -> Iterator[tuple[Place, Any]]:
    if isinstance(said, Mapping):
        for key, value in said.items():
            yield from _flat((*place, str(key)), value)
    elif isinstance(said, list) and said and all(isinstance(each, Mapping) for each in said):
        for number, each in enumerate(said, 1):
            yield from _flat((*place, str(each.get("name", number))), each)
    else:
        yield place, said
