"""What becomes of a picture that somebody uploads."""

import contextlib
import hashlib
import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image, ImageCms

from alertd.core.errors import InvalidAlert
from alertd.pictures import MAX_BYTES, derive

SECRET = b"GPS 37.97 23.73 Example Street"


def picture(size: tuple[int, int] = (400, 300), kind: str = "JPEG", **options: object) -> bytes:
    """Give a picture whose upper left quarter is red, the rest blue."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1] // 2))
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def reopened(body: bytes) -> Image.Image:
    return Image.open(BytesIO(body))


def why(upload: bytes) -> str:
    with pytest.raises(InvalidAlert) as refused:
        derive(upload)
    (problem,) = refused.value.problems
    assert problem.field == "photo"
    return problem.message


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_every_accepted_format_becomes_three_sizes_of_jpeg(kind: str) -> None:
    pictures = derive(picture((2000, 1000), kind))
    assert [(p.size, p.width, p.height) for p in pictures] == [
        (1600, 1600, 800),
        (800, 800, 400),
        (320, 320, 160),
    ]
    assert {reopened(p.body).format for p in pictures} == {"JPEG"}


def test_small_picture_is_never_enlarged() -> None:
    assert {(p.width, p.height) for p in derive(picture((300, 200)))[:2]} == {(300, 200)}


def test_same_upload_gives_the_same_digest() -> None:
    first, second = derive(picture()), derive(picture())
    assert [p.sha256 for p in first] == [p.sha256 for p in second]
    assert first[0].sha1 == hashlib.sha1(first[0].body, usedforsecurity=False).hexdigest()


def test_no_metadata_block_survives() -> None:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    upload = picture(exif=exif, comment=SECRET, icc_profile=profile, xmp=SECRET)
    assert upload.count(SECRET) == 3
    for each in derive(upload):
        assert SECRET not in each.body
        assert markers(each.body) <= {0xE0, 0xDB, 0xC2, 0xC4, 0xDA}  # JFIF and what decodes


def markers(body: bytes) -> set[int]:
    """Give the segments of a JPEG, up to its first scan."""
    found, at = set(), 2
    while body[at + 1] not in found or body[at + 1] != 0xDA:
        found.add(body[at + 1])
        if body[at + 1] == 0xDA:
            break
        at += 2 + struct.unpack(">H", body[at + 2 : at + 4])[0]
    return found


def test_photo_taken_sideways_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to view
    largest = derive(picture((400, 300), exif=exif))[0]
    assert (largest.width, largest.height) == (300, 400)
    red, blue = (reopened(largest.body).getpixel(at) for at in ((290, 10), (10, 390)))
    assert isinstance(red, tuple)
    assert isinstance(blue, tuple)
    assert red[0] > 2 * red[2]
    assert blue[2] > 2 * blue[0]


def test_transparent_parts_become_white() -> None:
    out = BytesIO()
    Image.new("RGBA", (200, 200), (0, 0, 0, 0)).save(out, "PNG")
    assert reopened(derive(out.getvalue())[0].body).getpixel((100, 100)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "LA", "I;16"])
def test_every_kind_of_pixel_is_read(mode: str) -> None:
    out = BytesIO()
    image = Image.new(mode, (200, 200))
    image.save(out, "JPEG" if mode == "CMYK" else "PNG")
    assert reopened(derive(out.getvalue())[0].body).mode == "RGB"


@pytest.mark.parametrize(
    "upload",
    [b"", b"%PDF-1.7 ...", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a" + bytes(99)],
    ids=["empty", "pdf", "svg", "gif"],
)
def test_other_formats_are_refused(upload: bytes) -> None:
    assert why(upload) == "is no JPEG, PNG or WebP picture"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_file_cut_in_half_is_refused(kind: str) -> None:
    whole = picture((800, 600), kind)
    assert "damaged" in why(whole[: len(whole) // 2])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_no_broken_file_gets_further_than_a_refusal(kind: str) -> None:
    whole = bytearray(picture((200, 150), kind))
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        broken = bytes(whole[:at]) + bytes([whole[at] ^ 0xFF]) + bytes(whole[at + 1 :])
        with contextlib.suppress(InvalidAlert):
            assert len(derive(broken)) == 3


def bomb(width: int, height: int) -> bytes:
    """Give a PNG that says it has so many pixels, in a few hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels)


@pytest.mark.parametrize("side", [8_100, 10_000, 30_000])
def test_decompression_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    assert "too many pixels" in why(bomb(side, side))


def test_too_many_bytes_and_too_few_pixels_are_refused() -> None:
    assert "too large" in why(bytes(MAX_BYTES + 1))
    assert "too small" in why(picture((99, 400)))


def test_moving_picture_is_refused() -> None:
    out = BytesIO()
    frames = [Image.new("RGB", (200, 200), colour) for colour in ("red", "blue")]
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:])
    assert "moves" in why(out.getvalue())
