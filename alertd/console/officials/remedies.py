"""What is wrong with a field, in the reader's language and for a reader of forms."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from alertd.core.errors import Problem
from alertd.core.language import best_language


@dataclass(frozen=True, slots=True)
class _Saying:
    pattern: re.Pattern[str]
    texts: dict[str, str]


def remedies(problems: Iterable[Problem], language: str) -> dict[str, str]:
    """Give what to do about each field; the first problem of a field is the one told."""
    told: dict[str, str] = {}
    for problem in problems:
        told.setdefault(problem.field, remedy(problem.message, language))
    return told


def remedy(message: str, language: str) -> str:
    """Give the form's words for a problem; a message that has none stays as it is."""
    for saying in _sayings():
        if found := saying.pattern.fullmatch(message):
            chosen = best_language(language, tuple(saying.texts))
            return saying.texts[chosen].format_map(found.groupdict())
    first, _, more = message.partition(", or ")  # the branches of a union: the first is the field's
    return remedy(first, language) if more else message


@cache
def _sayings() -> tuple[_Saying, ...]:
    text = files(__package__).joinpath("remedies.toml").read_text(encoding="utf-8")
    return tuple(_Saying(re.compile(row.pop("of")), row) for row in tomllib.loads(text)["say"])
