"""A real browser for the console's pages, and what is checked on each of them.

Run by itself it sees to it that there is one: `make test` does so first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Error, Page, async_playwright

from tests import debian

DESKTOP, PHONE = (1440, 900), (390, 844)
LANGUAGES = ("el", "en")
# The shell has no window that it draws for nobody: a page costs half of what it does elsewhere.
BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")
# A browser without a font measures no text: DejaVu has Greek and Cyrillic too. What playwright
# drives it with brings all it needs but libatomic.
PACKAGES = ("chromium-headless-shell", "fonts-dejavu-core", "libatomic1")
SCREENS = os.environ.get("ALERTD_SCREENS")  # the folder that `make screens` fills


def views() -> list[tuple[str, tuple[int, int]]]:
    """Give language and size of each view: all of them for `make screens`, else one."""
    if SCREENS:
        return [(language, size) for language in LANGUAGES for size in (DESKTOP, PHONE)]
    return [("el", PHONE)]


def installed() -> str | None:
    """Give the path of the machine's own browser, if it has one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def install() -> None:
    """Install Debian's browser where that is allowed, elsewhere the one that playwright brings."""
    debian.install(*PACKAGES)
    if installed() is None:
        command = [sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"]
        subprocess.run(command, check=False)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Open the machine's own Chromium, or the one that playwright brought.

    Without one the tests are skipped, loudly; in CI they fail.
    """
    async with async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(
                executable_path=installed(), args=["--no-sandbox"]
            )
        except Error:
            if os.environ.get("CI"):
                raise
            pytest.skip("NO BROWSER: install chromium, or run `playwright install chromium`")
        try:
            yield browser
        finally:
            await browser.close()


async def open_page(
    browser: Browser,
    url: str,
    cookie: tuple[str, str],
    language: str,
    size: tuple[int, int],
    **options: Any,
) -> Page:
    """Give a page of somebody who is signed in."""
    width, height = size
    context = await browser.new_context(
        base_url=url,
        viewport={"width": width, "height": height},
        locale=language,
        reduced_motion="reduce",
        **options,
    )
    name, value = cookie
    await context.add_cookies([{"name": name, "value": value, "url": url}])
    return await context.new_page()


async def faults(page: Page, only: Sequence[str] = ()) -> list[str]:
    """Give what axe-core finds, by all its rules or only by these."""
    options = {"resultTypes": ["violations"], **({"runOnly": list(only)} if only else {})}
    found = await Axe().run(page, options=options)
    return [
        f"{each['id']}: {node['html'][:160]}"
        for each in found.response["violations"]
        for node in each["nodes"]
    ]


if __name__ == "__main__":
    if installed() is None:
        install()
