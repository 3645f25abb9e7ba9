"""Rule sets: who may activate what, on which criteria. Data in config/rulesets/, not code."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from alertd.core.alert import LanguageTag, PhoneLine, PhoneNumber
from alertd.core.errors import Problem
from alertd.core.language import best_language
from alertd.core.outward import DEFAULTS, PHOTO, Outward, may_enter

Name = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Words = dict[LanguageTag, Line]
"""One text per language tag: `{el = "...", en = "..."}`."""


ALL_CHANNELS = ("sms", "email", "webhook", "feed")


def _listed(value: object) -> object:
    """Read the yes and no that rule sets of old say."""
    if isinstance(value, bool):
        return ALL_CHANNELS if value else ()
    return value


Channels = Annotated[tuple[Name, ...], BeforeValidator(_listed)]


class Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Codes = dict[
    Annotated[str, Field(pattern=r"^[!-~]{1,60}$")], Annotated[str, Field(pattern=r"^[!-~]{1,60}$")]
]
"""CAP event codes by vocabulary: `{SAME = "CAE", "OET:v1.2" = "OET-038"}`."""


class AlertKind(Rule):
    """A tier of alerts: AMBER, missing, ..."""

    name: Name
    title: Words
    max_age: Annotated[int, Field(ge=0, le=120)] | None = None  # whole years; None: no bound
    min_age: Annotated[int, Field(ge=0, le=120)] = 0
    channels: Annotated[tuple[Name, ...], Field(min_length=1)] = (
        "sms",
        "email",
        "webhook",
        "feed",
        "websub",
    )
    criteria: tuple[Name, ...] | None = None  # which of the rule set's; None: all of them
    event_codes: Codes = {"OET:v1.2": "OET-130"}  # missing person(s)
    abduction_codes: Codes = {"SAME": "CAE", "OET:v1.2": "OET-038"}  # if it is one: child abduction


class Criterion(Rule):
    """Must be answered yes, with a written reason."""

    name: Name
    question: Words


class ApprovalRole(Rule):
    """One of the hands an alert needs; any order, pairwise different persons."""

    name: Name
    title: Words
    reference_required: bool = False  # the order's own reference must be given


class EndReason(Rule):
    """A reason code for taking an alert down; `correction` when the alert was wrong."""

    name: Name
    title: Words
    correction: bool = False


class Step(Rule):
    """Every so many minutes, until so many hours after activation."""

    every_min: Annotated[int, Field(ge=5, le=24 * 60)]
    until_h: Annotated[float, Field(gt=0, le=24 * 30)]


class Rebroadcast(Rule):
    """Sends a live version again: on which channels, to which recipients, how often."""

    channels: Annotated[tuple[Name, ...], Field(min_length=1)]
    classes: tuple[Name, ...] = ()  # of recipients; empty: all
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=10)]

    def moments(self, sent_at: datetime, until: datetime) -> Iterator[datetime]:
        """Give when it is due after `sent_at` and before `until`; a step begins where one ends."""
        at = sent_at
        for step in self.steps:
            end = min(until, sent_at + timedelta(hours=step.until_h))
            while (at := at + timedelta(minutes=step.every_min)) <= end and at < until:
                yield at
            at -= timedelta(minutes=step.every_min)


MessageId = Annotated[int, Field(ge=0, le=0xFFFF)]


class CellBroadcast(Rule):
    """Adds what cell broadcast needs to CAP: message identifiers of 3GPP TS 23.041.

    The first of each pair is for the alert's first language, the second for all further ones.
    """

    actual: tuple[MessageId, MessageId] = (4379, 4392)
    exercise: tuple[MessageId, MessageId] = (4381, 4394)
    test: tuple[MessageId, MessageId] = (4380, 4393)

    def identifiers(self, status: str) -> tuple[int, int]:
        return {"exercise": self.exercise, "test": self.test}.get(status, self.actual)


class ProgrammeLine(Rule):
    """A phone line that is printed when the alert itself names none."""

    label: Words
    number: PhoneNumber


class RuleSet(Rule):
    """How one programme activates, updates and ends alerts."""

    programme: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
    version: Annotated[int, Field(ge=1)]
    title: Words
    source: Line  # where the rules are written down, and what of them is not
    authority_timezone: str  # IANA name: times are given in it
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    languages: Annotated[tuple[LanguageTag, ...], Field(min_length=1)]  # the first is the fallback
    kinds: Annotated[tuple[AlertKind, ...], Field(min_length=1)]
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=1)]
    approvals: Annotated[tuple[ApprovalRole, ...], Field(min_length=1)]
    update_approvals: Annotated[tuple[Name, ...], Field(min_length=1)]  # of `approvals`
    end_roles: Annotated[tuple[Name, ...], Field(min_length=1)]  # any one of them ends it
    end_reasons: Annotated[tuple[EndReason, ...], Field(min_length=1)]
    phone_lines: Annotated[tuple[ProgrammeLine, ...], Field(max_length=6)] = ()
    remind_after_min: Annotated[int, Field(ge=1)] = 10
    deputy_after_min: Annotated[int, Field(ge=1)] = 20
    warn_before_min: Annotated[int, Field(ge=1)] = 60  # officials, of an expiry
    chase_after_min: Annotated[int, Field(ge=1)] = 60  # who has not acknowledged deletion
    chase_times: Annotated[int, Field(ge=0, le=20)] = 3
    max_hours: Annotated[int, Field(ge=1, le=24 * 30)] = 48  # longest life of one version
    duplicate_window_h: Annotated[int, Field(ge=0)] = 48
    cell_broadcast: CellBroadcast | None = None  # None: CAP goes without its parameters
    allow_companion: bool = False  # GDPR Art. 10: convicted or suspected persons
    allow_health: bool = False  # GDPR Art. 9
    allow_preview: bool = False  # name and photo in what others copy of a shared link
    outward: Outward = Field(default_factory=lambda: dict(DEFAULTS), validate_default=True)
    notify_expiry: Channels = ()  # where those reached are told that it expired
    tell_opted_out: bool = False  # whether an end also goes to who has opted out since
    rebroadcasts: Annotated[tuple[Rebroadcast, ...], Field(max_length=10)] = ()

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        if problems := [*_name_faults(self), *_word_faults(self), *_bound_faults(self)]:
            raise PydanticCustomError("problems", "is not coherent", {"problems": problems})
        return self

    def kind(self, name: str) -> AlertKind | None:
        return next((kind for kind in self.kinds if kind.name == name), None)

    def criteria_for(self, kind: AlertKind) -> tuple[Criterion, ...]:
        if kind.criteria is None:
            return self.criteria
        return tuple(each for each in self.criteria if each.name in kind.criteria)

    def end_reason(self, name: str) -> EndReason | None:
        return next((reason for reason in self.end_reasons if reason.name == name), None)

    def lines(self, own: tuple[PhoneLine, ...], language: str) -> tuple[PhoneLine, ...]:
        """Give the lines to print: the alert's own, else the programme's in `language`."""
        return own or tuple(
            PhoneLine(label=say(line.label, language), number=line.number)
            for line in self.phone_lines
        )

    def may_enter(self, channel: str) -> frozenset[str]:
        """Give the fields that a channel's messages may hold."""
        return may_enter(self.outward, channel)

    @property
    def remind_after(self) -> timedelta:
        return timedelta(minutes=self.remind_after_min)

    @property
    def warn_before(self) -> timedelta:
        return timedelta(minutes=self.warn_before_min)

    @property
    def chase_after(self) -> timedelta:
        return timedelta(minutes=self.chase_after_min)

    @property
    def deputy_after(self) -> timedelta:
        return timedelta(minutes=self.deputy_after_min)


