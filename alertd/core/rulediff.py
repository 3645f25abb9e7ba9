"""What one version of a rule set says otherwise than another."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alertd.core.ruleset import RuleSet


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One place; nothing stands where it is new, or gone."""

    place: str
    before: str
    after: str


def rule_changes(old: RuleSet | None, new: RuleSet) -> list[RuleChange]:
    """Give every difference, by place; what has a name is told by it, wherever it stands."""
    before = dict(_flat("", old.model_dump(mode="json"))) if old else {}
    after = dict(_flat("", new.model_dump(mode="json")))
    return [
        RuleChange(place, before.get(place, ""), after.get(place, ""))
        for place in dict.fromkeys([*before, *after])
        if before.get(place) != after.get(place)
    ]


def _flat(place: str, said: Any) -> Iterator[tuple[str, str]]:
    if isinstance(said, Mapping):
        for key, value in said.items():
            yield from _flat(f"{place}.{key}" if place else str(key), value)
    elif isinstance(said, list) and said and all(isinstance(each, Mapping) for each in said):
        for number, each in enumerate(said):
            yield from _flat(f"{place}.{each.get('name', number)}", each)
    else:
        yield place, ", ".join(map(str, said)) if isinstance(said, list) else str(said)
