"""Officials at the console, with the means to fill in the form as a browser would."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from alertd.console.officials.fields import Step, step_of
from alertd.console.officials.filling import filled
from alertd.core.alert import ChildAlert
from alertd.pipeline import sessions
from alertd.tools import Tools
from tests.console.conftest import *  # noqa: F403 - the same console and people
from tests.console.conftest import Browser, SignIn

APPROVERS = ("police", "prosecutor", "activation")


async def freshen(tools: Tools, browser: Browser) -> None:
    """Give the second factor anew."""
    session = await sessions.find(tools, next(iter(browser.cookies.values())))
    assert session is not None
    await sessions.keep(tools, session.id, fresh_at=tools.clock())


def fields_of(text: str, name: str) -> list[str]:
    """Give the values of a hidden field, as a page holds it."""
    return re.findall(rf'name="{re.escape(name)}" value="([^"]*)"', text)


async def begin(browser: Browser, **choices: str) -> str:
    """Begin a form and give the path of it."""
    chosen = {"status": "exercise", "programme": "amber-alert-hellas"} | choices
    answer = await browser.post("/submit", chosen)
    assert answer.status == 303, await answer.text()
    return answer.headers["Location"].rpartition("/")[0]


async def fill(browser: Browser, path: str, alert: ChildAlert, tools: Tools) -> None:
    """Fill in every step as an official would, from the first to the last."""
    said = filled(alert, tools.rulebook.current(alert.programme))
    for step in list(Step)[:-1]:
        mine = [(n, v) for n, values in said.items() for v in values if step_of(n) is step]
        answer = await post_step(browser, f"{path}/{step}", mine)
        assert answer.status == 303, await answer.text()


async def post_step(browser: Browser, page: str, fields: list[tuple[str, str]], **more: str) -> Any:
    revision = fields_of(await browser.read(page), "revision")[0]
    sent = {"csrf": browser.csrf, "revision": revision, "go": "next"} | more
    return await browser.post(page, [*sent.items(), *fields])


Submitted = Callable[..., Awaitable[str]]


@pytest.fixture
async def officials(signed_in: SignIn) -> Mapping[str, Browser]:
    return {role: await signed_in(role) for role in ("submitter", *APPROVERS, "operator")}


@pytest.fixture
def submitted(tools: Tools, officials: Mapping[str, Browser]) -> Submitted:
    """Submit an alert by the form; gives its page."""

    async def run(alert: ChildAlert) -> str:
        browser = officials["submitter"]
        path = await begin(browser, status=alert.status)
        await fill(browser, path, alert, tools)
        answer = await browser.post(f"{path}/check/send", {})
        assert answer.status == 303, await answer.text()
        return answer.headers["Location"]

    return run
