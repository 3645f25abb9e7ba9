"""What a piece of text from outside may hold. Text that is printed is refused, never repaired.

Only spaces and composition (NFC) are normalised. Refused are markup, control characters
(header injection), bidirectional overrides (text that reads otherwise than it is), private
use (the slots of renditions are marked by it), surrogates and non-characters (invalid XML).
"""

import re
import unicodedata
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field
from pydantic_core import PydanticCustomError

# Joiners that Persian, Indic and other scripts need inside words.
_JOINERS = frozenset("\u200c\u200d")
_MARKUP = re.compile(r"[<>]|&(?:#[0-9]+|#x[0-9a-f]+|[a-z][a-z0-9]*);", re.IGNORECASE)
_UNSEEN = {
    "Cc": "a control character",
    "Cf": "an invisible formatting character",
    "Co": "a private-use character",
    "Cs": "half a surrogate pair",
    "Cn": "an unassigned character",
}
_LINES = re.compile(r"\r\n|[\r\u2028\u2029]")


def one_line(text: str) -> str:
    """Give `text` in one line with single spaces; raises when it holds what is refused."""
    _refuse_unseen(text)
    return _seen(" ".join(text.split()))


def many_lines(text: str) -> str:
    """As `one_line`, but line breaks stay, at most one empty line in a row."""
    text = _LINES.sub("\n", text)
    _refuse_unseen(text.replace("\n", " ").replace("\t", " "))
    lines = "\n".join(" ".join(line.split()) for line in text.split("\n"))
    return _seen(re.sub(r"\n{3,}", "\n\n", lines.strip()))


def name_of_someone(text: str) -> str:
    text = one_line(text)
    if not any(char.isalpha() for char in text):
        raise PydanticCustomError("text", 'must be a name in letters, or "unknown"')
    return text


def plate_mark(text: str) -> str:
    """Give a number plate in capitals with single spaces; `unknown` stays as it is."""
    text = one_line(text)
    if text.casefold() == "unknown":
        return "unknown"
    text = text.upper()
    if not all(char.isalnum() or char in " -·." for char in text):
        raise PydanticCustomError("text", "may hold letters, digits, spaces and hyphens only")
    return text


def plain(text: str) -> str:
    """Give `text` without accents and capitals: as people type when they are in a hurry."""
    decomposed = unicodedata.normalize("NFD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char)).strip()


def language_tag(text: str) -> str:
    """Give a BCP 47 tag in its usual spelling: `sr-latn-rs` becomes `sr-Latn-RS`."""
    if not re.fullmatch(r"[a-zA-Z]{2,3}(-[a-zA-Z]{4})?(-([a-zA-Z]{2}|[0-9]{3}))?", text):
        raise PydanticCustomError("text", "must be a language tag such as el, en-GB or sr-Latn-RS")
    first, *rest = text.split("-")
    return "-".join([first.lower(), *(p.title() if len(p) == 4 else p.upper() for p in rest)])


def _refuse_unseen(text: str) -> None:
    for char in text:
        kind = unicodedata.category(char)
        if kind in _UNSEEN and char not in _JOINERS:
            raise PydanticCustomError(
                "text",
                "holds {what} (U+{code}, character {place}); remove it",
                {
                    "what": _UNSEEN[kind],
                    "code": f"{ord(char):04X}",
                    "place": text.index(char) + 1,
                },
            )


def _seen(text: str) -> str:
    if _MARKUP.search(text):
        raise PydanticCustomError("text", "holds markup; write plain text without <, > or entities")
    if not any(char.isalnum() for char in text):
        raise PydanticCustomError("text", 'must hold words, or be "unknown"')
    return unicodedata.normalize("NFC", text)


def _iso(value: Any) -> Any:
    """Read an ISO date and time; pydantic would take a bare number as seconds since 1970."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[Tt ]\d\d:", value.strip()):
        try:
            return datetime.fromisoformat(value.strip().upper())
        except ValueError:
            pass  # the shape of a date, but no such day or hour
    raise PydanticCustomError("moment", MOMENT_WANTED)


def _iso_day(value: Any) -> Any:
    """Read an ISO date; pydantic would take a number as seconds since 1970."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value.strip()):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            pass  # the shape of a date, but no such day
    raise PydanticCustomError("moment", "must be a date such as 2015-03-31")


def _to_second(value: datetime) -> datetime:
    if not 1900 <= value.year <= 2200:
        raise PydanticCustomError("moment", "must be a year between 1900 and 2200")
    return value.astimezone(UTC).replace(microsecond=0)


MOMENT_WANTED = "must be a date and time with its offset, such as 2026-01-31T18:30:00+02:00"

Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(one_line)]
LongText = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(many_lines)]
PersonName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(name_of_someone)]
Plate = Annotated[str, Field(min_length=1, max_length=20), AfterValidator(plate_mark)]
LanguageTag = Annotated[str, Field(min_length=2, max_length=35), AfterValidator(language_tag)]
# CAP times have no fractions: what is printed, compared and stored is one and the same.
Moment = Annotated[AwareDatetime, BeforeValidator(_iso), AfterValidator(_to_second)]
Day = Annotated[date, BeforeValidator(_iso_day)]

SHAPES = {
    r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$": "must be an ISO 3166-2 code such as GR-I, or GR",
    r"^[A-Z]{2}$": "must be a country code of two capitals, such as GR",
    r"^\+?[0-9][0-9 ]{1,18}$": "must be a phone number of digits and spaces, such as 116000",
    r"^[a-z0-9-]{1,40}$": "must be of small letters, digits and hyphens, at most 40",
    r"^[a-z0-9_]{1,40}$": "must be of small letters, digits and underscores, at most 40",
    r"^[a-z0-9_-]{1,40}$": "must be of small letters, digits, hyphens and underscores, at most 40",
    r"^[!-~]{1,60}$": "must be of printable ASCII characters without spaces, at most 60",
    r"^[0-9a-f]{64}$": "must be a SHA-256 in 64 small hexadecimal digits",
    r"^[0-9a-z]{1,20}$": "must be the id of an alert",
    r"^[0-9a-z.-]{1,40}$": "must be the next_cursor of the page before",
    r"^[A-Za-z0-9][A-Za-z0-9/._-]{0,39}$": (
        "must be of Latin letters, digits and / . _ -, at most 40, such as 2026/0042"
    ),
}
"""What each pattern of the models asks for, in words."""
