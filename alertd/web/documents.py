"""Answers for readers who come again: validators, 304, gzip, and how long a copy is good."""

from collections.abc import Callable
from weakref import WeakKeyDictionary

from aiohttp import web
from multidict import CIMultiDict

from alertd.publishing.document import Document

MAX_AGE_S = 30  # a child is named in no cache for longer; nothing may be served stale after it
FRAMED_S = 60  # after which what stands in somebody's frame is fetched anew

ANYBODY = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, Last-Modified",
}
_PREFLIGHT = ANYBODY | {
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "If-None-Match, If-Modified-Since",
    "Access-Control-Max-Age": "86400",
}

Dress = Callable[[CIMultiDict[str]], None]
"""Adds to headers what every answer carries."""


class PublicCopy(web.Response):
    """One more copy of a public document; its headers are dressed before it is made."""


async def preflight(_request: web.Request) -> web.Response:
    """Let scripts of other sites ask with validators."""
    return web.Response(status=204, headers=_PREFLIGHT)


def respond(request: web.Request, document: Document, dress: Dress) -> PublicCopy:
    """Answer 200 with the bytes, or 304 when the reader has them."""
    packed = document.compressed if _takes_gzip(request) else None
    headers = _headers(document, dress, packed=packed is not None)
    if _has_it(request, document, headers["ETag"]):
        return PublicCopy(status=304, headers=headers)
    media_type, _, charset = document.media_type.partition("; charset=")
    response = PublicCopy(
        body=packed or document.body,
        content_type=media_type,
        charset=charset or None,
        headers=headers,
    )
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    return response


# What every copy of a document says is put together once, and forgotten with the document.
_said: WeakKeyDictionary[Document, dict[bool, CIMultiDict[str]]] = WeakKeyDictionary()


def _headers(document: Document, dress: Dress, *, packed: bool) -> CIMultiDict[str]:
    said = _said.setdefault(document, {})
    if packed not in said:
        said[packed] = CIMultiDict(_own(document, packed=packed))
        dress(said[packed])
    return said[packed]


def _own(document: Document, *, packed: bool) -> dict[str, str]:
    tag = f"{document.tag}-gz" if packed else document.tag  # a strong tag names the very bytes
    headers = {
        "ETag": f'"{tag}"',
        "Last-Modified": document.last_modified,
        "Cache-Control": f"public, max-age={MAX_AGE_S}, must-revalidate",
        "Vary": "Accept-Encoding",
        "X-Robots-Tag": "noindex, noarchive",
        **ANYBODY,
    }
    if document.framed:  # stands in pages that stay open, and must not go on naming a child
        headers["Refresh"] = str(FRAMED_S)
    if document.policy:
        headers["Content-Security-Policy"] = document.policy
    return headers


def _takes_gzip(request: web.Request) -> bool:
    offers = request.headers.get("Accept-Encoding")
    if not offers:
        return False
    for offer in offers.lower().split(","):
        coding, _, weight = offer.replace(" ", "").partition(";q=")
        if coding in {"gzip", "*"}:
            return weight.strip("0.") != "" or not weight
    return False


def _has_it(request: web.Request, document: Document, tag: str) -> bool:
    if request.headers.get("If-None-Match") == tag:  # nearly always, and quickly told
        return True
    tags = request.if_none_match
    if tags is not None:  # RFC 9110 13.2.2: dates count only where no tags are given
        known = {"*", document.tag, f"{document.tag}-gz"}
        return any(tag.value in known for tag in tags)
    since = request.if_modified_since
    return since is not None and document.modified_at.replace(microsecond=0) <= since
