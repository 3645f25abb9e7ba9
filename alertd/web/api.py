"""The API's listener: routes, documentation, health."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from typing import Any

from aiohttp import web

from alertd.rulebook import Rulebook
from alertd.tools import Tools
from alertd.watch.watcher import Watcher
from alertd.web import alerts, auth, lasting, ledger, photos, recipients, takedowns
from alertd.web.docs import docs_page
from alertd.web.hardening import harden
from alertd.web.health import add_health
from alertd.web.metrics import add_metrics
from alertd.web.openapi import document
from alertd.web.peer import Networks
from alertd.web.problems import catalogue
from alertd.web.routes import AnyRoute, serve

MAX_BODY = 1024 * 1024


def make_api_app(
    tools: Tools,
    *,
    body_bytes: int = MAX_BODY,
    watcher: Watcher | None = None,
    proxies: Networks = (),
) -> web.Application:
    """Give the application that officials and operators talk to."""
    app = web.Application()
    harden(app, https=tools.public_url.startswith("https://"), proxies=proxies)
    table = routes(tools.rulebook)
    serve(app, tools, table, body_bytes=body_bytes)
    _add_documentation(app, table)
    add_health(app, tools, watcher)
    if watcher is not None:
        add_metrics(app, tools, watcher)
    return app


def routes(rulebook: Rulebook) -> list[AnyRoute]:
    """Give every route, its roles named as the rule sets name them."""
    rooms = (alerts, ledger, photos, recipients, takedowns, lasting)
    table = chain.from_iterable(room.ROUTES for room in rooms)
    return [replace(route, roles=auth.expand(route.roles, rulebook)) for route in table]


def _add_documentation(app: web.Application, table: Sequence[AnyRoute]) -> None:
    @cache
    def described() -> dict[str, Any]:
        """Describe the routes once somebody asks: it took longer than the rest of a start."""
        return document(table, version=_version())

    async def openapi(_request: web.Request) -> web.Response:
        text = json.dumps(await asyncio.to_thread(described), ensure_ascii=False)
        return web.Response(text=text, content_type="application/json")

    async def docs(_request: web.Request) -> web.Response:
        shown = docs_page(await asyncio.to_thread(described), catalogue())
        return web.Response(body=shown.body, headers=shown.headers)

    app.router.add_get("/api/v1/openapi.json", openapi)
    app.router.add_get("/api/v1/docs", docs)


def _version() -> str:
    try:
        return version("alertd")
    except PackageNotFoundError:  # a bare checkout
        return "0"
