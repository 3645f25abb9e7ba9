"""A stand-in for a partner that takes webhooks and checks their signatures."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from alertd.demo.peer import HttpPeer, Inbox, fail, html, page

SECRET = "whsec_" + "c3RhbmQtaW4gZm9yIGEgcGFydG5lcidzIHNlY3JldA=="  # opens nothing


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook whose signature held."""

    path: str
    id: str
    payload: dict[str, Any]
    repeat: bool
    arrived_at: datetime


class WebhookSink(HttpPeer):
    """Takes webhooks at any path; `secrets` holds those of single paths, `secret` is the rest's."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, secret: str = SECRET) -> None:
        super().__init__(host, port)
        self.secret = secret
        self.secrets: dict[str, str] = {}
        self.inbox: Inbox[Hook] = Inbox()
        self.forged = 0  # refused for their signature
        self.connections: set[object] = set()

    @property
    def messages(self) -> list[Hook]:
        return list(self.inbox.latest)

    async def wait_for(self, count: int, timeout_s: float = 10) -> None:
        await self.inbox.wait_for(count, timeout_s)

    def routes(self) -> Iterable[web.RouteDef]:
        return (web.post("/{path:.*}", self._take), web.get("/", self._page))

    async def _take(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            self.connections.add(request.transport.get_extra_info("peername"))
        fault = self.take_fault()
        if fault is not None and not fault.taken:
            return await fail(request, fault)
        secret = self.secrets.get(request.path, self.secret)
        try:
            payload = Webhook(secret).verify(await request.read(), dict(request.headers))
        except (WebhookVerificationError, ValueError):  # ValueError: not base64, not JSON
            self.forged += 1
            return web.Response(status=401)
        await self.inbox.add(
            Hook(
                path=request.path,
                id=request.headers["webhook-id"],
                payload=payload,
                repeat=request.headers.get("Alertd-Repeat") == "true",
                arrived_at=datetime.now(UTC),
            )
        )
        if fault is not None:
            return await fail(request, fault)
        return web.Response(status=204)

    async def _page(self, _request: web.Request) -> web.Response:
        rows = (
            (
                f"{hook.arrived_at:%H:%M:%S}",
                hook.path,
                str(hook.payload.get("type")),
                str(hook.payload.get("data", {}).get("headline", "")),
            )
            for hook in self.messages
        )
        columns = ("At (UTC)", "Path", "Type", "Headline")
        return html(page("Stand-in for webhook partners", self.inbox.count, columns, rows))
