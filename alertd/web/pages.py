"""Plain HTML without script; every text passes escaping."""

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from string import Template

from aiohttp import web

_STYLE = (
    "body{font:18px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;"
    "overflow-wrap:anywhere}h1{line-height:1.25}a{color:#003d99}"
    "code,pre{font-size:.9em}pre{white-space:pre-wrap}h2{margin-top:2.5rem}"
    "button{font:inherit;font-weight:600;min-height:44px;padding:.5rem 1rem;color:inherit;"
    "background:none;border:2px solid;border-radius:4px;cursor:pointer}"
    ":focus-visible{outline:3px solid #b35c00;outline-offset:2px}"
    "table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1rem .2rem 0;"
    "vertical-align:top;min-width:8rem}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#eee}"
    "a{color:#9cf}}"
)
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
_PAGE = Template(
    '<!doctype html>\n<html lang="$language"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
    f"<title>$title</title><style>{_STYLE}</style></head>\n"
    "<body><main><h1>$title</h1>\n$content\n</main></body></html>\n"
)


def page(title: str, content: str, *, language: str = "en", status: int = 200) -> web.Response:
    """Give a page; `title` is text, `content` is HTML made by the functions below."""
    html = _PAGE.substitute(title=escape(title), content=content, language=escape(language))
    return web.Response(
        text=html,
        content_type="text/html",
        status=status,
        headers={"Content-Security-Policy": _POLICY},
    )


def tag(name: str, text: str, **attributes: str) -> str:
    given = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{given}>{escape(text)}</{name}>"


def table(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(f"<tr>{tag('th', name)}{tag('td', text)}</tr>" for name, text in rows)
    return f"<table>{cells}</table>"
