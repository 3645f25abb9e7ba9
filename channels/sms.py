"""SMS through Twilio's official SDK; delivery is confirmed by signed status callbacks."""

import logging
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import phonenumbers
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from alertd.channel import Composed, Environment, Message, Pace, Price, Receipt, Report, Slot
from alertd.core.errors import (
    ChannelDown,
    NotAllowed,
    Reason,
    SendError,
    Throttled,
    Uncertain,
    Undeliverable,
    Unsent,
)
from alertd.core.rendition import fill
from alertd.courier import Courier
from alertd.exchange import PeerClocks, retry_after

LONGEST_VALIDITY_S = 36_000  # Twilio's own bound, and what it takes when told nothing
ASKED = 50  # messages to one number, the newest, among which a lost one is looked for
SKEW = timedelta(minutes=5)  # by which Twilio's clock may be behind ours

_NUMBER = re.compile(r"\+[0-9][0-9 ()./-]{2,30}")


class SmsSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    account_sid: str = Field(
        pattern=r"^AC[0-9a-f]{32}$",
        description="The Twilio account's SID.",
        examples=["AC00000000000000000000000000000000"],
    )
    auth_token: SecretStr = Field(description="Its auth token; also checks status callbacks.")
    sender: str | None = Field(
        default=None,
        pattern=r"^(\+[1-9][0-9]{4,14}|[0-9]{3,8}|[A-Za-z][A-Za-z0-9 _+&-]{0,10})$",
        description="The number, short code or name (at most 11 characters) to send from.",
        examples=["Example"],
    )
    messaging_service_sid: str | None = Field(
        default=None,
        pattern=r"^MG[0-9a-f]{32}$",
        description="A Messaging Service with many senders, in place of `sender`.",
    )
    base_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+$",
        description="Where the API answers, when not at api.twilio.com.",
    )
    validity_cap_s: Annotated[int, Field(ge=1, le=LONGEST_VALIDITY_S)] = Field(
        default=14_400, description="Longest wait in Twilio's queue, whatever the deadline."
    )
    rate_per_s: Annotated[float, Field(gt=0, le=10_000)] = Field(
        default=50,
        description="Messages a second, of however many parts; Twilio carries parts a second.",
    )
    concurrency: Annotated[int, Field(ge=1, le=500)] = Field(
        default=32, description="Requests in flight to Twilio."
    )
    timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(
        default=15, description="Longest wait for Twilio's answer, connecting included."
    )
    connect_timeout_s: Annotated[float, Field(gt=0, le=30)] = Field(
        default=5, description="Longest wait for a connection."
    )

    price: Annotated[Decimal, Field(gt=0, le=1000)] | None = Field(
        default=None,
        description="What one part costs: the cost of an alert is then told before it goes out.",
        examples=[0.045],
    )
    currency: str = Field(
        default="EUR", pattern=r"^[A-Z]{3}$", description="What `price` is in, by ISO 4217."
    )

    @model_validator(mode="after")
    def _has_one_sender(self) -> Self:
        if (self.sender is None) == (self.messaging_service_sid is None):
            raise ValueError("give either sender or messaging_service_sid")
        return self


