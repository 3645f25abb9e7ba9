"""Mail built once per rendition and filled per recipient by joining bytes.

Everything is 7-bit: bodies are quoted-printable, headers RFC 2047. A slot in a body stands on
a line of its own between soft breaks, so that whatever fills it leaves its neighbours alone.
"""

import hashlib
import re
from binascii import b2a_qp
from collections.abc import Callable, Mapping, Sequence
from email.header import Header
from enum import Enum, auto
from html import escape

from alertd.core.rendition import Parts, Slot, mark, split

_SOFT_BREAK = b"=\r\n"
_LINE = 75  # RFC 2045 6.7 allows 76, of which a soft break takes one
_UNFIT = dict.fromkeys([*range(32), *range(127, 160)], " ")
_HIGH = re.compile(rb"[\x80-\xff]+")
_BOUNDARY = re.compile(rb'boundary="([^"\r\n]+)"')


class Place(Enum):
    """Where in a mail a slot stands, which decides how its value is written."""

    HEADER = auto()
    THREAD = auto()  # two header lines, or none
    TEXT = auto()
    HTML = auto()


Piece = bytes | tuple[Slot, Place]


def alternatives(headers: Sequence[tuple[str, str]], plain: str, html: str) -> bytes:
    """Give a mail of `headers` and two bodies, in the reader's choice; slots stay open.

    A header named "" is a line that its slot fills as a whole, or leaves out.
    """
    text, page = quoted(plain), quoted(html)
    boundary = b"=_" + hashlib.sha256(text + page).hexdigest()[:32].encode()
    lines = [value if name == "" else f"{name}: {value}\r\n" for name, value in headers]
    part = (
        b"--%b\r\nContent-Type: %b; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n%b\r\n"
    )
    return b"".join(
        [
            "".join(lines).encode(),
            b"MIME-Version: 1.0\r\n",
            b'Content-Type: multipart/alternative; boundary="%b"\r\n\r\n' % boundary,
            part % (boundary, b"text/plain", text),
            part % (boundary, b"text/html", page),
            b"--%b--\r\n" % boundary,
        ]
    )


def header(name: str, value: str) -> str:
    """Give a value that no header injection survives, encoded and folded (RFC 2047)."""
    value = " ".join(value.translate(_UNFIT).split())
    charset = "us-ascii" if value.isascii() else "utf-8"
    return Header(value, charset, header_name=name).encode(linesep="\r\n")


def quoted(text: str) -> bytes:
    """Give `text` in quoted-printable, its slots left as they are, each on its own line."""
    done: list[bytes] = []
    # Blanks at a line's end go: b2a_qp escapes them beyond the line's bound.
    text = "\n".join(line.rstrip() for line in text.splitlines())
    for part in split(text.encode()):
        if isinstance(part, Slot):
            done.append(mark(part).encode())
        else:
            done.append(b2a_qp(part, istext=True).replace(b"\n", b"\r\n"))
    for at in range(1, len(done)):
        if not done[at - 1].endswith(b"\n") and not done[at].startswith(b"\r\n"):
            lines, newline, last = done[at - 1].rpartition(b"\r\n")
            done[at - 1] = lines + newline + _folded(last)
            done[at] = _SOFT_BREAK + done[at]
    return b"".join(done)


def pieces(parts: Parts) -> tuple[Piece, ...]:
    """Ready a mail for filling: name each slot's place, and write fit for SMTP what was filled.

    What was filled at activation came as it is, so that any byte above 127 is from there.
    """
    place, boundary, passed, done = Place.HEADER, b"", 0, list[Piece]()
    for part in parts:
        if isinstance(part, Slot):
            done.append((part, Place.THREAD if part is Slot.THREAD else place))
            continue
        if not boundary and (found := _BOUNDARY.search(part)):
            boundary = b"\r\n--" + found[1] + b"\r\n"
        passed += part.count(boundary) if boundary else 0
        place = (Place.HEADER, Place.TEXT, Place.HTML)[passed]
        lines = [_encoded(line) if _HIGH.search(line) else line for line in part.split(b"\r\n")]
        done.append(b"\r\n".join(lines).replace(b"\n.", b"\n.."))  # RFC 5321 4.5.2
    return tuple(done)


def filled(mail: tuple[Piece, ...], values: Mapping[Slot, str]) -> bytes:
    """Give the bytes for one recipient; raises ValueError when a value would break the mail."""
    return b"".join(
        [piece if isinstance(piece, bytes) else _FIT[piece[1]](values[piece[0]]) for piece in mail]
    )


def _encoded(line: bytes) -> bytes:
    """Encode what is above 127 in a line that is quoted-printable otherwise."""
    return _folded(_HIGH.sub(lambda run: b"".join(b"=%02X" % byte for byte in run[0]), line))


def _folded(line: bytes) -> bytes:
    """Break a line of quoted-printable so that a soft break still fits behind each piece."""
    rows = []
    while len(line) > _LINE:
        cut = _LINE
        if (escape_at := line.rfind(b"=", cut - 2, cut)) >= 0:  # keep =XX in one piece
            cut = escape_at
        rows.append(line[:cut])
        line = line[cut:]
    return _SOFT_BREAK.join([*rows, line])


def _in_header(value: str) -> bytes:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("not fit for a mail header")
    return value.encode()


def _in_thread(value: str) -> bytes:
    first = _in_header(value)
    return b"In-Reply-To: %b\r\nReferences: %b\r\n" % (first, first) if first else b""


def _in_text(value: str) -> bytes:
    written = b2a_qp(value.translate(_UNFIT).encode(), istext=True)
    return _folded(written.replace(b"=\n", b""))


def _in_html(value: str) -> bytes:
    return _in_text(escape(value))


_FIT: Mapping[Place, Callable[[str], bytes]] = {
    Place.HEADER: _in_header,
    Place.THREAD: _in_thread,
    Place.TEXT: _in_text,
    Place.HTML: _in_html,
}
