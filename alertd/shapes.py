"""The shapes in which people and programs read alertd: also the API's response models."""

from datetime import datetime
from decimal import Decimal
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from alertd.core.alert import ChildAlert
from alertd.core.rendition import Kind
from alertd.core.retention import Ground, What

PAGE = 100  # items, where the reader does not say


class View(BaseModel):
    model_config = ConfigDict(frozen=True)


Item = TypeVar("Item", bound=View)


class Page(View, Generic[Item]):
    """One page of a list; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None = None


class AlertSummary(View):
    """An alert as its newest version stands; `live`: one is out, whatever the newest waits for.

    A rejected update changes nothing of what went out, so it is the version before that counts.
    """

    id: str
    programme: str
    status: str
    case_reference: str
    state: str
    live: bool
    version: int
    created_at: datetime
    expires_at: datetime


class ApprovalView(View):
    role: str
    person: str
    reference: str
    at: datetime
    voided_at: datetime | None


class VersionView(View):
    """`missing` names the roles that nobody has approved in yet; `facts` is null unless allowed."""

    number: int
    kind: Kind
    state: str
    revision: int
    identifier: str | None
    digest: str | None
    rule_set_version: int
    regions: list[str]
    languages: list[str]
    created_by: str
    created_at: datetime
    submitted_at: datetime | None
    sent_at: datetime | None
    expires_at: datetime
    closed_at: datetime | None
    closed_reason: str | None
    approvals: list[ApprovalView]
    missing: list[str]
    facts: ChildAlert | None = None


class AlertView(View):
    """`versions` has the newest first; its state is the alert's."""

    id: str
    programme: str
    status: str
    case_reference: str
    state: str
    created_by: str
    created_at: datetime
    purged_at: datetime | None
    live_version: int | None
    versions: list[VersionView]


class DeliveryView(View):
    id: int
    kind: Kind
    variant: str
    occurrence: int
    channel: str
    address: str
    language: str
    state: str
    attempts: int
    next_at: datetime | None
    reason: str | None
    sent_at: datetime | None
    delivered_at: datetime | None


class DeadLetter(DeliveryView):
    alert_id: str
    case_reference: str


class Tally(View):
    """How many are in a state now; a state that all have left keeps its instants."""

    count: int
    first_at: datetime | None
    last_at: datetime | None


class ChannelProgress(View):
    """`states` counts the deliveries that are now in each state."""

    channel: str
    planned: int
    states: dict[str, Tally]


class DispatchProgress(View):
    kind: Kind
    variant: str
    occurrence: int
    identifier: str
    exercise: bool
    sent_at: datetime
    deadline_at: datetime
    expanded_at: datetime | None
    stopped_at: datetime | None
    channels: list[ChannelProgress]


class ProgressView(View):
    """`planned` is final for a dispatch once `expanded_at` is set."""

    alert_id: str
    as_of: datetime
    dispatches: list[DispatchProgress]


class LanguageForecast(View):
    """`parts_each` is how many parts a text message has; null where there are none."""

    language: str
    addresses: int
    parts_each: int | None


class RegionForecast(View):
    """Whoever is in several regions counts in one; `region` is null for those told before alone."""

    region: str | None
    addresses: int


class ChannelForecast(View):
    """`finishes_at` is null where no rate is set: such a channel is as fast as its peers.

    `cost` is null where no price is set.
    """

    channel: str
    addresses: int
    languages: list[LanguageForecast]
    regions: list[RegionForecast]
    rate_per_s: float | None
    finishes_at: datetime | None
    cost: Decimal | None = None
    currency: str | None = None


class Forecast(View):
    """What the newest version would do if it were activated at `as_of`.

    The addresses were counted at `counted_at`, some minutes before at most.
    """

    alert_id: str
    version: int
    as_of: datetime
    counted_at: datetime
    channels: list[ChannelForecast]


class RecipientView(View):
    id: int
    label: str
    recipient_class: str
    channel: str
    address: str
    language: str
    regions: list[str]
    exercise: bool
    consent: str
    consent_at: datetime
    created_at: datetime
    ended_at: datetime | None
    suppressed_at: datetime | None
    suppressed_reason: str | None


class AuditEntry(View):
    seq: int
    at: datetime
    actor: str
    action: str
    alert_id: str | None
    body: str
    previous: str
    hash: str


class PhotoTaken(View):
    """`digest` is what `children[].photo` of an alert may say, for 24 hours."""

    digest: str
    width: int
    height: int


class TakedownStep(View):
    at: datetime
    action: str
    actor: str


class TakenDown(View):
    """Something public that was the alert's. `gone_at`: when it was seen to be gone from there."""

    what: str
    address: str
    over_at: datetime | None
    gone_at: datetime | None


class Told(View):
    """How many a channel reached with the alert, and where the end to them stands."""

    channel: str
    reached: int
    end: dict[str, int]
    recalled: int
    recallable: bool  # what it handed over can be taken back by the one who has it


class EndpointAnswer(View):
    """`asked` counts the end itself and the reminders after it."""

    address: str
    state: str
    asked: int
    acknowledged_at: datetime | None


class TakedownView(View):
    """What an end came to: what is gone, who was told, who says that it deleted what it had."""

    alert_id: str
    case_reference: str
    status: str
    state: str
    reason: str | None
    as_of: datetime
    timeline: list[TakedownStep]
    taken_down: list[TakenDown]
    told: list[Told]
    endpoints: list[EndpointAnswer]
    not_recallable: list[str]


class DeletionView(View):
    """Something of an alert that is gone for good; `count` tells how much there was of it."""

    id: int
    alert_id: str
    what: What
    ground: Ground
    by: str
    at: datetime
    count: int


class Count(View):
    """`count` is null where it is so small that it might tell of somebody."""

    name: str
    count: int | None


class Reach(View):
    """Messages of alerts and updates, the first sending and every one that follows."""

    channel: str
    alerts: int
    planned: int
    reached: int


class StageTime(View):
    """`median_s` and `longest_s` are null where too few alerts came through the stage."""

    stage: str
    alerts: int
    median_s: float | None
    longest_s: float | None


class StatisticsView(View):
    """Alerts first activated from `since` on and before `until`, counted without identity."""

    as_of: datetime
    status: str
    since: datetime
    until: datetime
    small_below: int
    alerts: int
    months: list[Count]
    programmes: list[Count]
    kinds: list[Count]
    outcomes: list[Count]
    regions: list[Count]
    reach: list[Reach]
    stages: list[StageTime]


# --- answers of the API that are no pages ----------------------------------------------------


class Accepted(View):
    """What a change came to."""

    id: str
    state: str
    warnings: list[str] = []  # what its submitter should tell an operator


class ApprovalTaken(Accepted):
    """`missing` names the roles that nobody has approved in yet."""

    activated: bool
    missing: list[str]


class Requeued(View):
    id: int
    state: str


class NewRecipient(View):
    """`secret` signs what a new webhook is sent; it is shown here and never again."""

    id: int
    outcome: str  # added, or of one that was known: changed, unchanged
    secret: str | None = None


class RenditionView(View):
    """`text` is the bytes decoded, with `{{name}}` where a slot is still open."""

    kind: Kind
    variant: str
    channel: str
    language: str
    form: str
    media_type: str
    digest: str
    text: str


class RenditionsView(View):
    """`digest` is what to approve; `you_may_approve_as` are this person's roles still open."""

    alert_id: str
    version: int
    state: str
    digest: str | None
    missing: list[str]
    you_may_approve_as: list[str]
    your_approval_would_activate: bool
    renditions: list[RenditionView]
