"""What is shown in a frame: foreign to the page around it, without scripts, forms or links out."""

from aiohttp import web

# The mail's and the page's own inline styles are shown; nothing else of theirs works.
_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def frame_answer(html: str) -> web.Response:
    return web.Response(
        text=html,
        content_type="text/html",
        headers={"Content-Security-Policy": _POLICY, "X-Frame-Options": "SAMEORIGIN"},
    )