class SmsChannel:
    name: ClassVar[str] = "sms"
    Settings: ClassVar[type[BaseModel]] = SmsSettings
    templates: ClassVar[tuple[str, ...]] = ("text.txt",)
    idempotent: ClassVar[bool] = False

    def __init__(self, settings: SmsSettings, *, environment: Environment) -> None:
        self.settings = settings
        self._callback = f"{environment.public_url}/callbacks/{self.name}"
        self._validator = RequestValidator(settings.auth_token.get_secret_value())
        self._courier = Courier(
            connections=settings.concurrency,
            per_host=settings.concurrency,
            connect_s=settings.connect_timeout_s,
            total_s=settings.timeout_s,
        )
        self._clocks = PeerClocks()
        self._client = _client(settings, Http(self._courier, self._clocks))

    @property
    def price(self) -> Price | None:
        amount = self.settings.price
        return Price(amount, self.settings.currency) if amount is not None else None

    def compose(self, texts: Mapping[str, str], context: Mapping[str, Any]) -> list[Composed]:
        return [Composed("text/plain", texts["text.txt"].strip().encode())]

    def normalize(self, address: str) -> str:
        if not _NUMBER.fullmatch(address.strip()):
            raise Undeliverable(Reason.ADDRESS_INVALID)
        try:
            number = phonenumbers.parse(address)
        except phonenumbers.NumberParseException:
            raise Undeliverable(Reason.ADDRESS_INVALID) from None
        # Not is_valid_number: numbers reserved for fiction serve exercises.
        if not phonenumbers.is_possible_number(number):
            raise Undeliverable(Reason.ADDRESS_INVALID)
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    @property
    def pace(self) -> Pace:
        set_ = self.settings
        return Pace(set_.concurrency, set_.concurrency, set_.rate_per_s)

    @property
    def clock_gap_s(self) -> float:
        return self._clocks.gap_s

    def lane(self, address: str) -> str:
        return self.name

    async def send(self, message: Message) -> Receipt:
        left_s = int((message.deadline_at - message.now).total_seconds())
        body = fill(message.prepared.parts, _slots(message)).decode()
        sender = (
            {"from_": self.settings.sender}
            if self.settings.sender
            else {"messaging_service_sid": self.settings.messaging_service_sid}
        )
        with _understood(message.now):
            created = await self._client.messages.create_async(
                to=message.address,
                body=body,
                validity_period=max(1, min(left_s, self.settings.validity_cap_s)),
                status_callback=f"{self._callback}?delivery={quote(message.delivery_id, safe='')}",
                **sender,
            )
        if not created.sid:
            raise Uncertain(Reason.BAD_ANSWER)
        return Receipt("sent", provider_ref=created.sid)

    async def find(self, message: Message) -> Receipt | None:
        """Look for the same words to the same number since the dispatch began.

        Twilio keeps no reference of ours. Words that it has altered are not found: sent twice
        rather than not at all.
        """
        body = fill(message.prepared.parts, _slots(message)).decode().strip()
        since = message.sent_at - SKEW
        with _understood(message.now):
            page = await self._client.messages.page_async(to=message.address, page_size=ASKED)
            for each in page:  # the newest first
                state = _STATES.get(str(each.status), "failed")
                if state != "failed" and each.date_created >= since and each.body.strip() == body:
                    return Receipt(state, provider_ref=each.sid, detail="found")
        return None

    async def test_link(self, now: datetime) -> str | None:
        """Fetch our account: credentials hold, Twilio answers, and it is not suspended."""
        with _understood(now):
            account = await self._client.api.accounts(self.settings.account_sid).fetch_async()
        if account.status != "active":
            raise ChannelDown(Reason.CREDENTIALS, str(account.status)[:40])
        return "200"

    @property
    def can_recall(self) -> bool:
        """Tell whether messages wait at Twilio: only those of a Messaging Service do."""
        return self.settings.messaging_service_sid is not None

    async def recall(self, provider_ref: str) -> bool:
        try:
            changed = await self._client.messages(provider_ref).update_async(status="canceled")
        except TooManyRequests:
            raise Throttled(None, "429") from None
        except (TwilioRestException, TwilioServiceException) as error:
            if error.status in {400, 404, 409}:  # it has left the queue
                return False
            raise refusal(error.status, _number(error.code)) from None
        except (ValueError, TypeError, AttributeError):
            raise Uncertain(Reason.BAD_ANSWER) from None
        return str(changed.status) == "canceled"

    def report(self, url: str, headers: Mapping[str, str], body: bytes) -> Report | None:
        """Read a status callback; None when it tells nothing about a delivery."""
        query = urlsplit(url).query
        # Twilio signed the URL that it was given, whatever a proxy has made of it since.
        public = f"{self._callback}?{query}" if query else self._callback
        fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        signature = headers.get("X-Twilio-Signature", "")
        if not self._validator.validate(public, fields, signature):
            raise NotAllowed("the callback's signature does not hold")
        delivery_id = parse_qs(query).get("delivery", [""])[0]
        return _report(delivery_id, fields) if delivery_id else None

    async def __aenter__(self) -> Self:
        await self._courier.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._courier.__aexit__(kind, error, trace)


@contextmanager
def _understood(now: datetime) -> Iterator[None]:
    """Raise what it means that Twilio refuses, or says what nobody can read."""
    try:
        yield
    except TooManyRequests as error:
        raise Throttled(retry_after(error.retry_after, now), "429") from None
    except (TwilioRestException, TwilioServiceException) as error:
        raise refusal(error.status, _number(error.code)) from None
    except TwilioException as error:  # of a page, with the answer as its second argument
        raise refusal(error.args[1].status_code, 0) from None
    except (ValueError, TypeError, AttributeError, IndexError):  # not what was asked for
        raise Uncertain(Reason.BAD_ANSWER) from None


def _client(settings: SmsSettings, http: "Http") -> Any:
    client = Client(
        account_sid=settings.account_sid,
        credential_provider=Login(settings),
        http_client=http,
        # Not empty, or the SDK reads the process's TWILIO_ variables.
        environment={"TWILIO_EDGE": ""},
    )
    if settings.base_url:
        client.api.base_url = settings.base_url
    return client


class Http(AsyncHttpClient):  # type: ignore[misc]
    """Carries the SDK's requests; its own client knows no bounds, and logs what it carries."""

    def __init__(self, courier: Courier, clocks: PeerClocks) -> None:
        super().__init__(logging.getLogger("alertd.twilio"), is_async=True)
        self._courier = courier
        self._clocks = clocks

    async def request(self, method: str, uri: str, **options: Any) -> Response:
        if method not in {"GET", "POST"}:
            raise NotImplementedError(method)
        if options["params"]:
            uri = f"{uri}?{urlencode(options['params'])}"
        lines = [f"{name}: {value}" for name, value in options["headers"].items()]
        if method == "GET":
            answer = await self._courier.get(uri, lines)
        else:
            answer = await self._courier.post(uri, lines, urlencode(options["data"]).encode())
        self._clocks.heard(answer.header, datetime.now(UTC))
        if answer.status == 429:
            raise TooManyRequests(answer.header("Retry-After"))
        return Response(answer.status, answer.body.decode())


