"""The page for newsrooms and the banner, at a real browser."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp.test_utils import TestServer

from alertd.anchors import Signer
from alertd.publishing.press import Press
from alertd.tools import Tools
from alertd.web import make_public_app
from tests.console.chromium import (
    chromium,
    faults,
    is_wider_than_its_window,
    open_page,
    shoot,
    views,
)
from tests.web.conftest import Activate, Deliver, Sink, Submit


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("language", "size"), views())
async def test_axe_finds_nothing_for_newsrooms(  # noqa: PLR0917 - fixtures
    tools: Tools,
    submit: Submit,
    activate: Activate,
    deliver: Deliver,
    language: str,
    size: tuple[int, int],
    scheme: str,
) -> None:
    await activate(await submit())
    await activate(await submit(status="actual", case_reference="EX-2"))
    await deliver()
    near = replace(tools, public_url="http://127.0.0.1")
    app = make_public_app(near, Sink(), Press(near, Signer(bytes(32))))
    async with TestServer(app) as server, chromium() as browser:
        url = f"http://127.0.0.1:{server.port}"
        page = await open_page(browser, url, ("x", "y"), language, size, color_scheme=scheme)
        for name in ("newsroom", "banner"):
            await page.goto(f"/{name}/{language}")
            await shoot(page, f"media-{name}-{language}-{size[0]}-{scheme}")
            assert await faults(page) == []
            assert not await is_wider_than_its_window(page)
