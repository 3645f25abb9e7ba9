"""Reads recipients from outside: one of them, or a CSV file of any length."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from alertd.channel import Channel
from alertd.core.alert import Region
from alertd.core.errors import InvalidAlert, Problem, Undeliverable
from alertd.core.problems import problems_of
from alertd.core.regions import Atlas
from alertd.core.text import LanguageTag, Text
from alertd.pipeline.enrolment import Entrant

COLUMNS = {
    "channel": "channel",
    "address": "address",
    "language": "language",
    "regions": "regions",
    "class": "recipient_class",
    "exercise": "exercise",
    "label": "label",
    "consent": "consent",
    "consent_at": "consent_at",
}
"""The columns of a recipients file, and the fields that they fill."""

_BY_FIELD = {name: column for column, name in COLUMNS.items()}
_YES = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}


def _moment(value: object) -> object:
    """Read a day as its first moment, for a consent form rarely has an hour on it."""
    if isinstance(value, str) and len(value) == len("2026-01-31"):
        try:
            return datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)
        except ValueError:
            return value
    return value


class Recipient(BaseModel):
    """Someone who consented to be told, and by what address."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True
    )

    channel: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
    address: Annotated[str, Field(min_length=1, max_length=500, repr=False)]
    language: LanguageTag
    regions: Annotated[tuple[Region, ...], Field(min_length=1, max_length=100)]
    recipient_class: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")] = "citizen"
    exercise: bool = False  # is sent exercises and tests, and only those
    label: Annotated[Text, Field(repr=False)]
    consent: Text  # what proves it: form, contract
    consent_at: Annotated[AwareDatetime, BeforeValidator(_moment)]


@dataclass(frozen=True, slots=True)
class Desk:
    """What recipients are held against."""

    channels: Mapping[str, Channel]
    atlas: Atlas
    now: datetime

    def admit(self, recipient: Recipient) -> Entrant:
        """Give a recipient ready to be entered; raises InvalidAlert with every problem."""
        problems = [*self._regions(recipient), *self._consent(recipient)]
        address = ""
        if (channel := self.channels.get(recipient.channel)) is None:
            known = ", ".join(sorted(self.channels))
            problems.append(Problem("channel", f"is not one that runs here; choose of: {known}"))
        else:
            try:
                address = channel.normalize(recipient.address)
            except Undeliverable:
                problems.append(Problem("address", f"is no address of {recipient.channel}"))
        if problems or channel is None:
            raise InvalidAlert(problems)
        return Entrant(
            channel=recipient.channel,
            address=address,
            lane=channel.lane(address),
            label=recipient.label,
            recipient_class=recipient.recipient_class,
            language=recipient.language,
            regions=frozenset(recipient.regions),
            exercise=recipient.exercise,
            consent=recipient.consent,
            consent_at=recipient.consent_at,
        )

    def _regions(self, recipient: Recipient) -> Iterator[Problem]:
        for place, code in enumerate(recipient.regions):
            if not self.atlas.known(code):
                near = ", ".join(self.atlas.near(code))
                yield Problem(f"regions.{place}", f"is no region of ISO 3166-2; near are: {near}")

    def _consent(self, recipient: Recipient) -> Iterator[Problem]:
        if recipient.consent_at > self.now:
            yield Problem("consent_at", "lies in the future")


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file: an entrant, or what is wrong with it."""

    number: int
    entrant: Entrant | None = field(default=None, repr=False)
    problems: tuple[Problem, ...] = ()


def read_lines(lines: Iterable[str], desk: Desk) -> Iterator[Line]:
    """Give every row of a CSV file; raises InvalidAlert when it is no such file at all."""
    reader = csv.DictReader(lines, restkey="", restval=None)
    reader.fieldnames = _fields(reader.fieldnames or ())
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield Line(reader.line_num, problems=(Problem("row", "is no CSV"),))
            continue
        except UnicodeDecodeError:
            raise InvalidAlert([Problem("file", "is not in UTF-8: save it so")]) from None
        yield _line(reader.line_num, row, desk)


def _fields(header: Iterable[str]) -> list[str]:
    columns = [name.strip().removeprefix("\ufeff").strip().lower() for name in header]
    problems = [
        Problem("header", f"column {place} is unknown; there are: {', '.join(COLUMNS)}")
        for place, name in enumerate(columns, 1)
        if name not in COLUMNS
    ]
    problems += [
        Problem("header", f"the column {name} is missing")
        for name in COLUMNS
        if name not in columns
    ]
    if not problems and len(set(columns)) != len(columns):
        problems.append(Problem("header", "a column stands twice"))
    if problems:
        raise InvalidAlert(problems)
    return [COLUMNS[name] for name in columns]


def _line(number: int, row: Mapping[str, Any], desk: Desk) -> Line:
    if "" in row:
        return Line(number, problems=(Problem("row", "has more cells than the header"),))
    try:
        return Line(number, desk.admit(Recipient.model_validate(_cells(row))))
    except ValidationError as error:
        return Line(number, problems=tuple(_by_column(problems_of(error))))
    except InvalidAlert as error:
        return Line(number, problems=error.problems)


def _by_column(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Name the columns as the file does."""
    for problem in problems:
        first, _, rest = problem.field.partition(".")
        column = _BY_FIELD.get(first, first)
        yield Problem(f"{column}.{rest}" if rest else column, problem.message)


def _cells(row: Mapping[str, str | None]) -> dict[str, object]:
    cells: dict[str, object] = {name: text for name, text in row.items() if text is not None}
    regions = (row.get("regions") or "").replace(";", " ").replace(",", " ")
    exercise = (row.get("exercise") or "").strip().lower()
    return cells | {"regions": regions.split(), "exercise": _YES.get(exercise, exercise)}