class Login:
    """Basic authentication, worked out once."""

    def __init__(self, settings: SmsSettings) -> None:
        token = settings.auth_token.get_secret_value()
        pair = f"{settings.account_sid}:{token}"
        self._header = f"Basic {b64encode(pair.encode()).decode()}"

    def to_auth_strategy(self) -> Self:
        return self

    def get_auth_string(self) -> str:
        return self._header


class TooManyRequests(Exception):
    """HTTP 429, with the header that the SDK's own exceptions leave out."""

    def __init__(self, retry_after: str) -> None:
        self.retry_after = retry_after
        super().__init__(self.__doc__)


def _slots(message: Message) -> dict[Slot, bytes]:
    values = {
        Slot.DELIVERY_ID: message.delivery_id,
        Slot.ADDRESS: message.address,
        Slot.OWN_LINK: message.own_link,
        Slot.SENDING_DATE: message.now.isoformat(timespec="seconds"),
        Slot.THREAD: message.thread,
    }
    return {slot: value.encode() for slot, value in values.items()}


# https://www.twilio.com/docs/api/errors
_CODES: dict[int, tuple[type[SendError], Reason]] = {
    20003: (ChannelDown, Reason.CREDENTIALS),
    20005: (ChannelDown, Reason.CREDENTIALS),  # account not active
    20404: (ChannelDown, Reason.CREDENTIALS),  # no such account
    21211: (Undeliverable, Reason.ADDRESS_INVALID),
    21212: (ChannelDown, Reason.CREDENTIALS),  # our sender: malformed
    21408: (Undeliverable, Reason.REJECTED),  # no permission for the country
    21603: (ChannelDown, Reason.CREDENTIALS),  # our sender: missing
    21606: (ChannelDown, Reason.CREDENTIALS),  # our sender: not ours
    21614: (Undeliverable, Reason.ADDRESS_UNREACHABLE),  # not a mobile
    21635: (Undeliverable, Reason.ADDRESS_UNREACHABLE),  # a landline
    21703: (ChannelDown, Reason.CREDENTIALS),  # our Messaging Service has no senders
    30001: (Unsent, Reason.THROTTLED),  # Twilio's queue is full
    30002: (ChannelDown, Reason.CREDENTIALS),  # account suspended
    30003: (Unsent, Reason.ADDRESS_UNREACHABLE),  # switched off, out of reach
    30004: (Undeliverable, Reason.REJECTED),  # blocked
    30005: (Undeliverable, Reason.ADDRESS_UNREACHABLE),  # unknown handset
    30006: (Undeliverable, Reason.ADDRESS_UNREACHABLE),  # landline
    30007: (Undeliverable, Reason.REJECTED),  # filtered
    30008: (Unsent, Reason.ADDRESS_UNREACHABLE),  # unknown, but of the phone's own network
    30036: (Undeliverable, Reason.EXPIRED),  # its validity passed in Twilio's queue
}
_OUR_FAULT = {401, 403, 404}


def refusal(status: int, code: int) -> SendError:
    """Say what an HTTP status and a Twilio code mean; `code` is 0 when there is none."""
    if code == 20429 or status == 429:
        return Throttled(None, str(code or status))
    if code == 21610:
        return Undeliverable(Reason.OPTED_OUT, str(code), suppress=True)
    if code in _CODES:
        meaning, reason = _CODES[code]
        return meaning(reason, str(code))
    detail = str(code or status)
    if status in _OUR_FAULT:
        return ChannelDown(Reason.CREDENTIALS, detail)
    if 400 <= status < 500:
        return Undeliverable(Reason.REJECTED, detail)
    return Unsent(Reason.SERVER_ERROR, detail)


_STATES: dict[str, Literal["sent", "delivered", "failed"]] = {
    "accepted": "sent",
    "scheduled": "sent",
    "queued": "sent",
    "sending": "sent",
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}


def _report(delivery_id: str, fields: Mapping[str, str]) -> Report | None:
    state = _STATES.get(fields.get("MessageStatus", ""))
    reference = fields.get("MessageSid", "")[:100]
    if state is None:
        return None
    if state != "failed":
        return Report(delivery_id, state, reference)
    why = refusal(0, _number(fields.get("ErrorCode")))
    return Report(
        delivery_id,
        state,
        reference,
        reason=why.reason,
        detail=why.detail,
        retry=not isinstance(why, Undeliverable),
        suppress=isinstance(why, Undeliverable) and why.suppress,
    )


def _number(code: object) -> int:
    text = str(code)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
