"""Adds the console to the listener of officials and operators."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from alertd.console import (
    account,
    entering,
    home,
    operators,
    people,
    provider,
    rules,
    signin,
    style,
)
from alertd.console.guard import HEADERS, Cookies
from alertd.console.officials.pages import PAGES as OFFICIALS
from alertd.console.pages import Console, Page, explain_unknown, serve
from alertd.console.rendering import Rendering
from alertd.tools import Tools
from alertd.web.problems import Handler

PAGES: tuple[Page, ...] = (
    *home.PAGES,
    *style.PAGES,
    *entering.PAGES,
    *signin.PAGES,
    *provider.PAGES,
    *account.PAGES,
    *people.PAGES,
    *rules.PAGES,
    *operators.PAGES,
    *OFFICIALS,
)
"""Every page of the console, in the order of its table."""

_NOT_OURS = ("/api/", "/health", "/ready", "/metrics")
_CACHED = "public, max-age=31536000, immutable"


def add_console(
    app: web.Application, tools: Tools, extras: Mapping[str, Any] | None = None
) -> Console:
    """Serve the console beside the API; `extras` are what some pages look at besides."""
    zone = ZoneInfo(tools.rulebook.any().authority_timezone)
    console = Console(
        tools=tools,
        rendering=Rendering(zone),
        cookies=Cookies(https=tools.console_url.startswith("https://")),
        extras=extras or {},
    )
    serve(app, console, PAGES)
    app.router.add_get("/static/{name:[a-z0-9.-]{1,60}}", _static(console))
    app.middlewares.append(_unknown(console))
    return console


def _static(console: Console) -> Handler:
    files = console.rendering.static.files

    async def handle(request: web.Request) -> web.StreamResponse:
        found = files.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        body, media_type = found
        headers = {**HEADERS, "Cache-Control": _CACHED}
        return web.Response(body=body, content_type=media_type, charset="utf-8", headers=headers)

    return handle


def _unknown(console: Console) -> Any:
    """Say as a page that there is none, to whoever looks for pages."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            unknown = error.status in {404, 405} and not request.path.startswith(_NOT_OURS)
            if not unknown or "text/html" not in request.headers.get("Accept", ""):
                raise
            return await explain_unknown(console, request)

    return middleware
