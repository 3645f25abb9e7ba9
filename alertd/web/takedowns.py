"""What an end came to: the report for officials, and where endpoints acknowledge."""

from collections.abc import Iterable
from http import HTTPStatus

from aiohttp import web

from alertd.core.errors import NotFound
from alertd.pipeline import takedown
from alertd.pipeline.aftermath import read_takedown
from alertd.shapes import TakedownView, TakenDown
from alertd.tools import Tools
from alertd.web import auth
from alertd.web.bodies import read_bytes
from alertd.web.forms import Nothing
from alertd.web.pages import page, table, tag
from alertd.web.routes import AnyRoute, Call, Reply, Route

_MAX_FORM = 4096
HTML = "text/html"


async def show_takedown(call: Call[Nothing, Nothing]) -> Reply:
    return Reply(await _read(call))


async def print_takedown(call: Call[Nothing, Nothing]) -> Reply:
    shown = page(f"Takedown of alert {call.alert_id}", _content(await _read(call)))
    policy = {"Content-Security-Policy": shown.headers["Content-Security-Policy"]}
    return Reply(body=(shown.text or "").encode(), headers=policy)


async def _read(call: Call[Nothing, Nothing]) -> TakedownView:
    tools = call.tools
    return await tools.store.read(
        read_takedown, call.alert_id, tools.clock(), public_url=tools.public_url
    )


def _content(view: TakedownView) -> str:
    over = f"{view.state}, {view.reason}" if view.reason else view.state
    parts = [
        table(
            [
                ("case", view.case_reference),
                ("status", view.status),
                ("state", over),
                ("as of", view.as_of.isoformat(timespec="seconds")),
            ]
        ),
        *_section(
            "Taken down",
            ((f"{each.what} {each.address}", _gone(each)) for each in view.taken_down),
        ),
        *_section(
            "Who was told",
            (
                (
                    each.channel,
                    f"{each.reached} reached; the end: "
                    + (", ".join(f"{n} {state}" for state, n in each.end.items()) or "not sent")
                    + (f"; {each.recalled} recalled" if each.recalled else ""),
                )
                for each in view.told
            ),
        ),
        *_section(
            "Who acknowledged deletion",
            (
                (each.address, _at(each.acknowledged_at, f"asked {each.asked} times"))
                for each in view.endpoints
            ),
        ),
        tag("h2", "What cannot be recalled"),
        *(tag("p", each) for each in view.not_recallable or ("Nothing.",)),
        *_section(
            "Timeline",
            ((_at(each.at), f"{each.action} by {each.actor}") for each in view.timeline),
        ),
    ]
    return "".join(parts)


def _section(title: str, rows: Iterable[tuple[str, str]]) -> tuple[str, str]:
    given = list(rows)
    return tag("h2", title), table(given) if given else tag("p", "None.")


def _gone(each: TakenDown) -> str:
    if each.over_at is None:
        return "public: the alert lives"
    return f"seen gone {_at(each.gone_at)}" if each.gone_at else "not yet seen to be gone"


def _at(at: object, otherwise: str = "") -> str:
    return otherwise if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


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
        summary="Give the same for print.",
        run=print_takedown,
        roles=auth.EVERYONE,
        body=Nothing,
        query=Nothing,
        media_type=HTML,
        problems=(NotFound,),
    ),
)
