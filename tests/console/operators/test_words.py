"""Every word of the operators' pages has its Greek, and every state has a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from alertd.console import operators
from alertd.console.operators import words
from alertd.core.delivery import Result, State
from alertd.core.errors import Reason
from alertd.core.rendition import Kind
from alertd.pipeline.render import ALARMS
from alertd.resources import home

PYTHON: dict[str, Any] = {"N_": None, "say": None, "flash": None}
JINJA = {"newstyle_gettext": "true", "extensions": "jinja2.ext.i18n,jinja2.ext.do"}


def asked() -> set[str]:
    found: set[str] = set()
    for file in (home("templates") / "console" / "operators").glob("*.j2"):
        for _, message, _, _ in extract_from_file("jinja2.ext:babel_extract", file, options=JINJA):
            found.add(message if isinstance(message, str) else message[0])
    for folder in operators.__path__:
        for file in Path(folder).glob("*.py"):
            for _, message, _, _ in extract_from_file("python", file, keywords=PYTHON):
                found.add(message if isinstance(message, str) else message[0])
    return found


def known(language: str) -> dict[str, Any]:
    found = {}
    for file in (home("templates") / "locale" / language / "LC_MESSAGES").glob("console*.po"):
        with file.open("rb") as source:
            for each in read_po(source, locale=language, abort_invalid=True):
                found[each.id if isinstance(each.id, str) else each.id[0]] = each.string
    return found


def test_every_word_is_said_in_greek() -> None:
    translated = known("el")
    assert len(asked()) > 150
    assert {word for word in asked() if not translated.get(word)} == set()


@pytest.mark.parametrize(
    ("named", "all_of"),
    [
        (words.STATES, State),
        (words.REASONS, Reason),
        (words.KINDS, Kind),
        (words.ALARMS, ALARMS),
        (words.RESULTS, [each for each in Result if each is not Result.RETURNED]),
    ],
)
def test_everything_that_may_be_shown_has_a_word(named: Any, all_of: Any) -> None:
    assert {str(each) for each in all_of} - {str(each) for each in named} == set()
