"""What is shown in a frame: foreign to the page around it, without scripts, forms or links out."""

import re

from aiohttp import web

# The mail's and the page's own inline styles are shown; nothing else of theirs works.
_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
# A page brings a policy of its own, which would refuse the photo that is inside the frame's.
_OWN_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def frame_answer(html: str) -> web.Response:
    return web.Response(
        text=_OWN_POLICY.sub("", html, count=1),
        content_type="text/html",
        headers={"Content-Security-Policy": _POLICY, "X-Frame-Options": "SAMEORIGIN"},
    )
