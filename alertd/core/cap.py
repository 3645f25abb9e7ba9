"""The Common Alerting Protocol 1.2 as we speak it: a frozen document, and its XML.

Fields stand in the order of the schema's sequences, so that writing is a walk over them.
Instants are written with the offset they carry, never as `Z` (CAP 1.2, 3.3.2).
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from lxml import etree
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from alertd.core.rendition import Kind, Slot, mark

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE = "application/cap+xml"


def _xml_characters(text: str) -> str:
    for character in text:
        code = ord(character)
        if (code < 0x20 and character not in "\t\n\r") or code in (0xFFFE, 0xFFFF):
            raise ValueError("holds a character that XML cannot carry")
    return text


Text = Annotated[str, Field(min_length=1), AfterValidator(_xml_characters)]
Token = Annotated[Text, Field(pattern=r"^[^\s,<&]+$")]  # CAP 3.2.1: no spaces, commas, < or &
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Point = tuple[Latitude, Longitude]
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
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


class Named(Element):
    """A value in a foreign vocabulary: event code, parameter or geocode."""

    value_name: Text
    value: Text


class Circle(Element):
    """Written as `lat,lon radius`, the radius in kilometres."""

    centre: Point
    radius_km: Annotated[float, Field(ge=0)]


class Area(Element):
    area_desc: Text
    polygon: tuple[Annotated[tuple[Point, ...], Field(min_length=4)], ...] = ()
    circle: tuple[Circle, ...] = ()
    geocode: tuple[Named, ...] = ()


class Resource(Element):
    resource_desc: Text
    mime_type: Text
    size: Annotated[int, Field(ge=0)] | None = None
    uri: Text | None = None
    deref_uri: Text | None = None
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None  # SHA-1 (FIPS 180-2)


class Info(Element):
    language: Annotated[str, Field(pattern=r"^[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*$")]
    category: Annotated[tuple[Category, ...], Field(min_length=1)]
    event: Text
    response_type: tuple[ResponseType, ...] = ()
    urgency: Urgency
    severity: Severity
    certainty: Certainty
    event_code: tuple[Named, ...] = ()
    effective: AwareDatetime | Slot | None = None
    onset: AwareDatetime | None = None
    expires: AwareDatetime
    sender_name: Text | None = None
    headline: Text | None = None
    description: Text | None = None
    instruction: Text | None = None
    web: Text | None = None
    contact: Text | None = None
    parameter: tuple[Named, ...] = ()
    resource: tuple[Resource, ...] = ()
    area: tuple[Area, ...] = ()


class Alert(Element):
    """One CAP message; `sent` and `references` may be slots, filled at activation."""

    identifier: Token
    sender: Token
    sent: AwareDatetime | Slot
    status: Status
    msg_type: MessageType
    source: Text | None = None
    scope: Scope
    restriction: Text | None = None
    addresses: Text | None = None
    code: tuple[Text, ...] = ()
    note: Text | None = None
    references: Text | Slot | None = None
    incidents: Text | None = None
    info: tuple[Info, ...] = ()

    @model_validator(mode="after")
    def _scope_is_explained(self) -> Self:
        if (self.scope == "Restricted") != (self.restriction is not None):
            raise ValueError("restriction goes with scope Restricted, and with no other")
        if self.scope == "Private" and self.addresses is None:
            raise ValueError("scope Private needs addresses")
        return self


def to_xml(alert: Alert) -> bytes:
    """Give the document as UTF-8; a slot's marker stands in its element's text."""
    root = etree.Element(f"{{{NAMESPACE}}}alert", nsmap={None: NAMESPACE})
    _append_fields(root, alert)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)


def _append_fields(parent: etree._Element, element: Element) -> None:
    for name, field in type(element).model_fields.items():
        value = getattr(element, name)
        several = name in _REPEATED.get(type(element), ())
        for one in value if several else (value,):
            if one is not None:
                _append(parent, field.alias or name, one)


def _append(parent: etree._Element, tag: str, value: object) -> None:
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{tag}")
    if isinstance(value, Element) and not isinstance(value, Circle):
        _append_fields(child, value)
    else:
        child.text = _text(value)


_REPEATED: dict[type[Element], frozenset[str]] = {
    Alert: frozenset({"code", "info"}),
    Info: frozenset({"category", "response_type", "event_code", "parameter", "resource", "area"}),
    Area: frozenset({"polygon", "circle", "geocode"}),
}


def _text(value: object) -> str:
    match value:
        case Slot():
            return mark(value)
        case datetime():
            return date_time(value)
        case Circle():
            return f"{_point(value.centre)} {_number(value.radius_km)}"
        case tuple():
            return " ".join(_point(point) for point in value)
        case _:
            return str(value)


def date_time(at: datetime) -> str:
    """Give CAP's dateTime: whole seconds and the numeric offset that `at` carries."""
    return at.isoformat(timespec="seconds")


def _point(point: Point) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _number(number: float) -> str:
    """Give at most six decimals (a tenth of a metre), never an exponent."""
    text = f"{number:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def message_identifier(version: str, kind: Kind, reason: str = "") -> str:
    """Give the identifier of a message about the version whose own identifier is `version`."""
    match kind:
        case Kind.END | Kind.CORRECTION:
            return f"{version}.end.{reason}"
        case Kind.EXPIRY:
            return f"{version}.expired"
        case _:
            return version
