"""The feeds: what is sent to `public/el` stands in the public feed of that language.

Sending marks the entry public, and alertd.publishing builds the feed from the entries: the only
I/O is the link test, which fetches our own feed as a reader would.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict

from alertd.channel import Composed, Environment, Message, Pace, Receipt, Slot
from alertd.core.errors import Reason, Undeliverable, Unsent
from alertd.core.rendition import Kind, mark
from alertd.courier import Courier

_ADDRESS = re.compile(r"(public|exercise)/([a-z]{2,3})((-[a-z0-9]{2,8})*)", re.IGNORECASE)


class FeedSettings(BaseModel):
    """The feeds have no settings of their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FeedChannel:
    name: ClassVar[str] = "feed"
    Settings: ClassVar[type[BaseModel]] = FeedSettings
    templates: ClassVar[tuple[str, ...]] = ("title.txt", "summary.txt", "page.html")
    idempotent: ClassVar[bool] = True
    pace: Pace = Pace(concurrency=2, per_lane=2)

    def __init__(self, settings: FeedSettings, *, environment: Environment) -> None:
        self.settings = settings
        self._own_feed = f"{environment.public_url}/feeds/rss.xml"
        self._courier = Courier(connections=1, per_host=1, connect_s=5, total_s=15)

    def compose(self, texts: Mapping[str, str], context: Mapping[str, Any]) -> list[Composed]:
        """Make an entry as JSON and the page it leads to; officials are not asked by feed."""
        if context["kind"] in (Kind.REQUEST, Kind.NOTICE):
            return []
        entry = {
            "identifier": context["identifier"],
            "status": context["status"],
            "category": context["category"],
            "language": context["language"],
            "title": " ".join(texts["title.txt"].split()),
            "summary": texts["summary.txt"].strip(),
            "link": context["link"],
            "cap_url": context["cap_url"],
            "regions": context["data"]["area"]["regions"],
            "shape": context["shape"],
            "sent": mark(Slot.SENT),
            "published": mark(Slot.SENT_RFC822),
        }
        body = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()
        return [
            Composed("application/json", body, form="entry"),
            Composed("text/html; charset=utf-8", texts["page.html"].encode(), form="page"),
        ]

    def normalize(self, address: str) -> str:
        match = _ADDRESS.fullmatch(address.strip())
        if match is None:
            raise Undeliverable(Reason.ADDRESS_INVALID)
        audience, language, subtags, _ = match.groups()
        # RFC 5646 2.1.1: regions in capitals, scripts in title case, the rest small.
        shaped = [
            tag.upper() if len(tag) == 2 else tag.title() if len(tag) == 4 else tag.lower()
            for tag in subtags.split("-")
        ]
        return f"{audience.lower()}/{language.lower()}{'-'.join(shaped)}"

    def lane(self, address: str) -> str:
        return self.name

    async def send(self, message: Message) -> Receipt:
        return Receipt("delivered")

    async def test_link(self, now: datetime) -> str | None:
        """Fetch our public feed where the world finds it."""
        answer = await self._courier.get(self._own_feed)
        if answer.status != 200:
            raise Unsent(Reason.SERVER_ERROR, str(answer.status))
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
