"""From what a form says to the facts of an alert, with every problem at once."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from alertd.console.officials.fields import (
    UNKNOWN,
    Field,
    Form,
    Shape,
    anchor,
    fields,
    kind_of,
)
from alertd.console.officials.gaps import fill_gaps
from alertd.core.alert import ChildAlert
from alertd.core.errors import InvalidAlert, Problem
from alertd.core.problems import problems_of
from alertd.core.regions import Atlas
from alertd.core.ruleset import RuleSet
from alertd.pipeline.validate import check

Facts = dict[str, Any]

# The Greek keyboard asks with a semicolon.
_SAID_UNKNOWN = frozenset({"?", ";", UNKNOWN, "άγνωστο", "άγνωστη", "άγνωστος"})
_POINT = re.compile(r"\s*(-?\d{1,2}(?:[.]\d+)?)\s*[,;\s]\s*(-?\d{1,3}(?:[.]\d+)?)\s*")
ASK_UNKNOWN = "is empty: give it, or choose unknown"
ASK_POINT = "must be latitude and longitude, such as 37.9755, 23.7348"
ASK_OUTLINE = "must be points such as 37.9,23.7 38.0,23.8"
ASK_TIME = "must be a day and a time, such as 14:30"
ASK_ANSWER = "must be answered with yes or no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a form is read against."""

    programme: str
    status: str
    rules: RuleSet
    atlas: Atlas
    now: datetime

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.rules.authority_timezone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What became of a form: the alert with its gaps filled, and what is wrong with the form.

    `gaps` names the fields whose facts are stand-ins; there are none when nothing is wrong.
    """

    alert: ChildAlert
    gaps: frozenset[str]
    problems: Sequence[Problem]

    @property
    def valid(self) -> bool:
        return not self.problems


def says_unknown(text: str) -> bool:
    return text.casefold() in _SAID_UNKNOWN


def read(form: Form, frame: Frame) -> Reading:
    """Read a form, however much of it is filled in."""
    reader = _Reader(form, frame)
    facts = reader.facts()
    alert, wrong = _validated(facts, frame)
    problems = [*reader.problems, *wrong]
    try:
        check(alert, frame.rules, frame.atlas, now=frame.now)
    except InvalidAlert as error:
        problems += error.problems
    gaps = frozenset(problem.field for problem in [*reader.problems, *wrong])
    names = [field.name for field in fields(form, frame.rules)]
    return Reading(alert=alert, gaps=gaps, problems=_settled(problems, gaps, names, alert))


def _validated(facts: Facts, frame: Frame) -> tuple[ChildAlert, list[Problem]]:
    """Give the alert, gaps filled where the facts do not make one, and what was wrong."""
    found: list[Problem] = []
    while True:
        try:
            return ChildAlert.model_validate(facts), found
        except ValidationError as error:
            fresh = [p for p in problems_of(error) if p not in found]
            if not fresh:
                raise
            found += fresh
            fill_gaps(facts, [problem.field for problem in fresh], frame.rules, frame.now)


def _settled(
    problems: Iterable[Problem], gaps: frozenset[str], names: Sequence[str], alert: ChildAlert
) -> list[Problem]:
    """Give one problem a field, beside the field that is asked, in the form's order."""
    kept: dict[str, Problem] = {}
    for problem in problems:
        field = anchor(_named(problem.field, alert), names)
        follows = problem.field not in gaps and any(
            problem.field.startswith(f"{gap}.") or gap.startswith(f"{problem.field}.")
            for gap in gaps
        )
        if field not in kept and not follows:
            kept[field] = Problem(field, problem.message)
    order = {name: place for place, name in enumerate(names)}
    return sorted(kept.values(), key=lambda problem: order.get(problem.field, len(order)))


def _named(field: str, alert: ChildAlert) -> str:
    """Give `criteria.minor.reason` for `criteria.0.reason`."""
    parts = field.split(".")
    if parts[0] == "criteria" and len(parts) > 1 and parts[1].isdigit():
        parts[1] = alert.criteria[int(parts[1])].criterion
    return ".".join(parts)


