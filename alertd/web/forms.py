"""What requests may say: bodies and query parameters; whatever else they say is refused."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from alertd.core.delivery import State
from alertd.core.lifecycle import VersionState
from alertd.core.text import Day, LongText, Moment, Text
from alertd.shapes import PAGE

Code = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Nothing(Form):
    """No fields are read here."""


# --- bodies ----------------------------------------------------------------------------------


class ApprovalForm(Form):
    """`digest` is what was read; `reference` names the order, where the rule set asks for one."""

    role: Code
    digest: Digest
    reference: Text | None = None


class ReasonForm(Form):
    reason: LongText


class ExtensionForm(Form):
    expires_at: Moment


class EndForm(Form):
    """Without `confirm: true` nothing is done, and the answer says what would be."""

    reason_code: Code
    why: LongText
    confirm: bool = False


# --- query parameters ------------------------------------------------------------------------


class Draft(Form):
    draft: bool = False


class PageQuery(Form):
    cursor: Annotated[str, Field(pattern=r"^[0-9a-z.-]{1,40}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = PAGE


class AlertsQuery(PageQuery):
    state: VersionState | None = None


class DeliveriesQuery(PageQuery):
    channel: Code | None = None
    state: State | None = None


class RenditionsQuery(Form):
    live: bool = Field(
        default=False,
        description="Show what is out there now and the messages that may follow it, "
        "while a newer version waits for its approvals.",
    )


class AuditQuery(PageQuery):
    alert_id: Annotated[str, Field(pattern=r"^[0-9a-z]{1,20}$")] | None = None


class StatisticsQuery(Form):
    """Days in UTC; `until` is the day after the last one that counts."""

    status: Literal["actual", "exercise", "test"] = "actual"
    since: Day = date(2000, 1, 1)
    until: Day = date(2200, 1, 1)
