"""The child alert: typed facts, never free text. CAP is what it maps to, not what it is.

`"unknown"` is a value of its own, printed as such; a missing optional field is not printed.
"""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from alertd.core.errors import InvalidAlert, Problem
from alertd.core.jsontext import BrokenText, json_text
from alertd.core.problems import problems_of
from alertd.core.text import Day, LanguageTag, LongText, Moment, PersonName, Plate, Text

__all__ = [
    "Area",
    "Child",
    "ChildAlert",
    "Circle",
    "Companion",
    "CriterionAnswer",
    "LanguageTag",
    "LastSeen",
    "PhoneLine",
    "PhoneNumber",
    "Point",
    "Vehicle",
    "parse_alert",
]

MAX_BYTES = 1024 * 1024  # the fullest alert that the bounds below allow is smaller

Unknown = Literal["unknown"]
Region = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
PhoneNumber = Annotated[str, Field(pattern=r"^\+?[0-9][0-9 ]{1,18}$")]
# Numbers are taken as written: "7" and true are none.
Age = Annotated[int, Field(strict=True, ge=0, le=120)]  # the rule set bounds it, with a reason
Height = Annotated[int, Field(strict=True, ge=30, le=250)]
Latitude = Annotated[float, Field(strict=True, ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(strict=True, ge=-180, le=180, allow_inf_nan=False)]
Kilometres = Annotated[float, Field(strict=True, gt=0, le=1000, allow_inf_nan=False)]
Point = tuple[Latitude, Longitude]


class Facts(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        str_strip_whitespace=True,
        hide_input_in_errors=True,  # a traceback would show a child's data
    )


class Person(Facts):
    """What helps a stranger recognise someone."""

    sex: Literal["female", "male", "other", "unknown"]
    height_cm: Height | Unknown = "unknown"
    build: Text = "unknown"
    hair: Text = "unknown"
    eyes: Text = "unknown"
    clothing: Text = "unknown"
    distinguishing_marks: Text | None = None


class Child(Person):
    """A missing child; exactly one of `age` and `birth_date` is given."""

    name: PersonName
    birth_date: Day | None = None
    age: Age | None = Field(default=None, validate_default=True)
    health: Text | None = None  # GDPR Art. 9: only where the policy allows it
    photo: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None  # digest of an upload

    @field_validator("age")
    @classmethod
    def _one_of_two(cls, age: int | None, info: ValidationInfo) -> int | None:
        born_given = info.data.get("birth_date", age is None) is not None
        if born_given is (age is not None):
            raise PydanticCustomError("child", "give either age or birth_date, and only one")
        return age


class Companion(Person):
    """Who may be with the child (GDPR Art. 10: only where the policy allows it)."""

    name: PersonName = "unknown"
    age: Age | Unknown = "unknown"
    relation: Text | None = None
    suspect: StrictBool = False


class Vehicle(Facts):
    make: Text = "unknown"
    colour: Text = "unknown"
    plate: Plate = "unknown"
    country: Country | Unknown = "unknown"


class LastSeen(Facts):
    at: Moment
    place: Text
    coordinates: Point | None = None


class Circle(Facts):
    centre: Point
    radius_km: Kilometres


class Area(Facts):
    """Recipients are chosen by `regions` alone; polygon and circle go to CAP and maps."""

    regions: Annotated[tuple[Region, ...], Field(min_length=1, max_length=100)]
    polygon: Annotated[tuple[Point, ...], Field(min_length=4, max_length=500)] | None = None
    circle: Circle | None = None


class PhoneLine(Facts):
    label: Text
    number: PhoneNumber


class CriterionAnswer(Facts):
    criterion: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
    met: StrictBool
    reason: LongText


class ChildAlert(Facts):
    """One alert request, as an official states it."""

    programme: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]  # names the rule set
    kind: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]  # of the rule set's kinds: `amber`
    status: Literal["actual", "exercise", "test"]
    case_reference: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9/._-]{0,39}$")]
    authority: Text
    reported_at: Moment
    abduction: StrictBool = False  # the child was taken: CAP's event codes say so
    children: Annotated[tuple[Child, ...], Field(min_length=1, max_length=10)]
    companions: Annotated[tuple[Companion, ...], Field(max_length=5)] = ()
    vehicle: Vehicle | None = None
    last_seen: LastSeen
    circumstances: LongText
    area: Area
    languages: Annotated[tuple[LanguageTag, ...], Field(min_length=1, max_length=12)]
    expires_at: Moment
    # Empty: the rule set's own are printed, see RuleSet.lines.
    phone_lines: Annotated[tuple[PhoneLine, ...], Field(max_length=6)] = ()
    criteria: Annotated[tuple[CriterionAnswer, ...], Field(max_length=40)] = ()
    not_a_duplicate_because: LongText | None = None


def parse_alert(data: bytes) -> ChildAlert:
    """Read an alert from JSON; raises InvalidAlert with every problem at once."""
    try:
        return ChildAlert.model_validate_json(json_text(data, limit=MAX_BYTES))
    except BrokenText as error:
        raise InvalidAlert([Problem("body", str(error))]) from None
    except ValidationError as error:
        raise InvalidAlert(problems_of(error)) from None
