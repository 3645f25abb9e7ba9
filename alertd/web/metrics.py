"""What Prometheus scrapes: for this machine, and for operators from elsewhere."""

from aiohttp import web

from alertd.sections import is_loopback
from alertd.tools import Tools
from alertd.watch.metrics import CONTENT_TYPE
from alertd.watch.watcher import Watcher
from alertd.web import auth

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


def add_metrics(app: web.Application, tools: Tools, watcher: Watcher) -> None:
    async def metrics(request: web.Request) -> web.Response:
        if not _from_here(request):
            await auth.authorise(tools, request, frozenset({auth.OPERATOR}))
        body = await watcher.measures()
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    app.router.add_get("/metrics", metrics)


def _from_here(request: web.Request) -> bool:
    """Tell whether the peer is this machine, and not a proxy on it that speaks for others."""
    if any(name in request.headers for name in FORWARDED):
        return False
    return request.remote is not None and is_loopback(request.remote)
