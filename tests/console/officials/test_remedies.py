"""Whatever the pipeline finds wrong is told in the reader's language, in a form's words."""

import ast
import re
from pathlib import Path

import pytest

import alertd
from alertd.console.officials.remedies import remedies, remedy
from alertd.core import problems, text
from alertd.core.errors import Problem

SOURCE = Path(alertd.__file__).parent
_ABOUT_JSON = {
    "is no known field: remove it, or correct its name",
    "must be true or false, without quotes",
    "must be true or false",
    "must be a list in square brackets",
    "must be an object in curly brackets",
    "is not valid JSON: 7",
    "must be 7",
    "must be valid Unicode text",
    "7",
}
# No field of the form can be wrong in these ways.
_OF_NO_FIELD = ("must be a SHA", "must be the id", "must be the next", "must be of pr")


def _checked() -> list[str]:
    """Give every message of pipeline/validate.py, a 7 for what it fills in."""
    tree = ast.parse((SOURCE / "pipeline/validate.py").read_text(encoding="utf-8"))
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem"
    ]
    found = [_said(call.args[1]) for call in calls]
    return [message for message in found if message]


def _said(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(p.value) if isinstance(p, ast.Constant) else "77" for p in node.values)
    return ""


def _modelled() -> list[str]:
    templates = [*problems._REMEDIES.values(), *text.SHAPES.values()]
    return [re.sub(r"\{\w+\}", "7", template) for template in templates]


def _of_a_form() -> list[str]:
    told = {*_checked(), *_modelled()} - _ABOUT_JSON
    return sorted(message for message in told if not message.startswith(_OF_NO_FIELD))


@pytest.mark.parametrize("message", _of_a_form())
def test_every_message_has_words_in_greek_and_english(message: str) -> None:
    assert remedy(message, "en") != message
    assert re.search("[α-ω]", remedy(message, "el"))


def test_a_number_of_the_message_is_kept() -> None:
    assert remedy("is too late: at most 48 hours from now", "en").startswith(
        "An alert is in force for 48 hours"
    )


def test_an_unknown_message_stays_as_it_is() -> None:
    assert remedy("has a fault of a new kind", "el") == "has a fault of a new kind"


def test_the_first_problem_of_a_field_is_told() -> None:
    told = remedies([Problem("a", "must not be empty"), Problem("a", "is new")], "en")
    assert told == {"a": "Fill this in."}
