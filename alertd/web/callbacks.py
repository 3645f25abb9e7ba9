"""What providers report later: checked here, settled in groups."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, cast

import structlog
from aiohttp import web

from alertd.channel import Callbacks, Report
from alertd.core.errors import Busy, NotFound
from alertd.tools import Tools
from alertd.web.bodies import read_bytes

log = structlog.get_logger(__name__)

MAX_CALLBACK = 64 * 1024
_QUEUE = 5000
_GROUP = 500
_PATIENCE_S = 10.0  # providers give up at 15 s

Settle = Callable[[Sequence[Report]], Awaitable[Any]]
_Waiting = tuple[Report, asyncio.Future[None]]


class ReportSink(Protocol):
    """Where checked reports go."""

    async def put(self, report: Report) -> None:
        """Return once the report is kept; raises Busy when that takes too long."""
        ...


class Reports:
    """Settles reports in groups: whoever put one waits for the transaction that holds it."""

    def __init__(self, settle: Settle, *, room: int = _QUEUE) -> None:
        self._settle = settle
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(room)

    async def put(self, report: Report) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((report, done))
            async with asyncio.timeout(_PATIENCE_S):
                await done
        except (asyncio.QueueFull, TimeoutError):
            raise Busy("too many reports are waiting") from None

    async def run(self) -> None:
        """Settle what comes in, until cancelled."""
        while True:
            group = [await self._queue.get()]
            while len(group) < _GROUP and not self._queue.empty():
                group.append(self._queue.get_nowait())
            await self._settle_group(group)

    async def _settle_group(self, group: Sequence[_Waiting]) -> None:
        wanted = [(report, done) for report, done in group if not done.done()]
        try:
            await self._settle([report for report, _ in wanted])
        except Exception as error:  # noqa: BLE001 - each sender is told, and may report again
            log.warning("callbacks.unsettled", reports=len(wanted), error=type(error).__name__)
            for _, done in wanted:
                if not done.done():
                    done.set_exception(Busy("the report could not be kept"))
            return
        for _, done in wanted:
            if not done.done():
                done.set_result(None)


def add_callbacks(app: web.Application, tools: Tools, sink: ReportSink) -> None:
    """Serve `POST /callbacks/{channel}` for every channel that reads reports."""

    async def receive(request: web.Request) -> web.Response:
        channel = tools.channels.get(request.match_info["channel"])
        if channel is None or not hasattr(channel, "report"):
            raise NotFound("no such channel reads reports")
        body = await read_bytes(request, MAX_CALLBACK)
        # The signature covers the address that the provider called, which a proxy may have
        # rewritten on the way here.
        url = tools.public_url + request.raw_path
        report = cast("Callbacks", channel).report(url, request.headers, body)
        if report is not None:
            await sink.put(report)
        return web.Response(status=204)

    app.router.add_post("/callbacks/{channel:[a-z0-9_-]{1,40}}", receive)
