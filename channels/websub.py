"""WebSub: alertd is its own hub, and a subscriber's callback is one more recipient.

What is distributed is the Atom feed with the one entry that is new, approved with the rest
(W3C WebSub 7: a hub may send less than the whole topic). An address is `callback#topic`: the
fragment never leaves us, and lets one callback hold several topics.
"""

import hmac
from collections.abc import Mapping
from types import TracebackType
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import urldefrag

from lxml import etree
from pydantic import BaseModel, ConfigDict, Field
from yarl import URL

from alertd.channel import Composed, Environment, Message, Pace, Receipt, Slot
from alertd.core.errors import Reason, Undeliverable
from alertd.core.rendition import Kind, fill, mark
from alertd.courier import Answer, Courier
from alertd.exchange import refusal, retry_after
from alertd.guard import Guard

ATOM = "http://www.w3.org/2005/Atom"
MEDIA_TYPE = "application/atom+xml"
CAP = "application/cap+xml"
SLOW_SHARE = 4  # subscribers that hang, to each that answers


class WebsubSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(
        default=15, description="Longest wait for a subscriber's answer, connecting included."
    )
    concurrency: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=32, description="Requests in flight over all subscribers."
    )
    concurrency_per_host: Annotated[int, Field(ge=1, le=100)] = Field(
        default=4, description="Requests in flight to one subscriber's host."
    )
    http_hosts: tuple[str, ...] = Field(
        default=(), description="Host names that may be written to without TLS (http://)."
    )
    outside_hub: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s]+$",
        description="A hub of somebody else's that is told of every change as well.",
    )
    max_subscriptions: Annotated[int, Field(ge=1)] = Field(
        default=10_000, description="Subscriptions in all; further ones are refused."
    )
    max_per_host: Annotated[int, Field(ge=1)] = Field(
        default=50, description="Subscriptions of one host; further ones are refused."
    )


class WebsubChannel:
    name: ClassVar[str] = "websub"
    Settings: ClassVar[type[BaseModel]] = WebsubSettings
    templates: ClassVar[tuple[str, ...]] = ("title.txt", "summary.txt")
    idempotent: ClassVar[bool] = True  # the same entry twice is the same entry

    def __init__(self, settings: WebsubSettings, *, environment: Environment) -> None:
        self.settings = settings
        self.hub = f"{environment.public_url}/hub"
        self._public_url = environment.public_url
        self._guard = Guard(environment.allow_addresses)
        self._courier = Courier(
            connections=(1 + SLOW_SHARE) * settings.concurrency,
            per_host=settings.concurrency_per_host,
            connect_s=min(5, settings.timeout_s),
            total_s=settings.timeout_s,
            guard=self._guard,
        )

    def compose(self, texts: Mapping[str, str], context: Mapping[str, Any]) -> list[Composed]:
        """Make the topic's feed with this one entry; its own address stays open."""
        if context["kind"] in (Kind.REQUEST, Kind.NOTICE):
            return []
        incident = f"{self._public_url}/a/{context['alert_id']}"
        feed = etree.Element(f"{{{ATOM}}}feed", nsmap={None: ATOM})
        _text(feed, "id", mark(Slot.ADDRESS))
        _text(feed, "title", context["programme_title"])
        _text(feed, "updated", mark(Slot.SENT))
        _link(feed, "self", mark(Slot.ADDRESS))
        _link(feed, "hub", self.hub)
        _text(etree.SubElement(feed, f"{{{ATOM}}}author"), "name", context["programme_title"])
        entry = etree.SubElement(feed, f"{{{ATOM}}}entry")
        _text(entry, "id", incident)  # as in the feed itself: what follows updates this entry
        _text(entry, "title", " ".join(texts["title.txt"].split()))
        _text(entry, "updated", mark(Slot.SENT))
        _text(entry, "summary", texts["summary.txt"].strip())
        _link(entry, "alternate", context["link"], "text/html")
        _link(entry, "alternate", context["cap_url"], CAP)
        body = etree.tostring(feed, xml_declaration=True, encoding="utf-8")
        return [Composed(MEDIA_TYPE, body)]

    def normalize(self, address: str) -> str:
        callback, topic = urldefrag(address.strip())
        url = URL(callback)
        wrong = (
            not topic.startswith("/feeds/")
            or not url.host
            or url.user is not None
            or len(address) > 500
            or url.scheme not in {"https", "http"}
            or (url.scheme == "http" and not self._may_be_plain(url.host))
        )
        if wrong:
            raise Undeliverable(Reason.ADDRESS_INVALID)
        return f"{url}#{topic}"

    @property
    def pace(self) -> Pace:
        set_ = self.settings
        slow = SLOW_SHARE * set_.concurrency
        return Pace(set_.concurrency, set_.concurrency_per_host, slow=slow)

    def lane(self, address: str) -> str:
        url = URL(address)
        return f"{self.name}/{url.raw_host}:{url.port}"

    async def verify(self, callback: str) -> Answer:
        """Ask a subscriber whether it meant it (W3C WebSub 5.3); raises a SendError."""
        return await self._courier.get(callback)

    async def send(self, message: Message) -> Receipt:
        callback, path = urldefrag(message.address)
        topic = f"{self._public_url}{path}"
        body = fill(message.prepared.parts, {Slot.ADDRESS: topic.encode()})
        headers = [
            f"Content-Type: {MEDIA_TYPE}",
            "User-Agent: alertd",
            f'Link: <{self.hub}>; rel="hub", <{topic}>; rel="self"',
        ]
        if message.secret:
            mac = hmac.new(message.secret.encode(), body, "sha256").hexdigest()
            headers.append(f"X-Hub-Signature: sha256={mac}")
        answer = await self._courier.post(callback, headers, body)
        if 200 <= answer.status < 300:
            return Receipt("delivered", detail=str(answer.status))
        raise refusal(answer.status, retry_after(answer.header("Retry-After"), message.now))

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


def _text(parent: etree._Element, tag: str, text: str) -> None:
    etree.SubElement(parent, f"{{{ATOM}}}{tag}").text = text


def _link(parent: etree._Element, rel: str, href: str, media_type: str = "") -> None:
    link = etree.SubElement(parent, f"{{{ATOM}}}link", rel=rel, href=href)
    if media_type:
        link.set("type", media_type)
