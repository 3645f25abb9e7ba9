"""The WebSub hub (W3C Recommendation of 2018): subscribing to the Atom feeds.

A request is answered at once and confirmed in the background: the subscriber must repeat a
challenge at its callback, which is asked through the same address guard as webhooks.
"""

import asyncio
import hmac
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import parse_qsl

import structlog
from aiohttp import web
from yarl import URL

from alertd.core.errors import AlertdError, Busy, NotAllowed, Problem, Undeliverable
from alertd.courier import Answer
from alertd.pipeline import websub
from alertd.pipeline.websub import Subscription
from alertd.publishing.selection import Site
from alertd.tools import Tools
from alertd.web.bodies import read_bytes
from alertd.web.problems import InvalidRequest

log = structlog.get_logger(__name__)

LARGEST = 16 * 1024
WAITING = 200  # confirmations in the queue; beyond it subscribers are told to come again
WAITING_OF_HOST = 5
CONFIRMERS = 4
LONGEST_SECRET = 200  # bytes, W3C WebSub 5.1

_TOPIC = re.compile(
    r"/feeds/(?P<exercise>exercise/)?(?:(?P<language>[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)/)?"
    r"(?:(?P<region>[A-Z]{2}(?:-[A-Z0-9]{1,3})?)/)?atom\.xml"
)


class Subscribers(Protocol):
    """What the hub needs of the channel that writes to subscribers."""

    @property
    def settings(self) -> Any: ...

    def normalize(self, address: str) -> str: ...

    def lane(self, address: str) -> str: ...

    async def verify(self, callback: str) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Intent:
    """A request that has yet to be confirmed."""

    mode: str
    callback: str = field(repr=False)
    topic: str
    lane: str
    subscription: Subscription


class Hub:
    """Takes subscribers' requests and confirms them; `run` works until cancelled."""

    def __init__(self, tools: Tools, channel: Subscribers) -> None:
        self._tools = tools
        self._channel = channel
        self._site = Site.of(tools)
        self._queue: asyncio.Queue[Intent] = asyncio.Queue(WAITING)
        self._of_host: Counter[str] = Counter()

    async def receive(self, request: web.Request) -> web.Response:
        """Take a request to subscribe or to unsubscribe: 202, or a problem."""
        body = await read_bytes(request, LARGEST)
        intent = self._read(dict(parse_qsl(body.decode(errors="replace"))))
        await self._refuse_when_full(intent)
        if self._of_host[intent.lane] >= WAITING_OF_HOST or self._queue.full():
            raise Busy("too many subscriptions wait for their confirmation")
        self._of_host[intent.lane] += 1
        self._queue.put_nowait(intent)
        return web.Response(status=202, text="will be confirmed at your callback\n")

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(CONFIRMERS):
                group.create_task(self._confirm_always())

    async def _confirm_always(self) -> None:
        while True:
            intent = await self._queue.get()
            try:
                await self._confirm(intent)
            except AlertdError as error:
                log.info("websub.unconfirmed", lane=intent.lane, why=type(error).__name__)
            finally:
                self._of_host[intent.lane] -= 1

    async def _confirm(self, intent: Intent) -> None:
        challenge = secrets.token_urlsafe(24)
        asked = {"hub.mode": intent.mode, "hub.topic": intent.topic, "hub.challenge": challenge}
        if intent.mode == "subscribe":
            asked["hub.lease_seconds"] = str(int(intent.subscription.lease.total_seconds()))
        answer = await self._channel.verify(str(URL(intent.callback).update_query(asked)))
        repeated = hmac.compare_digest(answer.body.strip(), challenge.encode())
        if not (200 <= answer.status < 300 and repeated):
            log.info("websub.unconfirmed", lane=intent.lane, status=answer.status)
        elif intent.mode == "subscribe":
            await websub.subscribe(self._tools, intent.subscription)
            log.info("websub.subscribed", lane=intent.lane)
        else:
            await websub.unsubscribe(self._tools, intent.subscription.address)
            log.info("websub.unsubscribed", lane=intent.lane)

    async def _refuse_when_full(self, intent: Intent) -> None:
        settings = self._channel.settings
        free = await self._tools.store.read(
            websub.room,
            intent.lane,
            most=settings.max_subscriptions,
            most_of_host=settings.max_per_host,
        )
        if intent.mode == "subscribe" and not free:
            raise NotAllowed("this hub takes no more subscriptions of this host")

    def _read(self, form: Mapping[str, str]) -> Intent:
        """Read the form; raises InvalidRequest with every problem."""
        problems: list[Problem] = []
        mode = form.get("hub.mode", "")
        if mode not in {"subscribe", "unsubscribe"}:
            problems.append(Problem("hub.mode", "must be subscribe or unsubscribe"))
        topic = form.get("hub.topic", "")
        match = _TOPIC.fullmatch(topic.removeprefix(self._tools.public_url))
        if match is None or not topic.startswith(self._tools.public_url):
            problems.append(Problem("hub.topic", "must be the address of one of our Atom feeds"))
        lease, secret = form.get("hub.lease_seconds", ""), form.get("hub.secret", "")
        if lease and not lease.isdecimal():
            problems.append(Problem("hub.lease_seconds", "must be a number of seconds"))
        if len(secret.encode()) >= LONGEST_SECRET:
            problems.append(Problem("hub.secret", f"must be shorter than {LONGEST_SECRET} bytes"))
        callback, path = form.get("hub.callback", ""), topic.removeprefix(self._tools.public_url)
        try:
            address = self._channel.normalize(f"{callback}#{path}")
        except (Undeliverable, ValueError):
            problems.append(Problem("hub.callback", "must be an https:// address of yours"))
            address = ""
        if problems or match is None:
            raise InvalidRequest(problems)
        return self._intent(mode, match, address, lease, secret)

    def _intent(
        self, mode: str, topic: re.Match[str], address: str, lease: str, secret: str
    ) -> Intent:
        countries = sorted({code.partition("-")[0] for code in self._site.regions})
        language = topic["language"]
        wanted = timedelta(seconds=min(int(lease or 0), 10**9)) or websub.LEASE
        subscription = Subscription(
            address=address,
            language=self._site.known(language) if language else self._site.languages[0],
            regions=(topic["region"],) if topic["region"] else tuple(countries),
            exercise=topic["exercise"] is not None,
            lease=min(max(wanted, websub.SHORTEST), websub.LONGEST),
            secret=secret,
        )
        callback = address.rpartition("#")[0]
        return Intent(
            mode,
            callback,
            f"{self._tools.public_url}{topic.group()}",
            self._channel.lane(address),
            subscription,
        )


def add_hub(app: web.Application, hub: Hub) -> None:
    """Serve `POST /hub`."""
    app.router.add_post("/hub", hub.receive)
