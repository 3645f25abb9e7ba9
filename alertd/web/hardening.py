"""What every answer carries, and the one log line of every request."""

import time

import structlog
from aiohttp import web
from multidict import CIMultiDict

from alertd.web.documents import Dress, PublicCopy
from alertd.web.peer import Networks, real_peer
from alertd.web.problems import Handler, problems

log = structlog.get_logger(__name__)

PERSON: web.RequestKey[int] = web.RequestKey("person", int)
CLIENT_LEFT = 499  # nobody reads it: for the log alone

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
}
_HTTPS_ONLY = {"Strict-Transport-Security": "max-age=31536000"}


def harden(app: web.Application, *, https: bool, proxies: Networks = ()) -> Dress:
    """See who is asking, log every request, turn errors into problems, set security headers.

    Gives what sets them, for those who put the headers of many answers together once.
    """
    seeing = [real_peer(proxies)] if proxies else []
    app.middlewares.extend([*seeing, log_request, problems])
    chosen = _HEADERS | (_HTTPS_ONLY if https else {})

    def dress(headers: CIMultiDict[str]) -> None:
        for name, value in chosen.items():
            headers.setdefault(name, value)
        if "frame-ancestors *" in headers["Content-Security-Policy"]:
            del headers["X-Frame-Options"]  # which has no word for everybody
        headers["Server"] = "alertd"  # in place of aiohttp's own, which tells versions

    async def dress_answer(_request: web.Request, response: web.StreamResponse) -> None:
        if not isinstance(response, PublicCopy):
            dress(response.headers)

    app.on_response_prepare.append(dress_answer)
    return dress


@web.middleware
async def log_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Log the path's template: the path itself, the query and the headers may hold secrets.

    Not for copies of what is public: a line costs more than such an answer.
    """
    started = time.perf_counter()
    try:
        response = await handler(request)
    except BaseException:
        _log(request, CLIENT_LEFT, started)
        raise
    if not isinstance(response, PublicCopy):
        _log(request, response.status, started)
    return response


def _log(request: web.Request, status: int, started: float) -> None:
    resource = request.match_info.route.resource
    log.info(
        "http.request",
        method=request.method,
        path=resource.canonical if resource else None,
        status=status,
        ms=round((time.perf_counter() - started) * 1000, 1),
        person=request.get(PERSON),
    )
