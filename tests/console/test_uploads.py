"""What a form may bring along: so many fields, so many bytes, and files where they belong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from io import BytesIO

import pytest
from aiohttp import ClientResponse, FormData

from alertd.console.forms import FORM_BYTES
from alertd.pictures import MAX_BYTES
from tests.console.conftest import Browser, SignIn
from tests.console.officials.conftest import begin

HALF = "x" * (FORM_BYTES // 2)
PARTS = {"Content-Type": "multipart/form-data; boundary=example"}


@pytest.fixture
async def browser(signed_in: SignIn) -> Browser:
    return await signed_in("submitter")


async def stream(browser: Browser, fields: Mapping[str, str]) -> ClientResponse:
    """Send parts in chunks, without telling how long they are in all."""

    async def body() -> AsyncIterator[bytes]:
        for name, value in {"csrf": browser.csrf, **fields}.items():
            head = f'--example\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
            yield f"{head}{value}\r\n".encode()
        yield b"--example--\r\n"

    return await browser.ask("POST", "/language", data=body(), headers=PARTS)


async def test_too_large_a_form_is_refused(browser: Browser) -> None:
    answer = await browser.post("/language", {"language": "el", "to": HALF + HALF})
    assert answer.status == 413


async def test_a_form_in_parts_is_read_up_to_the_same_bound(browser: Browser) -> None:
    assert (await stream(browser, {"language": "el", "to": "/", "a": HALF})).status == 303
    assert (await stream(browser, {"a": HALF + HALF})).status == 413
    assert (await stream(browser, {"a": HALF, "b": HALF})).status == 413


async def test_too_many_fields_are_refused(browser: Browser) -> None:
    many = {str(number): "" for number in range(1000)}
    assert (await stream(browser, many)).status == 413
    assert (await browser.post("/language", many)).status == 400


def with_file(browser: Browser, size: int) -> FormData:
    sent = FormData({"csrf": browser.csrf})
    file = BytesIO(bytes(size))
    sent.add_field("upload.0", file, filename="example.png", content_type="image/png")
    return sent


async def test_a_page_that_takes_no_file_takes_no_large_form_either(browser: Browser) -> None:
    answer = await browser.ask("POST", "/language", data=with_file(browser, FORM_BYTES + 1))
    assert answer.status == 413


async def test_no_more_than_a_photo_comes_with_the_form(browser: Browser) -> None:
    path = await begin(browser)
    for page, most in (("who", MAX_BYTES), ("who/save", 0)):
        sent = with_file(browser, most + FORM_BYTES + 1)
        answer = await browser.ask("POST", f"{path}/{page}", data=sent)
        assert answer.status == 413, page