def say(words: Words, language: str) -> str:
    """Give the words in `language`, else in the nearest, else in the first."""
    return words[best_language(language, tuple(words))]


def _name_faults(rules: RuleSet) -> Iterator[Problem]:
    roles = [role.name for role in rules.approvals]
    criteria = [criterion.name for criterion in rules.criteria]
    lists = {
        "kinds": [kind.name for kind in rules.kinds],
        "criteria": criteria,
        "approvals": roles,
        "end_reasons": [reason.name for reason in rules.end_reasons],
        "update_approvals": list(rules.update_approvals),
        "end_roles": list(rules.end_roles),
        "languages": list(rules.languages),
    }
    for field, names in lists.items():
        if len(set(names)) < len(names):
            yield Problem(field, "names something twice; name each once")
    yield from _unknown("update_approvals", rules.update_approvals, roles)
    yield from _unknown("end_roles", rules.end_roles, roles)
    for place, kind in enumerate(rules.kinds):
        yield from _unknown(f"kinds.{place}.criteria", kind.criteria or (), criteria)


def _unknown(field: str, names: Iterable[str], known: list[str]) -> Iterator[Problem]:
    for name in names:
        if name not in known:
            yield Problem(field, f"{name!r} is not defined; defined are: {', '.join(known)}")


def _word_faults(rules: RuleSet) -> Iterator[Problem]:
    titled: dict[str, Sequence[AlertKind | ApprovalRole | EndReason]] = {
        "kinds": rules.kinds,
        "approvals": rules.approvals,
        "end_reasons": rules.end_reasons,
    }
    words = {"title": rules.title}
    for field, rows in titled.items():
        words |= {f"{field}.{place}.title": row.title for place, row in enumerate(rows)}
    words |= {f"criteria.{n}.question": row.question for n, row in enumerate(rules.criteria)}
    words |= {f"phone_lines.{n}.label": row.label for n, row in enumerate(rules.phone_lines)}
    for field, texts in words.items():
        if missing := [tag for tag in rules.languages if tag not in texts]:
            yield Problem(field, f"has no text in: {', '.join(missing)}")


def _bound_faults(rules: RuleSet) -> Iterator[Problem]:
    for place, kind in enumerate(rules.kinds):
        if kind.max_age is not None and kind.max_age < kind.min_age:
            yield Problem(f"kinds.{place}.max_age", f"must be at least min_age ({kind.min_age})")
    for place, plan in enumerate(rules.rebroadcasts):
        ends = [step.until_h for step in plan.steps]
        if ends != sorted(set(ends)):
            field = f"rebroadcasts.{place}.steps"
            yield Problem(field, "each step must end later than the one before it")
    if PHOTO in rules.outward["sms"]:
        yield Problem("outward.sms", f"a text message leads to the page alone: remove {PHOTO}")
    if rules.deputy_after_min <= rules.remind_after_min:
        yield Problem("deputy_after_min", "must be more than remind_after_min")
    for correction in (True, False):
        if not any(reason.correction is correction for reason in rules.end_reasons):
            which = "true" if correction else "false"
            yield Problem("end_reasons", f"needs at least one reason with correction = {which}")
