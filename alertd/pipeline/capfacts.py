"""The typed facts of an alert as CAP parameters, and back: docs/cap.md has the scheme.

A parameter is named by the field's path in the API, `alertd:1:children.0.hair`, so that what
one alertd writes another one reads.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from alertd.core import cap
from alertd.core.cap import values
from alertd.core.errors import Problem

SCHEME = "alertd:1:"
PUBLISHED = ("abduction", "children", "companions", "vehicle", "last_seen")
"""What a public document gives so; the rest it says in elements of CAP, or not at all."""

MOST = 100  # problems that are worth telling
_PATH = re.compile(r"[a-z_]{1,40}(\.([a-z_]{1,40}|\d{1,3})){0,5}")
_POINTS = frozenset({"coordinates", "centre"})
_WHOLE = frozenset({"age", "height_cm"})
_TRUTH = {"true": True, "false": False}


def parameters(facts: Mapping[str, Any]) -> tuple[cap.Named, ...]:
    """Give one parameter per fact."""
    return tuple(
        cap.Named(value_name=SCHEME + path, value=value) for path, value in _leaves(facts, "", "")
    )


def published(facts: Mapping[str, Any]) -> tuple[cap.Named, ...]:
    """Give what may stand in a public document; a photo has its own, revocable address."""
    found = parameters({name: facts[name] for name in PUBLISHED if name in facts})
    return tuple(each for each in found if not each.value_name.endswith(".photo"))


def _leaves(value: Any, path: str, name: str) -> Iterator[tuple[str, str]]:
    match value:
        case None:
            return
        case Mapping():
            for key, below in value.items():
                yield from _leaves(below, f"{path}.{key}" if path else key, key)
        case list() | tuple() if name in _POINTS:
            yield path, ",".join(_plain(number) for number in value)
        case list() | tuple() if name == "polygon":
            yield path, " ".join(f"{_plain(a)},{_plain(b)}" for a, b in value)
        case list() | tuple():
            for place, below in enumerate(value):
                yield from _leaves(below, f"{path}.{place}", name)
        case bool():
            yield path, str(value).lower()
        case float():
            yield path, _plain(value)
        case _:
            yield path, str(value)


def _plain(number: float) -> str:
    """Give all digits of a number, and never an exponent."""
    return f"{number:.15f}".rstrip("0").rstrip(".") if "e" in repr(number) else repr(number)


def facts_of(infos: Iterable[cap.Info]) -> tuple[dict[str, Any], list[Problem]]:
    """Give what the parameters of our scheme say, over all languages, and what contradicts."""
    said: dict[str, str] = {}
    problems: dict[str, Problem] = {}
    for path, value in _ours(infos):
        if not _PATH.fullmatch(path):
            message = f"must be named {SCHEME} and the path of a field"
            problems["parameter"] = Problem("parameter", message)
        elif said.setdefault(path, value) != value:
            problems[path] = Problem(path, "is said in two ways; say the same in each info")
    tree: dict[str, Any] = {}
    for path, value in said.items():
        if not _plant(tree, path.split("."), value):
            problems[path] = Problem(path, "is a field and holds fields; it can be only one")
    facts = {name: _listed(below) for name, below in tree.items()}
    return facts, list(problems.values())[:MOST]


def _ours(infos: Iterable[cap.Info]) -> Iterator[tuple[str, str]]:
    for info in infos:
        for each in info.parameter:
            path = each.value_name.removeprefix(SCHEME)
            if path != each.value_name and not path.startswith("cell_broadcast."):
                yield path, each.value


def _plant(tree: dict[str, Any], steps: list[str], text: str) -> bool:
    for step in steps[:-1]:
        below = tree.setdefault(step, {})
        if not isinstance(below, dict):
            return False
        tree = below
    if steps[-1] in tree:
        return False
    tree[steps[-1]] = _typed(steps[-1], text)
    return True


def _typed(name: str, text: str) -> Any:
    """Give the JSON value; what cannot be one stays text, for the model to refuse."""
    if name in _WHOLE and re.fullmatch(r"\d{1,4}", text, re.ASCII):
        return int(text)
    if name in {"met", "suspect", "abduction"}:
        return _TRUTH.get(text, text)
    if name in _POINTS:
        return values.point(text) or text
    if name == "polygon":
        return values.points(text) or text
    if name == "radius_km":
        number = values.read_number(text)
        return text if number is None else number
    return text


def _listed(below: Any) -> Any:
    """Turn what is numbered into a list, in the order of the numbers."""
    if not isinstance(below, dict):
        return below
    inner = {step: _listed(each) for step, each in below.items()}
    if all(step.isdigit() for step in inner):
        return [inner[step] for step in sorted(inner, key=int)]
    return inner
