"""The Common Alerting Protocol 1.2 as a frozen document: every element, order and enumeration.

Fields stand in the order of the schema's sequences, so that reading and writing are a walk over
them. What one value must be stands here; what values must be to each other, in `rules`.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from alertd.core.cap import values
from alertd.core.rendition import Slot

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE = "application/cap+xml"
OLD_MEDIA_TYPE = "application/common-alerting-protocol+xml"
DEFAULT_LANGUAGE = "en-US"  # CAP 3.2.2, of an info that names none


def fault(rule: str, message: str) -> PydanticCustomError:
    """Give the error of one value; `rule` is the id that a finding carries."""
    return PydanticCustomError("cap", message, {"rule": rule})


def _xml_characters(text: str) -> str:
    for character in text:
        code = ord(character)
        if (code < 0x20 and character not in "\t\n\r") or code in (0xFFFE, 0xFFFF):
            raise fault("value", "holds a character that XML cannot carry")
    return text


def _token(text: str) -> str:
    if any(character.isspace() or character in ",<&" for character in text):
        raise fault("characters", "must hold no space, comma, < or &")
    return text


def _moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    if (found := values.moment(value)) is None:
        raise fault(
            "date-time",
            "must be written as 2026-01-31T18:30:00+02:00: whole seconds, a numeric offset, no Z",
        )
    return found


def _whole_seconds(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def _ring(value: object) -> object:
    if not isinstance(value, str):
        return value
    if (found := values.points(value)) is None:
        raise fault(
            "polygon-form", "must be `lat,lon lat,lon ...` in WGS 84 degrees, latitude first"
        )
    return found


def _circle(value: object) -> object:
    if not isinstance(value, str):
        return value
    if (found := values.circle(value)) is None:
        raise fault(
            "circle-form", "must be `lat,lon radius`: latitude first, the radius in kilometres"
        )
    return {"centre": found[0], "radius_km": found[1]}


def _decimal(value: object) -> object:
    if not isinstance(value, str):
        return value
    if (found := values.decimal(value)) is None:
        raise fault("value", "must be a number without an exponent")
    return found


def _rounded(number: float) -> float:
    return round(number, values.DECIMALS) + 0.0  # -0.0 becomes 0.0


Text = Annotated[str, Field(min_length=1), AfterValidator(_xml_characters)]
Token = Annotated[Text, AfterValidator(_token)]  # CAP 3.2.1 identifier, sender
Moment = Annotated[AwareDatetime, BeforeValidator(_moment), AfterValidator(_whole_seconds)]
Open = Annotated[Slot, Field(strict=True)]  # in a document that is not sent yet
Language = Annotated[str, Field(pattern=r"^[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*$")]  # RFC 3066
Latitude = Annotated[float, Field(ge=-90, le=90), AfterValidator(_rounded)]
Longitude = Annotated[float, Field(ge=-180, le=180), AfterValidator(_rounded)]
Point = tuple[Latitude, Longitude]
Ring = Annotated[tuple[Point, ...], Field(min_length=1), BeforeValidator(_ring)]
Feet = Annotated[Decimal, BeforeValidator(_decimal)]  # above mean sea level
Size = Annotated[int, Field(ge=0)]  # bytes
Status = Literal["Actual", "Exercise", "System", "Test", "Draft"]
MessageType = Literal["Alert", "Update", "Cancel", "Ack", "Error"]
Scope = Literal["Public", "Restricted", "Private"]
Urgency = Literal["Immediate", "Expected", "Future", "Past", "Unknown"]
Severity = Literal["Extreme", "Severe", "Moderate", "Minor", "Unknown"]
Certainty = Literal["Observed", "Likely", "Possible", "Unlikely", "Unknown"]


class Category(StrEnum):
    GEO = "Geo"
    MET = "Met"
    SAFETY = "Safety"
    SECURITY = "Security"
    RESCUE = "Rescue"
    FIRE = "Fire"
    HEALTH = "Health"
    ENV = "Env"
    TRANSPORT = "Transport"
    INFRA = "Infra"
    CBRNE = "CBRNE"
    OTHER = "Other"


class ResponseType(StrEnum):
    SHELTER = "Shelter"
    EVACUATE = "Evacuate"
    PREPARE = "Prepare"
    EXECUTE = "Execute"
    AVOID = "Avoid"
    MONITOR = "Monitor"
    ASSESS = "Assess"
    ALL_CLEAR = "AllClear"
    NONE = "None"


class Element(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )


class Named(Element):
    """A value in a foreign vocabulary: event code, parameter or geocode."""

    value_name: Text
    value: Text


class Circle(Element):
    """Written as `lat,lon radius`, the radius in kilometres."""

    centre: Point
    radius_km: Annotated[float, Field(ge=0), AfterValidator(_rounded)]


class Area(Element):
    area_desc: Text
    polygon: tuple[Ring, ...] = ()
    circle: tuple[Annotated[Circle, BeforeValidator(_circle)], ...] = ()
    geocode: tuple[Named, ...] = ()
    altitude: Feet | None = None
    ceiling: Feet | None = None


class Resource(Element):
    resource_desc: Text
    mime_type: Text
    size: Size | None = None
    uri: Text | None = None
    deref_uri: Text | None = None  # base64
    digest: Text | None = None  # SHA-1 (FIPS 180-2)


class Info(Element):
    language: Language | None = None
    category: Annotated[tuple[Category, ...], Field(min_length=1)]
    event: Text
    response_type: tuple[ResponseType, ...] = ()
    urgency: Urgency
    severity: Severity
    certainty: Certainty
    audience: Text | None = None
    event_code: tuple[Named, ...] = ()
    effective: Moment | Open | None = None
    onset: Moment | None = None
    expires: Moment | None = None
    sender_name: Text | None = None
    headline: Text | None = None
    description: Text | None = None
    instruction: Text | None = None
    web: Text | None = None
    contact: Text | None = None
    parameter: tuple[Named, ...] = ()
    resource: tuple[Resource, ...] = ()
    area: tuple[Area, ...] = ()

    @property
    def spoken(self) -> str:
        return self.language or DEFAULT_LANGUAGE


class Alert(Element):
    """One CAP message; `sent` and `references` may be slots, filled at activation."""

    identifier: Token
    sender: Token
    sent: Moment | Open
    status: Status
    msg_type: MessageType
    source: Text | None = None
    scope: Scope
    restriction: Text | None = None
    addresses: Text | None = None
    code: tuple[Text, ...] = ()
    note: Text | None = None
    references: Text | Open | None = None
    incidents: Text | None = None
    info: tuple[Info, ...] = ()


REPEATED: Mapping[type[Element], frozenset[str]] = {
    Alert: frozenset({"code", "info"}),
    Info: frozenset({"category", "response_type", "event_code", "parameter", "resource", "area"}),
    Area: frozenset({"polygon", "circle", "geocode"}),
}
"""The fields that stand for any number of elements of one name."""

NESTED: Mapping[str, type[Element]] = {
    "info": Info,
    "eventCode": Named,
    "parameter": Named,
    "geocode": Named,
    "resource": Resource,
    "area": Area,
}
"""The elements that hold elements."""
