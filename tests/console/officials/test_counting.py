"""Whoever decides never reads a number that is not counted yet, and does not wait for it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from unittest.mock import AsyncMock

import pytest
from playwright.async_api import expect

from alertd.console.officials import deciding
from alertd.pipeline.audience import Intent, audience_soon
from alertd.pipeline.recipients import Recipient, add
from alertd.shapes import ChannelForecast, Forecast, LanguageForecast, RegionForecast
from alertd.store.store import Store
from alertd.tools import Actor, Tools
from tests.console.chromium import PHONE
from tests.console.conftest import Desk, SignIn, desk_at
from tests.console.gallery import CUT_TABLES
from tests.console.officials.conftest import freshen
from tests.web.conftest import Submit


class Held:
    """A ledger in which counting an audience takes until it is let go."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.go = asyncio.Event()

    async def read(self, work: Any, *args: Any, **kwargs: Any) -> Any:
        if work.__name__ == "_count":
            await self.go.wait()
        return await self._store.read(work, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def test_an_approval_says_that_it_is_still_counted_and_then_shows_the_figures(
    tools: Tools, signed_in: SignIn, submit: Submit
) -> None:
    await _enter(tools)
    page = f"/alerts/{await submit()}/approve/prosecutor"
    prosecutor = await signed_in("prosecutor")
    await freshen(tools, prosecutor)
    held = Held(tools.store)
    async with desk_at(replace(tools, store=held)) as desk:
        shown = await desk.open(person=prosecutor)
        await shown.goto(f"{desk.url}{page}")
        await expect(shown.get_by_role("status")).to_contain_text("still being counted")
        button = shown.locator("form.confirm button.primary")
        await expect(button).to_have_text("Approve the exercise for all recipients in Attica")
        assert await shown.get_by_role("table", name="Who would get it").count() == 0
        await shown.get_by_label("Reference of the order").fill("EX 1/2026")
        held.go.set()
        await expect(button).to_have_text("Approve the exercise for 1 recipient in Attica")
        await expect(shown.locator(".reach-sentence")).to_contain_text("1 exercise recipient in")
        await expect(shown.get_by_role("table", name="Who would get it")).to_be_visible()
        assert await shown.get_by_label("Reference of the order").input_value() == "EX 1/2026"


async def test_a_count_is_not_waited_for_and_is_there_once_it_is_done(tools: Tools) -> None:
    await _enter(tools)
    slow = replace(tools, store=(held := Held(tools.store)))
    regions = tools.atlas.reaches(["GR-I"])
    intent = Intent(alert_id="", regions=regions, exercise=True, channels=frozenset({"email"}))
    assert await audience_soon(slow, intent, within=0) is None
    held.go.set()
    counted = await audience_soon(slow, intent, within=10)
    assert counted is not None
    assert [each.addresses for each in counted.shares] == [1]


async def _enter(tools: Tools) -> None:
    entrant = Recipient.model_validate(
        {
            "channel": "email",
            "address": "reader@example.org",
            "language": "en",
            "regions": ["GR-I"],
            "label": "Example",
            "exercise": True,
            "consent": "Example form",
            "consent_at": tools.clock(),
        }
    )
    await add(tools, Actor(1, "Example", frozenset({"operator"})), entrant)


LONG = ChannelForecast(
    channel="sms",
    addresses=412_380,
    languages=[
        LanguageForecast(language="el", addresses=400_000, parts_each=3),
        LanguageForecast(language="en", addresses=12_380, parts_each=2),
    ],
    regions=[RegionForecast(region="GR-I", addresses=412_380)],
    rate_per_s=4,
    finishes_at=datetime(2026, 2, 4, 7, tzinfo=UTC),
    cost=Decimal("55114.20"),
    currency="EUR",
)


@pytest.mark.parametrize("width", [720, 1440])
async def test_the_reach_of_a_whole_region_fits_its_table_and_tells_on_which_day_it_is_through(
    desk: Desk, signed_in: SignIn, submit: Submit, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    prosecutor = await signed_in("prosecutor")
    await freshen(desk.tools, prosecutor)
    alert = await submit()
    monkeypatch.setattr(deciding, "forecast_soon", AsyncMock(return_value=_foreseen(LONG)))
    shown = await desk.open("el", (width, 900), person=prosecutor)
    for path in (f"/alerts/{alert}", f"/alerts/{alert}/approve/prosecutor"):
        await shown.goto(path)
        row = shown.get_by_role("row", name="Μήνυμα SMS 412.380")
        for text in ("1.224.760", "3 / 2 ανά μήνυμα", "55.114,20", "4 Φεβρουαρίου 2026, 09:00"):
            await expect(row).to_contain_text(text)
        assert await shown.evaluate(CUT_TABLES) == []


async def test_the_end_of_a_sending_of_today_is_told_by_its_hour(
    desk: Desk, signed_in: SignIn, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = LONG.model_copy(update={"finishes_at": datetime(2026, 2, 1, 12, 52, tzinfo=UTC)})
    monkeypatch.setattr(deciding, "forecast_soon", AsyncMock(return_value=_foreseen(today)))
    shown = await desk.open("en", PHONE, person=await signed_in("prosecutor"))
    await shown.goto(f"/alerts/{await submit()}")
    through = shown.locator("[data-label='Finishes at']").last
    await expect(through).to_have_text("14:52 4 messages a second")
    hour, rate = [await through.locator(each).bounding_box() for each in ("time", ".each")]
    assert hour
    assert rate
    assert hour["x"] == rate["x"]  # not under the label, which stands left of them


def _foreseen(channel: ChannelForecast) -> Forecast:
    at = datetime(2026, 2, 1, 2, tzinfo=UTC)
    mail = channel.model_copy(
        update={"channel": "email", "languages": [], "cost": None, "finishes_at": None}
    )
    return Forecast(alert_id="", version=1, as_of=at, counted_at=at, channels=[mail, channel])
