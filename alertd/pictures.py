"""Makes of an untrusted picture a few plain JPEG files: upright, sRGB, nothing but pixels."""

import hashlib
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageCms, ImageOps

from alertd.core.errors import InvalidAlert, Problem
from alertd.core.photo import SIZES

MAX_BYTES = 16 * 1024 * 1024
MAX_PIXELS = 64_000_000  # looked at before anything is decoded
MIN_SIDE = 100  # below that nobody is recognised
FORMATS = ("JPEG", "PNG", "WEBP")
QUALITY = 85
KEPT = 95  # of a part, which is encoded once more

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_WIDE = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
# All that decoders raise on bytes made to break them.
_BROKEN = (OSError, ValueError, TypeError, IndexError, KeyError, EOFError, SyntaxError,
           OverflowError, MemoryError, struct.error, zlib.error)  # fmt: skip
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class Picture:
    """One size, encoded."""

    size: int
    width: int
    height: int
    body: bytes

    @property
    def sha1(self) -> str:
        return hashlib.sha1(self.body, usedforsecurity=False).hexdigest()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a picture, in shares of its width and height."""

    left: float
    top: float
    width: float
    height: float


def crop(picture: bytes, part: Part) -> bytes:
    """Give a part of one of our own pictures; raises InvalidAlert for one that holds nothing."""
    with Image.open(BytesIO(picture), formats=FORMATS) as whole:
        left, top = round(part.left * whole.width), round(part.top * whole.height)
        right = min(whole.width, round((part.left + part.width) * whole.width))
        bottom = min(whole.height, round((part.top + part.height) * whole.height))
        if min(left, top) < 0 or right - left < MIN_SIDE or bottom - top < MIN_SIDE:
            raise _refused(f"would be too small: at least {MIN_SIDE} pixels on each side")
        out = BytesIO()
        whole.crop((left, top, right, bottom)).save(out, "JPEG", quality=KEPT)
        return out.getvalue()


def derive(upload: bytes) -> tuple[Picture, ...]:
    """Give every size of an upload, the largest first; raises InvalidAlert saying what is wrong.

    A picture is never enlarged. Blocks the caller for as long as decoding takes.
    """
    if len(upload) > MAX_BYTES:
        raise _refused(f"is too large: at most {MAX_BYTES // 1024 // 1024} MB")
    if not (upload.startswith(_MAGIC) or (upload[:4] == b"RIFF" and upload[8:12] == b"WEBP")):
        raise _refused("is no JPEG, PNG or WebP picture")
    try:
        with Image.open(BytesIO(upload), formats=FORMATS) as opened:
            _check(opened)
            opened.draft("RGB", (SIZES[0], SIZES[0]))  # a JPEG is decoded no larger than needed
            plain = _plain(opened)
    except _BOMB:
        raise _refused(_too_many()) from None
    except _BROKEN:
        raise _refused("cannot be read: the file is damaged or not what it says it is") from None
    return tuple(_fitted(plain, size) for size in SIZES)


def _check(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _refused(_too_many())
    if min(width, height) < MIN_SIDE:
        raise _refused(f"is too small: at least {MIN_SIDE} pixels on each side")
    if getattr(image, "n_frames", 1) > 1 and image.format != "JPEG":
        raise _refused("moves: give a still picture")


def _plain(image: Image.Image) -> Image.Image:
    """Decode it upright, in sRGB, on white; what stood beside the pixels is left behind."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode in _WIDE:
        upright = upright.convert("I").point([n // 256 for n in range(65536)], "L")
    if "A" in upright.getbands() or "transparency" in upright.info:
        layer = upright.convert("RGBA")
        upright = Image.new("RGBA", layer.size, "white")
        upright.alpha_composite(layer)
    coloured = _in_srgb(upright, image.info.get("icc_profile"))
    bare = Image.new("RGB", coloured.size)
    bare.paste(coloured)
    return bare


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and image.mode == "RGB":
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            changed = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"))
        except (ImageCms.PyCMSError, *_BROKEN):  # colours a little off are better than no photo
            changed = None
        if changed is not None:
            return changed
    return image.convert("RGB")


def _fitted(image: Image.Image, size: int) -> Picture:
    fitted = image.copy()
    fitted.thumbnail((size, size), Image.Resampling.LANCZOS)
    out = BytesIO()
    fitted.save(out, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return Picture(size, *fitted.size, out.getvalue())


def _too_many() -> str:
    return f"has too many pixels: at most {MAX_PIXELS // 1_000_000} million"


def _refused(why: str) -> InvalidAlert:
    return InvalidAlert([Problem("photo", why)])
