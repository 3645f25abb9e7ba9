"""What newsrooms find: addresses that work, a feed to try with, a banner that others may frame."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from aiohttp.test_utils import TestClient
from lxml import html

from tests.web.conftest import PUBLIC_URL, Activate, Deliver, Submit

Client = TestClient[Any, Any]


async def page(public: Client, path: str) -> Any:
    answer = await public.get(path)
    assert answer.status == 200
    return html.fromstring(await answer.text())


@pytest.mark.parametrize("language", ["el", "en"])
async def test_every_address_on_the_page_answers(public: Client, language: str) -> None:
    found = (await page(public, f"/newsroom/{language}")).xpath("//a/@href")
    assert len(found) > 12
    for address in found:
        assert address.startswith(PUBLIC_URL)
        answer = await public.get(address.removeprefix(PUBLIC_URL))
        assert answer.status == 200, address


async def test_an_exercise_is_listed_as_one_and_a_real_alert_is_not(
    public: Client, submit: Submit, activate: Activate, deliver: Deliver
) -> None:
    await activate(await submit())
    await activate(await submit(status="actual", case_reference="EX-2"))
    await deliver()
    listed = (await page(public, "/newsroom/en")).xpath("//ul[@class='links']/li")
    titles = [each.text_content() for each in listed if "EXERCISE" in each.text_content()]
    assert len(titles) == 1


async def test_the_banner_may_be_framed_sets_no_cookie_and_runs_no_script(
    public: Client, submit: Submit, activate: Activate, deliver: Deliver
) -> None:
    quiet = await public.get("/banner/en")
    assert "No alert is in force" in await quiet.text()
    await activate(await submit(status="actual"))
    await deliver()
    answer = await public.get("/banner/en")
    text = await answer.text()
    assert "frame-ancestors *" in answer.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    assert "<script" not in text
    assert answer.headers["Refresh"] == "60"  # an end reaches a page that stays open
    assert len(text) < 2500
    (link,) = html.fromstring(text).xpath("//a")
    assert link.get("href").startswith(f"{PUBLIC_URL}/a/")


async def test_every_other_page_may_not_be_framed(public: Client) -> None:
    for path in ("/", "/newsroom"):
        answer = await public.get(path)
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Frame-Options"] == "DENY"


async def test_the_state_is_as_its_schema_says(
    public: Client, submit: Submit, activate: Activate, deliver: Deliver
) -> None:
    await activate(await submit(status="actual"))
    await deliver()
    schema = json.loads(await (await public.get("/schemas/state.json")).text())
    envelope = json.loads(await (await public.get("/state.json")).text())
    state = json.loads(envelope["state"])
    assert state["alerts"]
    jsonschema.validate(state, schema)


@pytest.mark.parametrize(("language", "city"), [("el", "Αθήνα"), ("en", "Athens")])
async def test_the_time_of_the_state_names_a_city_and_no_offset(
    public: Client, language: str, city: str
) -> None:
    text = await (await public.get(f"/newsroom/{language}")).text()
    assert re.search(rf"\d\d:\d\d:\d\d \({city}\)", text)


async def test_a_language_of_nobody_has_no_page(public: Client) -> None:
    assert (await public.get("/newsroom/xx")).status == 404


async def test_greek_and_english_say_the_same(public: Client) -> None:
    greek, english = [
        re.sub(r"<[^>]*>", "", await (await public.get(f"/newsroom/{tag}")).text())
        for tag in ("el", "en")
    ]
    for word in ("Newsroom", "Feeds", "banner", "service"):
        assert word not in greek.replace("/banner", "")
        assert word.lower() in english.lower()
