"""JSON from outside, held to more than the parsers of models ask for."""

import json
from typing import Any

from pydantic_core import from_json


class BrokenText(ValueError):
    """The bytes are no JSON that has one meaning; the text says where and why."""


def json_text(data: bytes, *, limit: int) -> str:
    """Give `data` as text; raises BrokenText.

    Beyond the grammar: no key twice in an object (readers differ in which they take), no NaN,
    bounded size and depth.
    """
    if len(data) > limit:
        raise BrokenText(f"is too large: at most {limit} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BrokenText(f"must be UTF-8; byte {error.start + 1} is not") from None
    try:
        from_json(text, allow_inf_nan=False)  # also refuses what is nested too deeply for Python
        json.loads(text, object_pairs_hook=_unique)
    except BrokenText:
        raise
    except ValueError as error:
        raise BrokenText(f"is not valid JSON: {error}") from None
    return text


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BrokenText("gives the same key twice in one object: keep one of them")
    return found
