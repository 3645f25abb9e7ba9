"""The phone's camera at the form, in a browser that says it is a phone."""

from __future__ import annotations

from io import BytesIO

from PIL import Image
from playwright.async_api import expect

from tests.console.chromium import PHONE, open_page
from tests.console.conftest import COOKIE
from tests.console.officials.test_typing import Call, call

__all__ = ["call"]
UPLOADED = "document.querySelector('[name=\"upload.0\"]').files.length"


async def test_a_picture_that_the_phone_takes_is_shown_and_kept(call: Call) -> None:
    await call.open("who")
    opened = call.page.context.browser
    assert opened is not None
    assert await call.page.locator("[data-camera]").is_hidden()  # a desk has no such camera
    url, cookie = call.page.url, ("alertd_session", call.browser.cookies[COOKIE])
    phone = await open_page(opened, url, cookie, "en", PHONE, has_touch=True, is_mobile=True)
    await phone.goto(url)
    camera = phone.locator("[data-camera]")
    assert await camera.locator("input").get_attribute("capture") == "environment"
    picture = BytesIO()
    Image.new("RGB", (400, 500), "#a0b0c0").save(picture, "JPEG")
    async with phone.expect_file_chooser() as asked:
        await camera.tap()
    chooser = await asked.value
    file = {"name": "taken.jpg", "mimeType": "image/jpeg", "buffer": picture.getvalue()}
    await chooser.set_files([file])
    assert await phone.evaluate(UPLOADED) == 1
    await expect(phone.locator("img.drop-preview")).to_be_visible()
    await phone.locator("button[value=stay]").click()
    await expect(phone.locator("input[name='children.0.photo']")).to_have_count(1)
    assert await phone.locator("img.drop-preview").evaluate("(each) => each.naturalWidth") > 0
