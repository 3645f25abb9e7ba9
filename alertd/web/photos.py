"""Photos: taken in by the API, shown to officials, served to everyone while the alert lives."""

from email.parser import BytesParser
from email.policy import HTTP
from http import HTTPStatus

from aiohttp import web

from alertd.core.errors import Busy, Gone, InvalidAlert, NotFound, Problem
from alertd.core.photo import LINKED, SIZES
from alertd.core.photo import MEDIA_TYPE as JPEG
from alertd.pictures import MAX_BYTES
from alertd.pipeline import photos
from alertd.pipeline.lanes import is_held
from alertd.shapes import PhotoTaken
from alertd.tools import Tools
from alertd.web import auth
from alertd.web.alerts import facts_key
from alertd.web.forms import Nothing
from alertd.web.problems import BrokenBody
from alertd.web.routes import AnyRoute, Call, Reply, Route

_FORM_BYTES = 64 * 1024  # what a form may add around the picture
_CACHED = "public, max-age=60"


async def _raw(_tools: Tools, data: bytes) -> tuple[Nothing, object]:
    return Nothing(), data


async def _form(_tools: Tools, data: bytes) -> tuple[Nothing, object]:
    """Take the one file out of a multipart form."""
    boundary, _, _ = data.partition(b"\r\n")
    if not boundary.startswith(b"--") or not 3 <= len(boundary) <= 72:
        raise BrokenBody("the body is no multipart form")
    head = b'Content-Type: multipart/form-data; boundary="%b"\r\n\r\n' % boundary[2:]
    form = BytesParser(policy=HTTP).parsebytes(head + data)
    files = [part.get_payload(decode=True) for part in form.walk() if part.get_filename()]
    if len(files) != 1:
        raise InvalidAlert([Problem("photo", "give one file")])
    return Nothing(), files[0]


async def upload_photo(call: Call[Nothing, Nothing]) -> Reply:
    data = call.origin if isinstance(call.origin, bytes) else b""
    taken = await photos.upload(call.tools, call.actor, data)
    largest = taken.sizes[0]
    return Reply(PhotoTaken(digest=taken.digest, width=largest.width, height=largest.height))


async def show_photo(call: Call[Nothing, Nothing]) -> Reply:
    if await facts_key(call.tools, call.actor, call.alert_id) is None:
        raise Gone("this photo was purged")
    digest = call.path("digest")
    shown = await call.tools.store.read(photos.read_own, call.alert_id, digest, LINKED)
    body = await photos.open_shown(call.tools, shown)
    if body is None:
        raise Gone("this photo was purged")
    return Reply(body=body)


async def revoke_photo(call: Call[Nothing, Nothing]) -> Reply:
    await photos.revoke(call.tools, call.actor, call.alert_id, call.path("digest"))
    return Reply()


def add_photos(app: web.Application, tools: Tools) -> None:
    """Serve `/p/{token}/{size}.jpg`; once the alert is over, that it is gone."""

    async def show(request: web.Request) -> web.Response:
        if await tools.store.read(is_held):
            raise Busy("this install was restored and waits for its operator")
        token, size = request.match_info["token"], int(request.match_info["size"])
        body = await photos.read_photo(tools, token, size)
        headers = {
            "Cache-Control": _CACHED,
            "Cross-Origin-Resource-Policy": "cross-origin",  # newsrooms embed it
            "X-Robots-Tag": "noindex, noimageindex, noarchive",
        }
        return web.Response(body=body, content_type=JPEG, headers=headers)

    sizes = "|".join(map(str, SIZES))
    app.router.add_get(f"/p/{{token:[A-Za-z0-9_-]{{22}}}}/{{size:{sizes}}}.jpg", show)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="POST",
        path="/api/v1/photos",
        summary="Take a photo in; an alert names it by the digest that is answered.",
        run=upload_photo,
        roles=frozenset({auth.SUBMITTER}),
        body=Nothing,
        query=Nothing,
        reply=PhotoTaken,
        status=HTTPStatus.CREATED,
        readers={
            JPEG: _raw,
            "image/png": _raw,
            "image/webp": _raw,
            "multipart/form-data": _form,
        },
        body_bytes=MAX_BYTES + _FORM_BYTES,
        problems=(InvalidAlert,),
    ),
    Route(
        method="GET",
        path="/api/v1/alerts/{id}/photos/{digest}",
        summary="Show a photo to those who may read the alert.",
        run=show_photo,
        roles=frozenset({auth.SUBMITTER, auth.APPROVER}),
        body=Nothing,
        query=Nothing,
        media_type=JPEG,
        problems=(NotFound, Gone),
    ),
    Route(
        method="DELETE",
        path="/api/v1/alerts/{id}/photos/{digest}",
        summary="Take one photo of an alert down at once.",
        run=revoke_photo,
        roles=frozenset({auth.APPROVER}),
        body=Nothing,
        query=Nothing,
        status=HTTPStatus.NO_CONTENT,
        problems=(NotFound,),
    ),
)
