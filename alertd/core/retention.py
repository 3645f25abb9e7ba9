"""What of an alert is purged by itself, before all of it is, and what then still stands."""

from datetime import date
from enum import StrEnum
from typing import Any

from alertd.core.alert import Child, ChildAlert


class Ground(StrEnum):
    """Why something is purged."""

    RETENTION = "retention"  # its time is over
    REQUEST = "request"  # of a person it is about
    ORDER = "order"  # of a court or a supervisory authority


class What(StrEnum):
    """What is purged at once, each after days of its own."""

    PHOTO = "photo"  # the pictures of the children
    COMPANION = "companion"  # who may be with the child, suspects among them
    VEHICLE = "vehicle"  # its plate tells of its owner
    PERSON = "person"  # the children: names, looks, health, last place, free text; photos too
    ADDRESS = "address"  # of the people whom messages went to
    ALERT = "alert"  # all that the alert said


FACTS = (What.PHOTO, What.COMPANION, What.VEHICLE, What.PERSON)
"""What stands in the facts of an alert."""

SPOKEN = frozenset({What.COMPANION, What.VEHICLE, What.PERSON})
"""What the messages of an alert tell as well: their bytes go with it."""

_UNKNOWN = "unknown"
_LOOKS = ("name", "height_cm", "build", "hair", "eyes", "clothing")


def count(alert: ChildAlert, what: What) -> int:
    """Tell how much of it an alert holds."""
    held = {
        What.PHOTO: sum(child.photo is not None for child in alert.children),
        What.COMPANION: len(alert.companions),
        What.VEHICLE: int(alert.vehicle is not None),
        What.PERSON: len(alert.children),
    }
    return held[what]


def without(alert: ChildAlert, what: What) -> ChildAlert:
    """Give an alert that no longer says it; what statistics need stays: age, sex, area, times."""
    changes: dict[str, Any]
    if what is What.COMPANION:
        changes = {"companions": ()}
    elif what is What.VEHICLE:
        changes = {"vehicle": None}
    elif what is What.PHOTO:
        bare = tuple(child.model_copy(update={"photo": None}) for child in alert.children)
        changes = {"children": bare}
    else:
        changes = _nobody(alert)
    return alert.model_copy(update=changes)


def _nobody(alert: ChildAlert) -> dict[str, Any]:
    """Give the changes after which no child is told of, nor anything that was written freely."""
    seen = {"place": _UNKNOWN, "coordinates": None}
    return {
        "children": tuple(_anyone(child, alert.reported_at.date()) for child in alert.children),
        "last_seen": alert.last_seen.model_copy(update=seen),
        "circumstances": _UNKNOWN,
        "criteria": tuple(
            answer.model_copy(update={"reason": _UNKNOWN}) for answer in alert.criteria
        ),
        "not_a_duplicate_because": None,
    }


def _anyone(child: Child, reported_on: date) -> Child:
    age = child.age
    if (born := child.birth_date) is not None:
        before_birthday = (reported_on.month, reported_on.day) < (born.month, born.day)
        age = max(reported_on.year - born.year - before_birthday, 0)
    said = {"distinguishing_marks": None, "health": None, "photo": None, "birth_date": None}
    return child.model_copy(update={**dict.fromkeys(_LOOKS, _UNKNOWN), **said, "age": age})
