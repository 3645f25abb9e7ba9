"""Webhooks by Standard Webhooks 1.0.0: signed JSON to an address that its owner chose."""

import hmac
import json
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address
from types import TracebackType
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from yarl import URL

from alertd.channel import Composed, Environment, Message, Pace, Receipt, Slot
from alertd.core.errors import InvalidAlert, Problem, Reason, Undeliverable
from alertd.core.rendition import Kind, fill, mark
from alertd.courier import Courier
from alertd.exchange import PeerClocks, clock_gap, refusal, retry_after
from alertd.guard import Guard

TYPES = {
    Kind.ALERT: "alert.published",
    Kind.UPDATE: "alert.updated",
    Kind.END: "alert.ended",
    Kind.CORRECTION: "alert.corrected",
    Kind.EXPIRY: "alert.expired",
}
ENDS = frozenset({Kind.END, Kind.CORRECTION, Kind.EXPIRY})
IDENTITY = ("alert_id", "identifier", "status", "language", "link", "cap_url")
SLOW_SHARE = 4  # endpoints that hang, to each that answers
LARGEST_BODY = 20_000  # what the standard lets a receiver count on

_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_-]{1,63}")
_BLANK_OR_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\\]")


class WebhookSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(
        default=15, description="Longest wait for an endpoint's answer, connecting included."
    )
    connect_timeout_s: Annotated[float, Field(gt=0, le=30)] = Field(
        default=5, description="Longest wait for a connection, DNS and TLS included."
    )
    concurrency: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=64,
        description="Requests in flight over all endpoints; beside them, four times as many to "
        "endpoints that have not answered for a second.",
    )
    concurrency_per_host: Annotated[int, Field(ge=1, le=100)] = Field(
        default=8, description="Requests in flight to one endpoint host."
    )
    http_hosts: tuple[str, ...] = Field(
        default=(), description="Host names that may be written to without TLS (http://)."
    )
    ping_url: str | None = Field(
        default=None,
        description="An endpoint of ours, or of a partner who agreed, that is sent a signed ping "
        "as the channel's link test: https://hooks.example.org/ping.",
    )
    ping_secret: SecretStr | None = Field(
        default=None, description="The secret that pings are signed with (`whsec_...`)."
    )

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if (self.ping_url is None) != (self.ping_secret is None):
            raise ValueError("ping_url and ping_secret go together")
        return self


