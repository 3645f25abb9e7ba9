"""What stands between a browser and a page: cookies, forged forms, headers, sizes."""

import hmac
import secrets
from urllib.parse import urlsplit

from aiohttp import web

from alertd.console.forms import Form
from alertd.core.errors import NotAllowed
from alertd.tools import Tools

CSRF_FIELD = "csrf"
CSRF_HEADER = "X-CSRF-Token"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    # Under no-referrer a browser would hide where our own forms come from, too.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(), "
    "publickey-credentials-get=(self), publickey-credentials-create=(self)",
}
"""Besides what `web.hardening` puts on every answer."""

_LONGEST_COOKIE = 200


class Forged(NotAllowed):
    """The form did not come from a page of ours, or from one of another session."""


class Cookies:
    """The two cookies: the session's, and one that only ties a form to its browser."""

    def __init__(self, *, https: bool) -> None:
        prefix = "__Host-" if https else ""
        self._https = https
        self.session = f"{prefix}alertd_session"
        self.visitor = f"{prefix}alertd_visitor"

    def read(self, request: web.Request, name: str) -> str | None:
        value = request.cookies.get(name)
        return value if value and len(value) <= _LONGEST_COOKIE and value.isascii() else None

    def set(self, response: web.StreamResponse, name: str, value: str) -> None:
        # Lax: a link in a request for approval must open the page of whoever is signed in.
        response.set_cookie(
            name, value, path="/", secure=self._https, httponly=True, samesite="Lax"
        )

    def drop(self, response: web.StreamResponse, name: str) -> None:
        response.del_cookie(name, path="/", secure=self._https, httponly=True, samesite="Lax")


def new_visitor() -> str:
    return secrets.token_urlsafe(16)


def csrf_token(tools: Tools, cookie: str) -> str:
    """Give what a form must carry to come from this very browser's session."""
    return tools.vault.master.mac("csrf", cookie)


def refuse_forged(request: web.Request, form: Form, expected: str, console_url: str) -> None:
    """Raise Forged unless the request comes from our own page."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    given = request.headers.get(CSRF_HEADER) or form.get(CSRF_FIELD)
    if site != "same-origin" or (origin is not None and not _is_ours(request, origin, console_url)):
        raise Forged("this form came from another site")
    # A header that is no text comes with surrogates in it.
    if not hmac.compare_digest(given.encode(errors="surrogatepass"), expected.encode()):
        raise Forged("this form is no longer valid")


def _is_ours(request: web.Request, origin: str, console_url: str) -> bool:
    try:
        named = urlsplit(origin).netloc
    except ValueError:  # such as a bracket that is not closed
        return False
    return named in {request.host, urlsplit(console_url).netloc}


def local_path(path: str) -> str:
    """Give `path` if it leads nowhere but to this console; else the way home."""
    clean = path.isprintable() and "\\" not in path and not path.startswith("//")
    return path if clean and path.startswith("/") else "/"
