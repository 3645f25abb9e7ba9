"""The form, field by field, in the order of a phone call: what is asked on which step."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from alertd.core.ruleset import AlertKind, RuleSet

Form = Mapping[str, tuple[str, ...]]
"""What a form says, by field name; a name that is missing was left empty."""


class Step(StrEnum):
    WHO = "who"
    SEEN = "seen"
    WITH = "with"
    AREA = "area"
    CRITERIA = "criteria"
    CHECK = "check"


class Shape(StrEnum):
    """How a field is asked for."""

    TEXT = "text"
    LONG = "long"
    NUMBER = "number"
    DATE = "date"
    MOMENT = "moment"  # two inputs, `.date` and `.time`, in the authority's zone
    POINT = "point"  # latitude, longitude in one line
    OUTLINE = "outline"  # points of a polygon, as CAP writes them
    CHOICE = "choice"
    MANY = "many"
    YES = "yes"
    PHOTO = "photo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One question; `name` is also where a problem of it stands."""

    name: str
    shape: Shape = Shape.TEXT
    unknown: bool = False  # may be answered with "unknown"
    explicit: bool = False  # and must be, when it is left empty
    choices: tuple[str, ...] = ()
    word: str = ""  # its key among the words, where that is not the name without numbers

    @property
    def key(self) -> str:
        return self.word or ".".join(p for p in self.name.split(".") if not p.isdigit())

    @property
    def inputs(self) -> tuple[str, ...]:
        if self.shape is Shape.MOMENT:
            return (f"{self.name}.date", f"{self.name}.time")
        return (self.name,)


UNKNOWN = "unknown"
SEXES = ("female", "male", "other", UNKNOWN)

_PREFIXES: Mapping[Step, tuple[str, ...]] = {
    Step.WHO: ("children.",),
    Step.SEEN: ("last_seen.", "reported_at.", "circumstances", "abduction"),
    Step.WITH: ("companions.", "vehicle."),
    Step.AREA: ("area.", "languages", "expires_at."),
    Step.CRITERIA: ("kind", "case_reference", "authority", "criteria.", "phone_lines."),
    Step.CHECK: ("not_a_duplicate_because",),
}


def step_of(name: str) -> Step | None:
    """Give the step on which a field, or the field of a problem, is asked."""
    for step, prefixes in _PREFIXES.items():
        if any(name == p.rstrip(".") or name.startswith(p) for p in prefixes):
            return step
    return None


def count(form: Form, holder: str, at_least: int = 0) -> int:
    """Give how many of `children.0`, `children.1`, ... the form has."""
    numbers = [
        int(parts[1])
        for name in form
        if (parts := name.split("."))[0] == holder and len(parts) > 2 and parts[1].isdigit()
    ]
    return max([at_least, *(number + 1 for number in numbers)])


def fields(form: Form, rules: RuleSet) -> Iterator[Field]:
    """Give every field that this form asks under these rules."""
    for number in range(count(form, "children", 1)):
        yield from _child(f"children.{number}", rules)
    yield Field(name="last_seen.at", shape=Shape.MOMENT)
    yield Field(name="last_seen.place", unknown=True)
    yield Field(name="last_seen.coordinates", shape=Shape.POINT)
    yield Field(name="reported_at", shape=Shape.MOMENT)
    yield Field(name="circumstances", shape=Shape.LONG, unknown=True)
    yield Field(name="abduction", shape=Shape.YES)
    for number in range(count(form, "companions")) if rules.allow_companion else ():
        yield from _companion(f"companions.{number}")
    for name in ("make", "colour", "plate", "country"):
        yield Field(name=f"vehicle.{name}", unknown=True)
    yield Field(name="area.regions", shape=Shape.MANY)
    yield Field(name="area.circle.centre", shape=Shape.POINT)
    yield Field(name="area.circle.radius_km", shape=Shape.NUMBER)
    yield Field(name="area.polygon", shape=Shape.OUTLINE)
    yield Field(name="languages", shape=Shape.MANY, choices=rules.languages)
    yield Field(name="expires_at", shape=Shape.MOMENT)
    yield Field(name="case_reference")
    yield Field(name="authority")
    kinds = tuple(kind.name for kind in rules.kinds)
    yield Field(name="kind", shape=Shape.CHOICE, choices=kinds)
    for criterion in rules.criteria_for(kind_of(form, rules)):
        yield Field(name=f"criteria.{criterion.name}.met", shape=Shape.CHOICE, word="criterion.met")
        yield Field(
            name=f"criteria.{criterion.name}.reason", shape=Shape.LONG, word="criterion.reason"
        )
    for number in range(count(form, "phone_lines")):
        yield Field(name=f"phone_lines.{number}.label")
        yield Field(name=f"phone_lines.{number}.number")
    yield Field(name="not_a_duplicate_because", shape=Shape.LONG)


def kind_of(form: Form, rules: RuleSet) -> AlertKind:
    """Give the kind of alert that the form names, else the first."""
    named = form.get("kind", ("",))[0]
    return rules.kind(named) or rules.kinds[0]


def anchor(problem: str, known: Iterable[str]) -> str:
    """Give the field that a problem is shown beside: the nearest above or below it."""
    names = tuple(known)
    above = [name for name in names if problem == name or problem.startswith(f"{name}.")]
    below = (name for name in names if name.startswith(f"{problem}."))
    return max(above, key=len) if above else next(below, problem)


def _child(at: str, rules: RuleSet) -> Iterator[Field]:
    yield Field(name=f"{at}.name", unknown=True)
    yield Field(name=f"{at}.age", shape=Shape.NUMBER)
    yield Field(name=f"{at}.birth_date", shape=Shape.DATE)
    yield Field(name=f"{at}.photo", shape=Shape.PHOTO)
    yield from _looks(at, explicit=True)
    yield Field(name=f"{at}.distinguishing_marks")
    if rules.allow_health:
        yield Field(name=f"{at}.health")


def _companion(at: str) -> Iterator[Field]:
    yield Field(name=f"{at}.name", unknown=True)
    yield Field(name=f"{at}.age", shape=Shape.NUMBER, unknown=True)
    yield Field(name=f"{at}.relation")
    yield from _looks(at, explicit=False)
    yield Field(name=f"{at}.distinguishing_marks")
    yield Field(name=f"{at}.suspect", shape=Shape.YES)


def _looks(at: str, *, explicit: bool) -> Iterator[Field]:
    yield Field(name=f"{at}.sex", shape=Shape.CHOICE, choices=SEXES)
    yield Field(name=f"{at}.height_cm", shape=Shape.NUMBER, unknown=True, explicit=explicit)
    for name in ("build", "hair", "eyes", "clothing"):
        yield Field(name=f"{at}.{name}", unknown=True, explicit=explicit)
