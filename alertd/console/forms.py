"""Reads what a form sends, bounded, in memory: an upload never touches the disk."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web

from alertd.web.bodies import read_bytes
from alertd.web.problems import BrokenBody, TooLarge, TooSlow, UnsupportedMedia

FORM_BYTES = 256 * 1024
_MOST_FIELDS = 1000
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent with a form; an empty choice of file is none."""

    name: str = field(repr=False)  # may be a child's
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form by name, each with all its values."""

    values: Mapping[str, list[str]] = field(default_factory=dict, repr=False)
    files: Mapping[str, list[Upload]] = field(default_factory=dict, repr=False)

    def get(self, name: str, default: str = "") -> str:
        """Give the last value of `name`, without the blanks around it."""
        return self.values.get(name, [default])[-1].strip()

    def raw(self, name: str) -> str:
        """Give the last value exactly as it was typed: a password's blanks count."""
        return self.values.get(name, [""])[-1]

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def file(self, name: str) -> Upload | None:
        return self.files[name][-1] if self.files.get(name) else None

    def __contains__(self, name: str) -> bool:
        return name in self.values


async def read_form(request: web.Request, *, upload_bytes: int) -> Form:
    """Read the body; raises TooLarge beyond `upload_bytes` of files, UnsupportedMedia, ..."""
    if request.content_type == "application/x-www-form-urlencoded":
        return Form(_urlencoded(await read_bytes(request, FORM_BYTES)))
    if request.content_type == "multipart/form-data":
        limit = FORM_BYTES + upload_bytes
        if (request.content_length or 0) > limit:
            raise TooLarge(f"at most {limit} bytes are read here")
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await _multipart(request, limit)
        except TimeoutError:
            raise TooSlow(f"the form must be here within {_PATIENCE_S:.0f} seconds") from None
    if request.content_length or request.body_exists:
        raise UnsupportedMedia("send a form")
    return Form()


def _urlencoded(body: bytes) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise BrokenBody("the form cannot be read") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


async def _multipart(request: web.Request, limit: int) -> Form:
    values: dict[str, list[str]] = {}
    files: dict[str, list[Upload]] = {}
    left = limit
    try:
        parts = await request.multipart()
        for _ in range(_MOST_FIELDS):
            part = await parts.next()
            if part is None:
                return Form(values, files)
            if not isinstance(part, BodyPartReader) or not part.name:
                raise BrokenBody("the form cannot be read")
            data = await _read_part(part, left)
            left -= len(data)
            if part.filename is None:
                values.setdefault(part.name, []).append(data.decode("utf-8"))
            elif data:
                kind = part.headers.get("Content-Type", "application/octet-stream")
                files.setdefault(part.name, []).append(Upload(part.filename, kind, data))
    except (ValueError, UnicodeDecodeError):
        raise BrokenBody("the form cannot be read") from None
    raise TooLarge(f"at most {_MOST_FIELDS} fields are read here")


async def _read_part(part: BodyPartReader, left: int) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk():
        data += chunk
        if len(data) > left:
            raise TooLarge("the form is larger than what is read here")
    return bytes(data)
