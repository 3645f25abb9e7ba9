"""What may enter a message that cannot be recalled: a list of fields per channel.

A text message, a mail, a webhook's body and a pushed feed entry stay where they arrived. What
a channel's list leaves out stands on the alert's page alone, which is taken down with it.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from alertd.core.alert import Child, Companion, LastSeen, Vehicle

RECALLED = "feed"  # its documents stay with us and are taken down: no list binds it
PHOTO = "children.photo"  # never the picture itself: its address, which is revoked

_LOOKS = ("age", "sex", "height_cm", "build", "hair", "eyes", "clothing", "distinguishing_marks")
_HOLDERS = {
    "children": tuple(name for name in Child.model_fields if name != "birth_date"),
    "companions": tuple(Companion.model_fields),
    "vehicle": tuple(Vehicle.model_fields),
    "last_seen": tuple(LastSeen.model_fields),
}
FIELDS = (
    *(f"{holder}.{name}" for holder, names in _HOLDERS.items() for name in names),
    "circumstances",
)
"""Every field that tells of a person or a place, as a list may name it; `vehicle` names all of
its own. The rest of an alert (area, telephone numbers, validity, ...) tells of nobody."""

_SHORT = (
    *(f"children.{name}" for name in ("name", "age", "sex", "height_cm", "hair", "clothing")),
    *(f"vehicle.{name}" for name in ("make", "colour", "plate")),
    "last_seen.at",
    "last_seen.place",
)
_LONG = (
    "children.name",
    *(f"children.{name}" for name in _LOOKS),
    *(f"companions.{name}" for name in _LOOKS),
    *(f"vehicle.{name}" for name in _HOLDERS["vehicle"]),
    "last_seen.at",
    "last_seen.place",
    "circumstances",
)
_MACHINES = (*_LONG, PHOTO, "last_seen.coordinates")
DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "sms": _SHORT,
    "email": _LONG,
    "webhook": _MACHINES,
    "websub": _MACHINES,
}
"""What a rule set allows that does not say otherwise; docs/privacy.md gives the reasons."""


def _known(name: str) -> str:
    if name in FIELDS or name in _HOLDERS:
        return name
    known = {"known": ", ".join((*_HOLDERS, *FIELDS))}
    raise PydanticCustomError("text", "is no field; choose of: {known}", known)


def _in_order(names: tuple[str, ...]) -> tuple[str, ...]:
    """Give each field once and in one order, so that a digest is of them and not of the list."""
    chosen = {*names}
    return tuple(field for field in FIELDS if not chosen.isdisjoint({field, _holder(field)}))


def _whole(lists: object) -> object:
    """Put the defaults where a rule set says nothing."""
    return {**DEFAULTS, **lists} if isinstance(lists, Mapping) else lists


Fields = Annotated[tuple[Annotated[str, AfterValidator(_known)], ...], AfterValidator(_in_order)]
Outward = Annotated[dict[str, Fields], BeforeValidator(_whole)]


def may_enter(lists: Mapping[str, Iterable[str]], channel: str) -> frozenset[str]:
    """Give the fields that a channel's messages may hold; none for one without a list."""
    return frozenset(FIELDS if channel == RECALLED else lists.get(channel, ()))


def _holder(field: str) -> str:
    return field.partition(".")[0]
