"""Addresses of what is public: feeds, pages, CAP documents, the signed state."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import web

from alertd.publishing.document import Document
from alertd.publishing.newsroom import BANNER, NEWSROOM, SCHEMAS, path_of, schema_path
from alertd.publishing.press import FEEDS, KEY, STATE, Press
from alertd.publishing.selection import Selection
from alertd.web.documents import Dress, preflight, respond

_LANGUAGE = "{language:[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*}"
_REGION = "{region:[A-Z]{2}(?:-[A-Z0-9]{1,3})?}"
_ALERT = "{alert:[0-9a-z]{1,20}}"

T = TypeVar("T")
Find = Callable[[web.Request], Awaitable[Document]]


def add_feeds(app: web.Application, press: Press, dress: Dress) -> None:
    """Serve everything that the press gives."""

    def serve(path: str, find: Find) -> None:
        async def answer(request: web.Request) -> web.Response:
            document = press.at_hand(request.path) or await find(request)
            return respond(request, document, dress)

        resource = app.router.add_resource(path)
        resource.add_route("GET", answer)
        resource.add_route("HEAD", answer)
        resource.add_route("OPTIONS", preflight)

    for exercise, folder in ((False, "/feeds"), (True, "/feeds/exercise")):
        for file in FEEDS:
            find = _feed(press, file, exercise=exercise)
            for part in ("", f"/{_LANGUAGE}", f"/{_LANGUAGE}/{_REGION}"):
                serve(f"{folder}{part}/{file}", find)
    serve(
        "/cap/{identifier:[A-Za-z0-9._-]{1,120}}.xml", lambda r: press.cap(_part(r, "identifier"))
    )
    serve(f"/a/{_ALERT}", lambda r: press.page(_part(r, "alert"), None))
    serve(f"/a/{_ALERT}/{_LANGUAGE}", lambda r: press.page(_part(r, "alert"), _part(r, "language")))
    serve(STATE, lambda _: press.state())
    serve(KEY, lambda _: press.key())
    for name in SCHEMAS:
        serve(schema_path(name), _of(press.schema, name))
    for page, show in (("", press.listing), (NEWSROOM, press.newsroom), (BANNER, press.banner)):
        for language in (None, *press.site.languages):
            serve(path_of(page, language), _of(show, language))


def _feed(press: Press, file: str, *, exercise: bool) -> Find:
    async def find(request: web.Request) -> Document:
        asked = request.match_info
        selection = Selection(exercise, asked.get("language"), asked.get("region"))
        return await press.feed(selection, file)

    return find


def _of(show: Callable[[T], Awaitable[Document]], what: T) -> Find:
    async def find(_request: web.Request) -> Document:
        return await show(what)

    return find


def _part(request: web.Request, name: str) -> str:
    return request.match_info[name]
