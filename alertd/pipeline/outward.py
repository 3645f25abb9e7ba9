"""Narrows what templates see to the fields that may enter a channel's messages."""

from collections.abc import Mapping, Sequence
from typing import Any

from alertd.core.outward import FIELDS
from alertd.pipeline import facts

Words = Mapping[str, Any]

_LISTS = ("children", "companions")
_SPELLED = {
    # What templates call a field, where it is not what the alert calls it.
    "last_seen.moment": "last_seen.at",
    "last_seen.short": "last_seen.at",
    "last_seen.last_seen_at": "last_seen.at",
    "last_seen.last_seen_place": "last_seen.place",
}


def narrowed(context: Words, may_enter: frozenset[str]) -> dict[str, Any]:
    """Give the context of an alert or update without what must not enter.

    A field that is left out is not there at all: a template asks `if child.hair is defined`.
    """
    children, companions = (_kept_of_each(name, context[name], may_enter) for name in _LISTS)
    shown = {
        "children": children,
        "companions": companions,
        "vehicle": _kept("vehicle", context["vehicle"] or {}, may_enter) or None,
        "last_seen": {"rows": (), **_kept("last_seen", context["last_seen"], may_enter)},
        "data": facts.fitted(_data(context["data"], may_enter)),
        "shape": dict(context["shape"]),
        "withheld": withheld(may_enter),
    }
    narrow = {**context, **shown, "who": facts.who(children)}
    if "circumstances" not in may_enter:
        del narrow["circumstances"]
    if "last_seen.coordinates" not in may_enter:
        narrow["shape"].pop("last_seen", None)
    return narrow


def withheld(may_enter: frozenset[str]) -> tuple[str, ...]:
    """Give what templates call the fields that are left out."""
    left_out = set(FIELDS) - may_enter
    spelled = {name for name, field in _SPELLED.items() if field in left_out}
    return tuple(sorted({name.rpartition(".")[2] for name in (*left_out, *spelled)}))


def _kept_of_each(
    holder: str, those: Sequence[Words], may_enter: frozenset[str]
) -> list[dict[str, Any]]:
    kept = (_kept(holder, each, may_enter) for each in those)
    return [each for each in kept if each]


def _kept(holder: str, words: Words, may_enter: frozenset[str]) -> dict[str, Any]:
    """Give what may enter of a child, a companion, the vehicle, the last sighting."""

    def enters(name: str) -> bool:
        name = f"{holder}.{name}"
        return _SPELLED.get(name, name) in may_enter

    kept = {name: value for name, value in words.items() if enters(name)}
    if kept and "rows" in words:
        kept["rows"] = [row for row in words["rows"] if enters(row.field)]
    return kept


def _data(typed: Words, may_enter: frozenset[str]) -> dict[str, Any]:
    """Give the typed facts for machines, narrowed alike."""
    narrow = dict(typed)
    if "circumstances" not in may_enter:
        del narrow["circumstances"]
    for name in narrow.keys() & {*_LISTS}:
        narrow[name] = _kept_of_each(name, typed[name], may_enter)
    for name in narrow.keys() & {"vehicle", "last_seen"}:
        narrow[name] = _kept(name, typed[name], may_enter)
    return narrow
