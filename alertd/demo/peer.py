"""What the stand-ins of the outside world share: an inbox, a script of faults, a page."""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from types import TracebackType
from typing import Generic, Self, TypeVar

from aiohttp import web

T = TypeVar("T")
KEPT = 2_000  # what a stand-in remembers; its counters go on


class Inbox(Generic[T]):
    """What arrived: the latest `KEPT`, and the count of all."""

    def __init__(self) -> None:
        self.latest: deque[T] = deque(maxlen=KEPT)
        self.count = 0
        self._arrived = asyncio.Condition()

    async def add(self, item: T) -> None:
        async with self._arrived:
            self.latest.append(item)
            self.count += 1
            self._arrived.notify_all()

    async def wait_for(self, count: int, timeout_s: float = 10) -> None:
        """Return once `count` have arrived; raises TimeoutError."""
        async with asyncio.timeout(timeout_s), self._arrived:
            await self._arrived.wait_for(lambda: self.count >= count)


@dataclass(frozen=True, slots=True)
class Fault:
    """One way for an HTTP peer to fail; `taken` says whether it took the request first."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    code: int = 0  # Twilio's
    act: str = "answer"  # or hang, drop, garbage, dribble, flood
    taken: bool = False


HANG_UNREAD = Fault(act="hang")
HANG_TAKEN = Fault(act="hang", taken=True)
DROP_UNREAD = Fault(act="drop")
DROP_TAKEN = Fault(act="drop", taken=True)
GARBAGE = Fault(act="garbage", taken=True)


async def fail(request: web.Request, fault: Fault) -> web.StreamResponse:
    """Do to `request` what `fault` says."""
    if fault.act == "hang":
        await asyncio.Event().wait()
    transport = request.transport
    if fault.act in {"drop", "garbage"} and transport is not None:
        if fault.act == "garbage":
            transport.write(b"\x00\xffthis is not HTTP\r\n\r\n")
            transport.close()
        else:
            transport.abort()
    elif fault.act in {"dribble", "flood"}:
        return await _stream(request, fault)
    return web.Response(status=fault.status or 500, headers=fault.headers, body=fault.body)


async def _stream(request: web.Request, fault: Fault) -> web.StreamResponse:
    response = web.StreamResponse(status=fault.status or 200, headers=fault.headers)
    await response.prepare(request)
    while True:
        await response.write(b"x" * (1 if fault.act == "dribble" else 65_536))
        await asyncio.sleep(0.05 if fault.act == "dribble" else 0)


class HttpPeer:
    """An HTTP server on loopback; opened and closed by `async with`."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host = host
        self.port = port
        self._faults: deque[Fault] = deque()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def next(self, *faults: Fault) -> None:
        """Let the coming requests fail, one fault each."""
        self._faults.extend(faults)

    def mend(self) -> None:
        """Forget the faults that are still to come."""
        self._faults.clear()

    def take_fault(self) -> Fault | None:
        return self._faults.popleft() if self._faults else None

    def routes(self) -> Iterable[web.RouteDef]:
        return ()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


def page(title: str, count: int, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Give an HTML page that lists what arrived, newest first."""

    def cells(tag: str, row: Iterable[str]) -> str:
        return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)

    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in reversed(list(rows)))
    return (
        f'<!doctype html><meta charset="utf-8"><title>{escape(title)}</title>'
        "<style>body{font:1rem/1.4 sans-serif;margin:2rem}td,th{text-align:left;"
        "vertical-align:top;padding:.3rem .8rem;white-space:pre-wrap;"
        "border-bottom:1px solid #ccc}</style>"
        f"<h1>{escape(title)}</h1><p>{count} arrived.</p>"
        f"<table><tr>{cells('th', columns)}</tr>\n{body}</table>"
    )


def html(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")