class _Reader:
    """Reads each field as its shape says; keeps what is wrong."""

    def __init__(self, form: Form, frame: Frame) -> None:
        self._form = form
        self._frame = frame
        self.problems: list[Problem] = []

    def facts(self) -> Facts:
        facts: Facts = {"programme": self._frame.programme, "status": self._frame.status}
        facts |= {"children": {0: {}}, "last_seen": {}, "area": {}}
        for field in fields(self._form, self._frame.rules):
            if field.name.startswith("criteria."):
                continue
            value = self._value(field)
            if value is not None:
                _put(facts, field.name.split("."), value)
        for holder in ("children", "companions", "phone_lines"):
            if holder in facts:
                facts[holder] = [facts[holder][number] for number in sorted(facts[holder])]
        facts["criteria"] = self._criteria()
        return facts

    def _value(self, field: Field) -> Any:
        if field.shape is Shape.MANY:
            return list(self._form.get(field.name, ())) or None
        if field.shape is Shape.MOMENT:
            return self._moment(field.name)
        text = self._text(field.name)
        if field.unknown and says_unknown(text):
            return UNKNOWN
        if text:
            return self._parsed(field, text)
        if field.explicit and not self._spare(field.name):
            self.problems.append(Problem(field.name, ASK_UNKNOWN))
        return None

    def _parsed(self, field: Field, text: str) -> Any:
        match field.shape:
            case Shape.YES:
                return True
            case Shape.NUMBER:
                return _number(text)
            case Shape.POINT:
                return self._point(field.name, text)
            case Shape.OUTLINE:
                return self._outline(field.name, text)
            case _:
                return text

    def _text(self, name: str) -> str:
        return self._form.get(name, ("",))[0].strip()

    def _spare(self, name: str) -> bool:
        """Tell whether a further child was opened and left empty."""
        holder, number, _ = name.split(".", 2)
        mine = f"{holder}.{number}."
        given = any(any(v) for key, v in self._form.items() if key.startswith(mine))
        return number != "0" and not given

    def _moment(self, name: str) -> str | None:
        day, hour = self._text(f"{name}.date"), self._text(f"{name}.time")
        if not day and not hour:
            return None
        try:
            local = datetime.fromisoformat(f"{day}T{hour}")
        except ValueError:
            self.problems.append(Problem(name, ASK_TIME))
            return None
        return local.replace(tzinfo=self._frame.zone).isoformat()

    def _point(self, name: str, text: str) -> list[float] | None:
        found = _POINT.fullmatch(text)
        if found is None:
            self.problems.append(Problem(name, ASK_POINT))
            return None
        return [float(found[1]), float(found[2])]

    def _outline(self, name: str, text: str) -> list[list[float]] | None:
        pairs = [_POINT.fullmatch(pair) for pair in text.split()]
        points = [[float(found[1]), float(found[2])] for found in pairs if found]
        if len(points) < len(pairs):
            self.problems.append(Problem(name, ASK_OUTLINE))
            return None
        return points

    def _criteria(self) -> list[Facts]:
        answers = []
        for criterion in self._frame.rules.criteria_for(kind_of(self._form, self._frame.rules)):
            met = self._text(f"criteria.{criterion.name}.met")
            reason = self._text(f"criteria.{criterion.name}.reason")
            if met not in {"yes", "no"}:
                self.problems.append(Problem(f"criteria.{criterion.name}.met", ASK_ANSWER))
            answer: Facts = {"criterion": criterion.name, "met": met != "no"}
            answers.append(answer | ({"reason": reason} if reason else {}))
        return answers


def _number(text: str) -> int | float | str:
    """Give a number, or the text for the model to refuse."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _put(facts: Facts, path: Sequence[str], value: Any) -> None:
    """Set a nested fact; lists are kept by number until all is read."""
    holder: dict[Any, Any] = facts
    for part in path[:-1]:
        holder = holder.setdefault(int(part) if part.isdigit() else part, {})
    holder[path[-1]] = value
