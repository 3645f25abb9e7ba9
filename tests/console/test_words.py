"""The console speaks every language whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

import alertd.console
from alertd.resources import home

TEMPLATES = home("templates") / "console"
CODE = Path(alertd.console.__file__).parent
KEYWORDS = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "N_": None,
    "say": None,
    "flash": None,
}
OPTIONS = {"extensions": "jinja2.ext.do,jinja2.ext.loopcontrols", "trim_blocks": "true"}


def messages() -> Iterator[str]:
    for file in TEMPLATES.rglob("*.j2"):
        found = babel_extract(BytesIO(file.read_bytes()), KEYWORDS, [], OPTIONS)
        yield from (_first(each[2]) for each in found)
    for file in CODE.rglob("*.py"):
        with file.open("rb") as code:
            yield from (_first(each[1]) for each in extract("python", code, KEYWORDS))


def _first(message: str | tuple[str | None, ...] | None) -> str:
    """Give the singular; nothing for what is no literal."""
    first = message[0] if isinstance(message, tuple) and message else message
    return first if isinstance(first, str) else ""


LANGUAGES = sorted({file.parent.parent.name for file in home("templates").glob("locale/*/*/*.po")})


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_of_the_console_is_said_in(language: str) -> None:
    folder = home("templates") / "locale" / language / "LC_MESSAGES"
    known = {}
    for file in folder.glob("console*.po"):
        with file.open("rb") as source:
            for message in read_po(source):
                said = message.string if isinstance(message.string, tuple) else (message.string,)
                key = message.id[0] if isinstance(message.id, tuple) else message.id
                known[key] = said
    missing = sorted({each for each in messages() if each and not all(known.get(each, [""]))})
    assert not missing, "\n".join(missing)


REFUSALS = {"Conflict": None, "Gone": None}  # what a page of the console tells of an error
NOT_OF_THE_CONSOLE = {
    "this Idempotency-Key was used for another request: choose a new one",
    "this alert is over, and its document is no longer published",
    "this document was deleted for good",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_is_said_in(language: str) -> None:
    known = set()
    for file in (home("templates") / "locale" / language / "LC_MESSAGES").glob("console*.po"):
        with file.open("rb") as source:
            known |= {message.id for message in read_po(source) if message.string}
    found = set()
    for file in CODE.parent.rglob("*.py"):
        with file.open("rb") as code:
            found |= {_first(each[1]) for each in extract("python", code, REFUSALS)}
    assert "this alert is not live" in found
    assert found - known - {""} == NOT_OF_THE_CONSOLE


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_placeholder_is_lost_in(language: str) -> None:
    folder = home("templates") / "locale" / language / "LC_MESSAGES"
    for file in folder.glob("console*.po"):
        with file.open("rb") as source:
            for message in read_po(source):
                ids = message.id if isinstance(message.id, tuple) else (message.id,)
                said = message.string if isinstance(message.string, tuple) else (message.string,)
                wanted = set(re.findall(r"%\(\w+\)s", "".join(ids)))
                for text in said:
                    assert set(re.findall(r"%\(\w+\)s", text)) == wanted, message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogues_do_not_contradict_each_other_in(language: str) -> None:
    said: dict[tuple[object, object], dict[object, list[str]]] = {}
    for file in (home("templates") / "locale" / language / "LC_MESSAGES").glob("console*.po"):
        with file.open("rb") as source:
            for message in read_po(source):
                if message.id:
                    found = said.setdefault((message.id, message.context), {})
                    found.setdefault(message.string, []).append(file.name)
    assert [(key, found) for key, found in said.items() if len(found) > 1] == []


def test_greek_keeps_alerts_and_the_alarms_of_alertd_apart() -> None:
    for file in (home("templates") / "locale/el/LC_MESSAGES").glob("*.po"):
        with file.open("rb") as source:
            for message in read_po(source):
                if "συναγερμ" in str(message.string).lower():
                    assert "alarm" in str(message.id).lower(), message.id
