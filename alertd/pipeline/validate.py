"""What an alert must satisfy beyond its shape: the rule set, the atlas, and the clock.

Every check yields all that it finds. No message repeats what the alert says of a person.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from alertd.core.alert import Child, ChildAlert, Point
from alertd.core.errors import InvalidAlert, Problem
from alertd.core.geo import polygon_fault
from alertd.core.regions import Atlas
from alertd.core.ruleset import AlertKind, RuleSet
from alertd.pipeline.wording import years_between

CLOCK_SKEW = timedelta(minutes=2)  # between the submitter's clock and ours
FAR_KM = 300  # beyond the country's bounds a point is taken for a mistake
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Frame:
    """What an alert is held against."""

    rules: RuleSet
    kind: AlertKind | None  # None when the alert names none that the rules know
    atlas: Atlas
    now: datetime
    languages: Collection[str]  # that there are templates for


Check = Callable[[ChildAlert, Frame], Iterator[Problem]]


def check(
    alert: ChildAlert,
    rules: RuleSet,
    atlas: Atlas,
    *,
    now: datetime,
    languages: Collection[str] | None = None,
) -> ChildAlert:
    """Give the alert back when it may go on; raises InvalidAlert with every problem.

    `languages` are those that templates exist for; by default all of the rule set's.
    """
    offered = rules.languages if languages is None else languages
    frame = Frame(rules, rules.kind(alert.kind), atlas, now, offered)
    if problems := [problem for each in CHECKS for problem in each(alert, frame)]:
        raise InvalidAlert(problems)
    return alert


def _programme(alert: ChildAlert, frame: Frame) -> Iterator[Problem]:
    rules = frame.rules
    if alert.programme != rules.programme:
        yield Problem("programme", f"must be {rules.programme}")
    if frame.kind is None:
        kinds = ", ".join(kind.name for kind in rules.kinds)
        yield Problem("kind", f"is not one of this programme's; choose of: {kinds}")


def _criteria(alert: ChildAlert, frame: Frame) -> Iterator[Problem]:
    if frame.kind is None:
        return
    needed = [criterion.name for criterion in frame.rules.criteria_for(frame.kind)]
    answered = [answer.criterion for answer in alert.criteria]
    for place, answer in enumerate(alert.criteria):
        field = f"criteria.{place}"
        if answer.criterion not in needed:
            choice = ", ".join(needed)
            yield Problem(f"{field}.criterion", f"is not asked here; asked are: {choice}")
        elif answer.criterion in answered[:place]:
            yield Problem(f"{field}.criterion", "is answered twice; answer it once")
        if not answer.met:
            yield Problem(
                f"{field}.met", "must be true: an alert goes out only when every criterion is met"
            )
    if missing := [name for name in needed if name not in answered]:
        yield Problem(
            "criteria", f"must also answer, each with a written reason: {', '.join(missing)}"
        )


def _children(alert: ChildAlert, frame: Frame) -> Iterator[Problem]:
    today = frame.now.astimezone(ZoneInfo(frame.rules.authority_timezone)).date()
    seen: list[str] = []
    for place, child in enumerate(alert.children):
        field = f"children.{place}"
        if child.name != UNKNOWN and child.name.casefold() in seen:
            yield Problem(f"{field}.name", "is given twice; list each child once")
        seen.append(child.name.casefold())
        yield from _age(child, field, frame.kind, today)
        if child.health is not None and not frame.rules.allow_health:
            yield Problem(f"{field}.health", "is not allowed by this programme: leave it out")


def _age(child: Child, field: str, kind: AlertKind | None, today: date) -> Iterator[Problem]:
    field = f"{field}.age" if child.birth_date is None else f"{field}.birth_date"
    if child.birth_date is not None and child.birth_date > today:
        yield Problem(field, "lies in the future; give the day of birth")
        return
    age = child.age if child.birth_date is None else years_between(child.birth_date, today)
    if kind is None or age is None:
        return
    if kind.max_age is not None and age > kind.max_age:
        yield Problem(
            field,
            f"must be under {kind.max_age + 1}: '{kind.name}' is for those only;"
            " correct it, or use a programme for adults",
        )
    if age < kind.min_age:
        yield Problem(field, f"must be at least {kind.min_age} for '{kind.name}'; correct it")


def _companions(alert: ChildAlert, frame: Frame) -> Iterator[Problem]:
    if alert.companions and not frame.rules.allow_companion:
        yield Problem("companions", "are not allowed by this programme: leave them out")


def _times(alert: ChildAlert, frame: Frame) -> Iterator[Problem]:
    latest = frame.now + CLOCK_SKEW
    if alert.reported_at > latest:
        yield Problem("reported_at", "lies in the future; give when it was reported")
    if alert.last_seen.at > latest:
        yield Problem("last_seen.at", "lies in the future; give when the child was last seen")
    elif alert.last_seen.at > alert.reported_at:
        yield Problem("last_seen.at", "is later than reported_at; correct one of them")


def _expiry(alert: ChildAlert, frame: Frame) -> Iterator[Problem]:
    longest = timedelta(hours=frame.rules.max_hours)
    if alert.expires_at <= max(alert.reported_at, alert.last_seen.at):
        yield Problem("expires_at", "must be after reported_at and last_seen.at")
    elif alert.expires_at <= frame.now:
        yield Problem("expires_at", "has passed; give a time to come")
    elif alert.expires_at > frame.now + longest:
        yield Problem("expires_at", f"is too late: at most {frame.rules.max_hours} hours from now")


def _regions(alert: ChildAlert, frame: Frame) -> Iterator[Problem]:
    country = frame.rules.country
    for place, code in enumerate(alert.area.regions):
        field = f"area.regions.{place}"
        if code.partition("-")[0] != country:
            yield Problem(field, f"lies outside {country}, which is all this programme may alert")
        elif not frame.atlas.known(code):
            near = ", ".join(frame.atlas.near(code))
            yield Problem(field, f"is no region of ISO 3166-2; near are: {near}")
        elif code in alert.area.regions[:place]:
            yield Problem(field, "is named twice; name it once")


def _polygon(alert: ChildAlert, _: Frame) -> Iterator[Problem]:
    if alert.area.polygon and (fault := polygon_fault(alert.area.polygon)):
        yield Problem("area.polygon", fault)


def _points(alert: ChildAlert, frame: Frame) -> Iterator[Problem]:
    box = frame.atlas.boxes.get(frame.rules.country)
    if box is None:
        return
    for field, point in _places(alert):
        latitude, longitude = point
        if box.distance_km(point) <= FAR_KM:
            continue
        swapped = -90 <= longitude <= 90 and box.distance_km((longitude, latitude)) <= FAR_KM
        what = (
            "seems to be longitude, latitude: give latitude first"
            if swapped
            else f"lies more than {FAR_KM} km outside {frame.rules.country}: correct it"
        )
        yield Problem(field, what)


def _places(alert: ChildAlert) -> Iterator[tuple[str, Point]]:
    if alert.last_seen.coordinates:
        yield "last_seen.coordinates", alert.last_seen.coordinates
    if alert.area.circle:
        yield "area.circle.centre", alert.area.circle.centre
    for place, point in enumerate(alert.area.polygon or ()):
        yield f"area.polygon.{place}", point


def _languages(alert: ChildAlert, frame: Frame) -> Iterator[Problem]:
    offered = [tag for tag in frame.rules.languages if tag in frame.languages]
    for place, tag in enumerate(alert.languages):
        if tag not in offered:
            choice = ", ".join(offered)
            yield Problem(f"languages.{place}", f"is not offered; choose of: {choice}")
        elif tag in alert.languages[:place]:
            yield Problem(f"languages.{place}", "is named twice; name it once")


def _phone_lines(alert: ChildAlert, frame: Frame) -> Iterator[Problem]:
    if not alert.phone_lines and not frame.rules.phone_lines:
        yield Problem("phone_lines", "needs at least 1: this programme has no line of its own")
    numbers = [line.number.replace(" ", "") for line in alert.phone_lines]
    for place, number in enumerate(numbers):
        if number in numbers[:place]:
            yield Problem(f"phone_lines.{place}.number", "is given twice; give it once")


CHECKS: tuple[Check, ...] = (
    _programme,
    _criteria,
    _children,
    _companions,
    _times,
    _expiry,
    _regions,
    _polygon,
    _points,
    _languages,
    _phone_lines,
)
