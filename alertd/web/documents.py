"""Answers for readers who come again: validators, 304, and how long a copy is good."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from aiohttp import web

MAX_AGE_S = 30


@dataclass(frozen=True, slots=True)
class Document:
    """Public bytes and since when they are what they are."""

    body: bytes
    media_type: str
    modified_at: datetime

    @property
    def tag(self) -> str:
        return hashlib.sha256(self.body).hexdigest()[:32]


def respond(request: web.Request, document: Document) -> web.Response:
    """Answer 200 with the bytes, or 304 when the reader has them."""
    headers = {
        "ETag": f'"{document.tag}"',
        "Last-Modified": format_datetime(document.modified_at.astimezone(UTC), usegmt=True),
        "Cache-Control": f"public, max-age={MAX_AGE_S}",
    }
    if _has_it(request, document):
        return web.Response(status=304, headers=headers)
    media_type, _, charset = document.media_type.partition("; charset=")
    return web.Response(
        body=document.body,
        content_type=media_type,
        charset=charset or None,
        headers=headers,
    )


def _has_it(request: web.Request, document: Document) -> bool:
    tags = request.if_none_match
    if tags is not None:  # RFC 9110 13.2.2: dates count only where no tags are given
        return any(tag.value in {"*", document.tag} for tag in tags)
    since = request.if_modified_since
    return since is not None and document.modified_at.replace(microsecond=0) <= since
