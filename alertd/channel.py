"""The contract of a channel: all that a channel may import from alertd, besides errors.

A channel composes a message from rendered templates (pure, once per language) and sends it
to one address. To add one: a file in channels/, a line in plugins.py (or an entry point of
the group `alertd.channels`), templates, and the conformance suite of alertd.testing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self, runtime_checkable

from pydantic import BaseModel

from alertd.core.rendition import Parts, Rendition, Slot

__all__ = [
    "Callbacks",
    "Channel",
    "Composed",
    "Message",
    "Pace",
    "Prepared",
    "Price",
    "Priced",
    "Recalls",
    "Receipt",
    "Reconciles",
    "Report",
    "Slot",
    "Tested",
    "Timed",
]


@dataclass(frozen=True, slots=True)
class Composed:
    """The bytes a channel sends, slots still open; `form` as in Rendition."""

    media_type: str
    body: bytes
    form: str = "message"


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A rendition with all but the recipient's own slots filled, cut once for all recipients.

    `memo` is the channel's to keep what it computes once per rendition.
    """

    rendition: Rendition
    parts: Parts
    memo: dict[str, Any] = field(default_factory=dict)


class Message(NamedTuple):
    """One rendition for one address."""

    delivery_id: str  # the same on every attempt: webhook-id, Message-ID
    address: str
    prepared: Prepared
    own_link: str  # https URL; shows (GET) and ends (POST) the subscription
    sent_at: datetime  # of the alert
    deadline_at: datetime  # after this the message is worthless
    now: datetime
    attempt: int = 1
    repeat: bool = False  # an earlier attempt may have arrived
    ack_link: str = ""  # where to say that what was sent of an ended alert is deleted
    secret: str = ""  # the endpoint's own (webhook: `whsec_...`)
    thread: str = ""  # delivery id of the first message to this address about this alert
    exercise: bool = False


class Receipt(NamedTuple):
    """What the peer gave: `sent` left us, `delivered` is confirmed."""

    state: Literal["sent", "delivered"]
    provider_ref: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a provider says later about one delivery.

    `failed` with `retry` means that the message never arrived and another try may help.
    """

    delivery_id: str
    state: Literal["sent", "delivered", "failed"]
    provider_ref: str = ""
    reason: str = ""  # a value of errors.Reason
    detail: str = ""
    retry: bool = False
    suppress: bool = False  # the address asked never to be written to again


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a channel may go."""

    concurrency: int = 32  # messages in flight from one process
    per_lane: int = 32  # of these, to one endpoint host or provider
    rate_per_s: float | None = None  # messages a second over all processes and nodes
    slow: int = 0  # in flight beside these, once each has taken longer than a second


@dataclass(frozen=True, slots=True)
class Price:
    """What a message costs; one of several parts costs that for each."""

    amount: Decimal
    currency: str  # ISO 4217


class Channel(Protocol):
    """One medium. Opened and closed by `async with`; its Settings are `[channels.NAME]`.

    The constructor takes the validated Settings and keyword `environment: Environment`.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[BaseModel]]
    templates: ClassVar[tuple[str, ...]]  # files per language and kind: `text.txt`, `body.html`
    idempotent: ClassVar[bool]  # receivers drop a repeat of the same delivery_id: retry at will

    @property
    def pace(self) -> Pace: ...

    def compose(self, texts: Mapping[str, str], context: Mapping[str, Any]) -> list[Composed]:
        """Make the bytes to be approved from the rendered `templates`; pure."""
        ...

    def normalize(self, address: str) -> str:
        """Give the one spelling of an address; raises Undeliverable(ADDRESS_INVALID)."""
        ...

    def lane(self, address: str) -> str:
        """Name the lane (provider or endpoint host) that this address shares, `sms/twilio`."""
        ...

    async def send(self, message: Message) -> Receipt:
        """Hand one message over; raises a SendError."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Callbacks(Protocol):
    """A channel whose provider reports later."""

    def report(self, url: str, headers: Mapping[str, str], body: bytes) -> Report | None:
        """Read one provider callback; raises NotAllowed when its signature does not hold."""
        ...


@runtime_checkable
class Tested(Protocol):
    """A channel that can tell whether its peer would take a message now."""

    name: ClassVar[str]

    async def test_link(self, now: datetime) -> str | None:
        """Ask the peer, and give its answer's code; None when there is nobody to ask.

        Nothing is sent to any recipient. Raises a SendError.
        """
        ...


@runtime_checkable
class Priced(Protocol):
    """A channel that knows what its messages cost."""

    @property
    def price(self) -> Price | None: ...


@runtime_checkable
class Reconciles(Protocol):
    """A channel whose provider can be asked what it took."""

    async def find(self, message: Message) -> Receipt | None:
        """Tell what the provider holds of an earlier attempt; None when it never took one.

        What it took and could not deliver counts as never taken. Raises a SendError.
        """
        ...


@runtime_checkable
class Timed(Protocol):
    """A channel whose peers tell what time it is."""

    @property
    def clock_gap_s(self) -> float:
        """Give by how many seconds their clocks are ahead of ours, 0 when none has spoken."""
        ...


@runtime_checkable
class Recalls(Protocol):
    """A channel whose provider may still hold what it was handed."""

    @property
    def can_recall(self) -> bool: ...

    async def recall(self, provider_ref: str) -> bool:
        """Cancel one message; tells whether that came in time. Raises a SendError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What alertd tells every channel about itself."""

    public_url: str  # no trailing slash; callbacks go to {public_url}/callbacks/{channel}
    sender_domain: str  # right side of Message-ID
    allow_addresses: tuple[str, ...] = ()  # CIDR blocks that the address guard lets through
