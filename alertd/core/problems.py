"""Pydantic's errors as problems that name the field and the remedy, and never the value."""

import re

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from alertd.core.errors import Problem
from alertd.core.text import MOMENT_WANTED, SHAPES

_DATE = "must be a date such as 2015-03-31"
_WHOLE = "must be a whole number, without quotes"
_NUMBER = "must be a number, without quotes"
_TEXT = "must be text in quotes"
_LIST = "must be a list in square brackets"
_OBJECT = "must be an object in curly brackets"

_REMEDIES = {
    "missing": "is required: add it",
    "extra_forbidden": "is no known field: remove it, or correct its name",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_type": _TEXT,
    "string_unicode": "must be valid Unicode text",
    "string_too_short": "must not be empty",
    "string_too_long": "is too long: at most {max_length} characters",
    "string_pattern_mismatch": "{shape}",
    "too_short": "needs at least {min_length}",
    "too_long": "takes at most {max_length}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
    "int_type": _WHOLE,
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": "must be a number",
    "bool_type": "must be true or false, without quotes",
    "bool_parsing": "must be true or false",
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "timezone_aware": MOMENT_WANTED,
    "datetime_type": MOMENT_WANTED,
    "datetime_parsing": MOMENT_WANTED,
    "datetime_from_date_parsing": MOMENT_WANTED,
    "datetime_object_invalid": MOMENT_WANTED,
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "json_invalid": "is not valid JSON: {error}",
}
_OUR_OWN = {"text", "moment", "child", "photo", "cap"}  # raised by us, in our own words
# Pydantic names the branch of a union after the field: `height_cm.constrained-int`.
_BRANCH = re.compile(r"(constrained-)?(int|str|float|bool|date|datetime)$|\w*\[.*\]$")
_KEY = re.compile(r"[0-9]{1,9}|[A-Za-z_][A-Za-z0-9_-]{0,39}")


def problems_of(error: ValidationError) -> list[Problem]:
    """Give one problem per field; the branches of a union are joined by `or`."""
    found: dict[str, list[str]] = {}
    details = error.errors(include_url=False, include_input=False)
    for detail in details:
        if _follows(detail, details):
            continue
        for problem in _problems(detail):
            messages = found.setdefault(problem.field, [])
            if problem.message not in messages:
                messages.append(problem.message)
    return [Problem(field, ", or ".join(messages)) for field, messages in found.items()]


def field_path(loc: tuple[int | str, ...]) -> str:
    """Give `children.0.age`; a key that is no plain name is not repeated, it may be anything."""
    parts = [str(part) for part in loc if not (isinstance(part, str) and _BRANCH.match(part))]
    return ".".join(p if _KEY.fullmatch(p) else "(unknown)" for p in parts) or "body"


def _follows(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """Tell whether a list is only too short because pydantic left its bad items out."""
    at = detail["loc"]
    return detail["type"] == "too_short" and any(
        len(other["loc"]) > len(at) and other["loc"][: len(at)] == at for other in details
    )


def _problems(detail: ErrorDetails) -> list[Problem]:
    context = detail.get("ctx", {})
    nested: list[Problem] = context.get("problems", [])
    if nested:
        at = detail["loc"]
        return [Problem(field_path((*at, *p.field.split("."))), p.message) for p in nested]
    return [Problem(field_path(detail["loc"]), message_of(detail))]


def message_of(detail: ErrorDetails) -> str:
    """Give what to do about one error."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _OUR_OWN:
        return detail["msg"]
    if kind == "string_pattern_mismatch":
        return SHAPES.get(context["pattern"], f"must match {context['pattern']}")
    return _REMEDIES.get(kind, "is not valid").format_map(context)
