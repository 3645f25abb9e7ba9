"""What an end came to: the report for officials, and where endpoints acknowledge."""

from http import HTTPStatus

from aiohttp import web

from alertd.core.errors import NotFound
from alertd.core.language import asked_for
from alertd.pipeline import takedown
from alertd.pipeline.aftermath import read_takedown
from alertd.pipeline.versions import latest
from alertd.shapes import TakedownView
from alertd.templating import SOURCE_LANGUAGE
from alertd.tools import Tools
from alertd.web import auth
from alertd.web.bodies import read_bytes
from alertd.web.forms import Nothing
from alertd.web.routes import AnyRoute, Call, Reply, Route
from alertd.web.takedownpage import Printed

_MAX_FORM = 4096
HTML = "text/html"


async def show_takedown(call: Call[Nothing, Nothing]) -> Reply:
    return Reply(await _read(call))


async def print_takedown(call: Call[Nothing, Nothing]) -> Reply:
    version = await call.tools.store.read(latest, call.alert_id)
    templates = call.tools.renderer.templates
    wanted = call.request.headers.get("Accept-Language", "")
    catalogue = templates.catalogue(asked_for(wanted, templates.languages) or SOURCE_LANGUAGE)
    shown = Printed(await _read(call), version.rules, catalogue).page()
    policy = {"Content-Security-Policy": shown.headers["Content-Security-Policy"]}
    return Reply(body=(shown.text or "").encode(), headers=policy)


async def _read(call: Call[Nothing, Nothing]) -> TakedownView:
    tools = call.tools
    return await tools.store.read(
        read_takedown, call.alert_id, tools.clock(), public_url=tools.public_url
    )


def add_acknowledgements(app: web.Application, tools: Tools) -> None:
    """Serve `POST /ack/{token}`: an endpoint says that it has deleted what it had."""

    async def acknowledge(request: web.Request) -> web.Response:
        await read_bytes(request, _MAX_FORM)  # whatever it says: the link is the request
        await takedown.acknowledge(tools, request.match_info["token"])
        return web.Response(status=HTTPStatus.NO_CONTENT)

    path = "/ack/{token:[0-9a-f]{1,15}[.][A-Za-z0-9_-]{16}}"
    app.router.add_post(path, acknowledge)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/api/v1/alerts/{id}/takedown",
        summary="Tell what an end came to: what is gone, who was told, who acknowledged.",
        run=show_takedown,
        roles=auth.EVERYONE,
        body=Nothing,
        query=Nothing,
        reply=TakedownView,
        problems=(NotFound,),
    ),
    Route(
        method="GET",
        path="/api/v1/alerts/{id}/takedown.html",
        summary="Give the same for print, in the language that Accept-Language asks for.",
        run=print_takedown,
        roles=auth.EVERYONE,
        body=Nothing,
        query=Nothing,
        media_type=HTML,
        problems=(NotFound,),
    ),
)
