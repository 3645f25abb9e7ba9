"""Every page by every role, and what each answer carries."""

from __future__ import annotations

import pytest

from tests.console.conftest import SignIn


@pytest.mark.parametrize("language", ["el", "en"])
async def test_home_and_style_open(signed_in: SignIn, language: str) -> None:
    browser = await signed_in("reader")
    for path in ("/", "/style", "/style?mode=actual", "/style?mode=exercise"):
        answer = await browser.get(path, headers={"Accept-Language": language})
        assert answer.status == 200, (await answer.text())[:2000]
