"""What the public and newsrooms see, at a real browser."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Route
from sqlalchemy import select

from alertd.anchors import Signer
from alertd.ownlinks import own_token
from alertd.publishing.press import Press
from alertd.store.schema import addresses
from alertd.tools import Tools
from alertd.web import make_public_app
from tests.console.chromium import chromium, open_page, views
from tests.console.conftest import SignIn
from tests.console.gallery import Gallery
from tests.console.operators.conftest import enter_newsroom
from tests.factories import child_facts
from tests.web.conftest import PUBLIC_URL, Activate, Deliver, Live, Sink, Submit


@dataclass
class Shown:
    """Addresses of what is public."""

    alert: str
    exercise: str
    over: str
    subscription: str


@pytest.fixture
async def shown(  # noqa: PLR0917 - fixtures
    tools: Tools,
    live: Live,
    submit: Submit,
    activate: Activate,
    deliver: Deliver,
    end: Any,
    photo: Callable[[str], Awaitable[str]],
    signed_in: SignIn,
) -> Shown:
    over = await live(case_reference="EX-2026-0002", children=[child_facts(name="Example Over")])
    await end(over)
    child = child_facts(photo=await photo("steelblue"))
    alert = await live(children=[child], not_a_duplicate_because="Fictional.")
    exercise = await submit(not_a_duplicate_because="Fictional.")
    await activate(exercise)
    await deliver()
    await enter_newsroom(tools, await signed_in("operator"))
    row = await tools.store.read(
        lambda conn: conn.execute(select(addresses.c.id, addresses.c.address)).first()
    )
    assert row is not None
    token = own_token(tools.vault.master, row.id, row.address)
    return Shown(f"/a/{alert}", f"/a/{exercise}", f"/a/{over}", f"/s/{token}")


async def _from_here(route: Route, url: str) -> None:
    """Let what stands here be at the public address, which the pages' own links name."""
    await route.fulfill(response=await route.fetch(url=route.request.url.replace(PUBLIC_URL, url)))


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("language", "size"), views())
async def test_axe_finds_nothing_on_public_pages(
    tools: Tools, shown: Shown, language: str, size: tuple[int, int]
) -> None:
    near = replace(tools, public_url="http://127.0.0.1")
    app = make_public_app(near, Sink(), Press(near, Signer(bytes(32))))
    gallery = Gallery("public", language, size)
    async with TestServer(app) as server, chromium() as browser:
        url = f"http://127.0.0.1:{server.port}"
        page = await open_page(browser, PUBLIC_URL, ("x", "y"), language, size)
        await page.route(f"{PUBLIC_URL}/**", lambda route: _from_here(route, url))
        for name, path in {
            "list": f"/{language}",
            "alert": f"{shown.alert}/{language}",
            "alert-exercise": f"{shown.exercise}/{language}",
            "alert-over": f"{shown.over}/{language}",
            "newsroom": f"/newsroom/{language}",
            "banner": f"/banner/{language}",
            "subscription": shown.subscription,
        }.items():
            await gallery.visit(page, name, path)
        await page.goto(f"/newsroom/{language}")
        told = re.search(r'<iframe .* height="(\d+)"', await page.locator("pre").inner_text())
        assert told is not None
        await page.set_viewport_size({"width": size[0], "height": int(told[1])})
        await page.goto(f"/banner/{language}")
        assert await page.evaluate("document.documentElement.scrollHeight") <= int(told[1])
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        await page.goto(shown.subscription)
        await page.locator("button").click()
        await gallery.look(page, "subscription-ended")
    gallery.finish()
