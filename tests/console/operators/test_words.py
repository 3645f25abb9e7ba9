"""Every word of the operators' pages has its Greek, and every state has a word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

import alertd
from alertd.console import naming, operators, rulewords
from alertd.console.operators import details, words
from alertd.core.delivery import Result, State
from alertd.core.errors import Reason
from alertd.core.outward import FIELDS
from alertd.core.rendition import Kind
from alertd.core.ruleset import Rule, RuleSet
from alertd.pipeline import accountchanges
from alertd.pipeline.enrolment import Outcome
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
        (naming.CHANGES, accountchanges.ACTS),
        (words.RESULTS, [each for each in Result if each is not Result.RETURNED]),
    ],
)
def test_everything_that_may_be_shown_has_a_word(named: Any, all_of: Any) -> None:
    assert {str(each) for each in all_of} - {str(each) for each in named} == set()


ACT = re.compile(r"[a-z_]+\.[a-z_]+")
FOLDER = Path(alertd.__file__).parent


def called(node: ast.AST, name: str) -> Iterator[ast.Call]:
    for each in ast.walk(node):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == name:
            yield each


def recording() -> Iterator[ast.Module]:
    """Give each module that writes to the audit log."""
    for file in FOLDER.rglob("*.py"):
        tree = ast.parse(file.read_text())
        if any(called(tree, "Entry")):
            yield tree


def acts_of(tree: ast.AST) -> Iterator[str]:
    """Give what looks like an act; what the log of the process says looks so too, and is none."""
    calls = [each for each in ast.walk(tree) if isinstance(each, ast.Call)]
    logged = {
        argument
        for call in calls
        if ast.unparse(call.func).startswith("log.")
        for argument in call.args
    }
    for each in ast.walk(tree):
        if isinstance(each, ast.Constant) and each not in logged and ACT.fullmatch(str(each.value)):
            yield str(each.value)


def facts_of(function: ast.AST) -> Iterator[str]:
    """Give the keys of what is handed to an entry, there or by a name."""
    entries = list(called(function, "Entry"))
    names = {each.id for call in entries for each in ast.walk(call) if isinstance(each, ast.Name)}
    assigned = [
        each.value
        for each in ast.walk(function)
        if isinstance(each, ast.Assign) and names & {getattr(to, "id", "") for to in each.targets}
    ]
    for held in (*entries, *assigned):
        for each in ast.walk(held):
            if isinstance(each, ast.Dict):
                yield from (key.value for key in each.keys if isinstance(key, ast.Constant))


def test_every_act_that_is_recorded_has_a_word() -> None:
    acts = {act for tree in recording() for act in acts_of(tree)} - naming.CHANGES.keys()
    assert len(acts) > 60
    assert acts - words.ACTS.keys() == set()


def test_every_fact_that_is_recorded_has_a_word() -> None:
    facts = {*map(str, Outcome), "recalled", "too_late", "failed"}
    for tree in recording():
        for each in ast.walk(tree):
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                facts.update(facts_of(each))
    assert len(facts) > 40
    assert facts - details.FACTS.keys() - naming.FACTS.keys() - details.SEALED.keys() == set()


def rules_of(model: type[Rule]) -> Iterator[str]:
    """Give every field of a rule set, and of what it holds."""
    for name, field in model.model_fields.items():
        yield name
        for held in (field.annotation, *get_args(field.annotation)):
            if isinstance(held, type) and issubclass(held, Rule):
                yield from rules_of(held)


def test_every_rule_has_a_word() -> None:
    fields = set(rules_of(RuleSet))
    assert {"max_hours", "min_age", "until_h", "correction"} <= fields
    assert fields == rulewords.LABELS.keys()
    known = {*rulewords.FACTS, *rulewords.HOLDERS}
    assert {each for name in FIELDS for each in (name, name.partition(".")[0])} - known == set()
