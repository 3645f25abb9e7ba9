"""Greek says everything that English says."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from alertd.console import officials
from alertd.console.officials import labels
from alertd.resources import home

_OPTIONS = {"extensions": "jinja2.ext.do,jinja2.ext.loopcontrols", "trim_blocks": "true"}
_PYTHON = {"say": None, "flash": None}


def _said() -> Iterator[str]:
    for file in sorted((home("templates") / "console/officials").glob("*.j2")):
        with file.open("rb") as source:
            words = {"_": None, "ngettext": (1, 2)}
            for found in extract("jinja2.ext:babel_extract", source, words, options=_OPTIONS):
                yield found[1] if isinstance(found[1], str) else found[1][0]
    for file in sorted(Path(officials.__file__).parent.glob("*.py")):
        with file.open("rb") as source:
            for found in extract("python", source, _PYTHON):
                yield found[1] if isinstance(found[1], str) else found[1][0]
    for name, texts in vars(labels).items():
        if name.isupper() and name != "OTHERWISE":
            yield from texts.values()
    yield labels.OTHERWISE


@pytest.fixture(scope="module")
def greek() -> frozenset[str]:
    files = (home("templates") / "locale/el/LC_MESSAGES").glob("console*.po")
    said = set()
    for file in files:
        with file.open("rb") as source:
            for message in read_po(source):
                if message.id and message.string:
                    said.add(message.id if isinstance(message.id, str) else message.id[0])
    return frozenset(said)


@pytest.mark.parametrize("text", sorted(set(_said())))
def test_greek_says_what_english_says(greek: frozenset[str], text: str) -> None:
    assert text in greek


def test_a_partners_refusal_is_its_own_and_a_providers_its_channels() -> None:
    assert "nothing on this channel" in labels.action("sms", "credentials")
    for channel in ("webhook", "websub"):
        assert "counted here" in labels.action(channel, "credentials")
        assert labels.reason(channel, "credentials") != labels.reason("sms", "credentials")
        assert labels.reason(channel, "gone") == labels.reason("sms", "gone")
