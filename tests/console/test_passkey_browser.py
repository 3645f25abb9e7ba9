"""A passkey in a real browser, made and used by DevTools' virtual authenticator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect

from alertd.console.app import add_console
from alertd.pipeline import credentials
from alertd.settings import embedded
from alertd.tools import Tools
from alertd.watch.watcher import Watcher
from alertd.web import make_api_app
from tests.console.chromium import chromium
from tests.console.conftest import enter
from tests.console.test_signin import NAME, PASSWORD


@pytest.fixture
async def page(tools: Tools, unused_tcp_port: int) -> AsyncIterator[Page]:
    """Give a browser at a console on localhost, which browsers take for a secure place."""
    url = f"http://localhost:{unused_tcp_port}"
    local = replace(tools, console_url=url)
    app = make_api_app(local)
    add_console(app, local, {"watcher": Watcher(local, embedded().watch)})
    async with TestServer(app, host="localhost", port=unused_tcp_port), chromium() as opened:
        context = await opened.new_context(base_url=url, locale="en")
        made = await context.new_page()
        await plug_in(made)
        yield made


async def plug_in(page: Page) -> Any:
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    return await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


async def test_a_passkey_is_made_and_opens_the_console(tools: Tools, page: Page) -> None:
    number = await enter(tools, NAME, {"submitter": False})
    invitation = await tools.store.write(credentials.invite, number, tools.clock())
    await page.goto(f"/invitation/{invitation}")
    await page.locator("[name=password]").fill(PASSWORD)
    await page.locator("[name=password_again]").fill(PASSWORD)
    await page.locator("main form button").click()
    await page.locator("[data-passkey=create] [name=label]").fill("Example key")
    await page.locator("[data-passkey=create] button").click()
    await expect(page.locator("main li")).to_have_count(credentials.RECOVERY_CODES)
    await page.goto("/account")
    await expect(page.locator("main")).to_contain_text("Example key")

    await page.context.clear_cookies()
    await page.goto("/sign-in?to=/account")
    await page.locator("[name=name]").fill(NAME)
    await page.locator("[name=password]").fill(PASSWORD)
    await page.locator("main form button").click()
    await page.locator("[data-passkey=get] button").click()
    await page.wait_for_url("**/account")
    await expect(page.locator("main")).to_contain_text("Example key")