class WebhookChannel:
    name: ClassVar[str] = "webhook"
    Settings: ClassVar[type[BaseModel]] = WebhookSettings
    templates: ClassVar[tuple[str, ...]] = ("headline.txt", "description.txt", "instruction.txt")
    idempotent: ClassVar[bool] = True  # by webhook-id

    def __init__(self, settings: WebhookSettings, *, environment: Environment) -> None:
        self.settings = settings
        self._clocks = PeerClocks()
        self._guard = Guard(environment.allow_addresses)
        self._courier = Courier(
            connections=(1 + SLOW_SHARE) * settings.concurrency,
            per_host=settings.concurrency_per_host,
            connect_s=settings.connect_timeout_s,
            total_s=settings.timeout_s,
            guard=self._guard,
        )

    def compose(self, texts: Mapping[str, str], context: Mapping[str, Any]) -> list[Composed]:
        """Make the JSON body: the typed facts of `context["data"]` and one language's texts."""
        if (kind := TYPES.get(context["kind"])) is None:
            return []  # officials are asked by other channels
        data = {name: context[name] for name in IDENTITY if context.get(name)}
        data |= context["data"]
        data |= {name.removesuffix(".txt"): texts[name].strip() for name in self.templates}
        if context["kind"] in ENDS:
            data["acknowledge_url"] = mark(Slot.ACK_LINK)
        payload = {"type": kind, "timestamp": mark(Slot.SENT), "data": data}
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        if len(body) > LARGEST_BODY:
            problem = f"too long: a webhook carries {LARGEST_BODY} bytes, this is {len(body)}"
            raise InvalidAlert([Problem("circumstances", problem)])
        return [Composed("application/json", body)]

    def normalize(self, address: str) -> str:
        address = address.strip()
        try:
            parts = urlsplit(address)
            host, port = _host(parts.hostname or ""), parts.port
        except ValueError:  # UnicodeError, an impossible port or bracket
            raise Undeliverable(Reason.ADDRESS_INVALID) from None
        wrong = (
            len(address) > 500
            or _BLANK_OR_CONTROL.search(address)
            or "@" in parts.netloc
            or "#" in address
            or parts.scheme not in {"https", "http"}
            or (parts.scheme == "http" and not self._may_be_plain(host))
        )
        if wrong:
            raise Undeliverable(Reason.ADDRESS_INVALID)
        authority = f"[{host}]" if ":" in host else host
        if port is not None and port != (443 if parts.scheme == "https" else 80):
            authority += f":{port}"
        query = f"?{parts.query}" if parts.query else ""
        return str(URL(f"{parts.scheme}://{authority}{parts.path or '/'}{query}"))

    @property
    def pace(self) -> Pace:
        set_ = self.settings
        slow = SLOW_SHARE * set_.concurrency
        return Pace(set_.concurrency, set_.concurrency_per_host, slow=slow)

    @property
    def clock_gap_s(self) -> float:
        return self._clocks.gap_s

    def lane(self, address: str) -> str:
        url = URL(address, encoded=True)
        return f"{self.name}/{url.raw_host}:{url.port}"

    async def send(self, message: Message) -> Receipt:
        parts = message.prepared.parts
        body = fill(parts, _slots(message)) if len(parts) != 1 else fill(parts, {})
        answer = await self._courier.post(message.address, _headers(message, body), body)
        self._clocks.heard(answer.header, message.now)
        if 200 <= answer.status < 300:
            return Receipt("delivered", detail=str(answer.status))
        wait_s = retry_after(answer.header("Retry-After"), message.now)
        raise refusal(answer.status, wait_s, clock_gap(answer.header("Date"), message.now))

    async def test_link(self, now: datetime) -> str | None:
        """Send the endpoint that is configured for it a signed ping."""
        set_ = self.settings
        if set_.ping_url is None or set_.ping_secret is None:
            return None
        at = now.isoformat(timespec="seconds")
        body = json.dumps({"type": "alertd.ping", "timestamp": at, "data": {}}).encode()
        stamp = int(now.timestamp())
        headers = _signed(f"ping-{stamp}", stamp, set_.ping_secret.get_secret_value(), body)
        answer = await self._courier.post(self.normalize(set_.ping_url), headers, body)
        self._clocks.heard(answer.header, now)
        if not 200 <= answer.status < 300:
            raise refusal(answer.status, retry_after(answer.header("Retry-After"), now))
        return str(answer.status)

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

    def _may_be_plain(self, host: str) -> bool:
        if host in self.settings.http_hosts:
            return True
        try:
            return self._guard.allow_lists(host)
        except ValueError:
            return False


def _host(host: str) -> str:
    """Give a host's one spelling: lower case, punycode, IP literals as they are written.

    Raises ValueError, also for the numeric forms that resolvers take for an address: `127.1`.
    """
    if "%" in host:  # an IPv6 zone means something to one machine only
        raise ValueError
    if ":" in host:
        return ip_address(host).compressed
    host = host.rstrip(".").encode("idna").decode().lower()
    last = host.rpartition(".")[2]
    if last.isdigit() or last.startswith("0x"):
        return str(ip_address(host))
    if not _HOST.fullmatch(host):
        raise ValueError
    return host


def _slots(message: Message) -> dict[Slot, bytes]:
    def text(value: str) -> bytes:
        return json.dumps(value, ensure_ascii=False)[1:-1].encode()

    return {
        Slot.DELIVERY_ID: text(message.delivery_id),
        Slot.ADDRESS: text(message.address),
        Slot.OWN_LINK: text(message.own_link),
        Slot.ACK_LINK: text(message.ack_link),
        Slot.SENDING_DATE: message.now.isoformat(timespec="seconds").encode(),
        Slot.THREAD: text(message.thread),
    }


def _headers(message: Message, body: bytes) -> list[str]:
    stamp = int(message.now.timestamp())
    headers = _signed(message.delivery_id, stamp, message.secret, body)
    return [*headers, "Alertd-Repeat: true"] if message.repeat else headers


def _signed(message_id: str, stamp: int, secrets: str, body: bytes) -> list[str]:
    signed = b"%b.%d.%b" % (message_id.encode(), stamp, body)
    return [
        "Content-Type: application/json",
        "User-Agent: alertd",
        f"webhook-id: {message_id}",
        f"webhook-timestamp: {stamp}",
        f"webhook-signature: {_signatures(secrets, signed)}",
    ]


def _signatures(secrets: str, signed: bytes) -> str:
    """Sign with every secret: there are two while one replaces the other."""
    try:
        keys = [b64decode(each.removeprefix("whsec_"), validate=True) for each in secrets.split()]
    except (Base64Error, ValueError):
        keys = []
    if not keys or not all(keys):
        raise Undeliverable(Reason.CREDENTIALS, "secret")
    return " ".join(f"v1,{b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys)
