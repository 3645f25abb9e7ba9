"""A public document: bytes, what they are, since when, and the same compressed once."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cached_property

from alertd.templating import csp_digest

_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_SMALLEST = 256  # bytes; below it compressing gains nothing


@dataclass(frozen=True, eq=False)
class Document:
    """Public bytes and since when they are what they are."""

    body: bytes
    media_type: str
    modified_at: datetime
    lasting: timedelta | None = None  # after which it is built anew, though nothing changed
    framed: bool = False  # other sites may show it in a frame

    @cached_property
    def tag(self) -> str:
        return hashlib.sha256(self.body).hexdigest()[:32]

    @cached_property
    def last_modified(self) -> str:
        return format_datetime(self.modified_at.astimezone(UTC), usegmt=True)

    @cached_property
    def compressed(self) -> bytes | None:
        """Give it in gzip, the same bytes each time; None where that is no smaller."""
        if len(self.body) < _SMALLEST:
            return None
        packed = gzip.compress(self.body, mtime=0)
        return packed if len(packed) < len(self.body) else None

    @cached_property
    def policy(self) -> str | None:
        """Give the Content-Security-Policy of a page: its own style and pictures from here."""
        if not self.media_type.startswith("text/html"):
            return None
        none = "'none'"
        styles = [f"'{csp_digest(style)}'" for style in _STYLE.findall(self.body.decode())]
        return (
            f"default-src 'none'; style-src {' '.join(styles)}; img-src 'self'; "
            f"base-uri 'none'; form-action 'none'; frame-ancestors {'*' if self.framed else none}"
        )
