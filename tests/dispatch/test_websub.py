"""A newsroom subscribes to a feed by WebSub and is written to, with nothing that we wrote on it."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import feedparser
import pytest
from aiohttp import web

from alertd.pipeline.end import end
from alertd.pipeline.websub import end_leases
from alertd.workers.outside_hub import OutsideHub
from tests.dispatch.conftest import Town

SECRET = "a-secret-of-nobody"


@dataclass
class Newsroom:
    """A subscriber: repeats challenges unless told not to, and keeps what is distributed."""

    url: str = ""
    willing: bool = True
    asked: list[dict[str, str]] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def confirm(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        if not self.willing:
            return web.Response(status=404)
        return web.Response(text=request.query["hub.challenge"])

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        return web.Response(status=204)

    async def until(self, what: list[Any], count: int) -> None:
        async with asyncio.timeout(10):
            while len(what) < count:
                await asyncio.sleep(0.02)


@pytest.fixture
async def newsroom() -> AsyncIterator[Newsroom]:
    found = Newsroom()
    app = web.Application()
    app.add_routes([web.get("/cb", found.confirm), web.post("/cb", found.take)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/cb"
    yield found
    await runner.cleanup()


async def ask(town: Town, newsroom: Newsroom, **changes: str) -> tuple[int, str]:
    form = {
        "hub.callback": newsroom.url,
        "hub.mode": "subscribe",
        "hub.topic": f"{town.tools.public_url}/feeds/exercise/en/atom.xml",
        "hub.secret": SECRET,
    } | {f"hub.{name}": value for name, value in changes.items()}
    hub = f"{town.tools.public_url}/hub"
    async with aiohttp.ClientSession() as session, session.post(hub, data=form) as answer:
        return answer.status, await answer.text()


async def subscribed(town: Town, newsroom: Newsroom, **changes: str) -> None:
    status, said = await ask(town, newsroom, **changes)
    assert status == 202, said
    await newsroom.until(newsroom.asked, 1)
    await asyncio.sleep(0.1)  # the confirmation is being written


async def test_the_feed_names_its_hub(town: Town) -> None:
    address = f"{town.tools.public_url}/feeds/en/atom.xml"
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        feed = feedparser.parse(await answer.read())
    links = {link["rel"]: link["href"] for link in feed.feed.links}
    assert links["hub"] == f"{town.tools.public_url}/hub"
    assert links["self"] == f"{town.tools.public_url}/feeds/en/atom.xml"


async def test_a_confirmed_subscriber_gets_the_alert_signed_and_later_its_end(
    town: Town, newsroom: Newsroom
) -> None:
    await subscribed(town, newsroom)
    alert_id = await town.send()
    await newsroom.until(newsroom.got, 1)
    await town.settled(alert_id)
    await end(
        town.tools,
        town.officials["ngo"],
        alert_id,
        reason_code="found",
        why="End of the exercise.",
        confirm=True,
    )
    await newsroom.until(newsroom.got, 2)
    feeds = []
    for headers, body in newsroom.got:
        mac = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
        assert headers["X-Hub-Signature"] == f"sha256={mac}"
        assert 'rel="hub"' in headers["Link"]
        feeds.append(feedparser.parse(body))
    first, second = (feed.entries[0] for feed in feeds)
    assert first.id == second.id == f"{town.tools.public_url}/a/{alert_id}"
    assert "EXERCISE" in first.title
    assert "Παραδειγματίδου" not in newsroom.got[1][1].decode()


async def test_whoever_does_not_confirm_is_not_written_to(town: Town, newsroom: Newsroom) -> None:
    newsroom.willing = False
    await subscribed(town, newsroom)
    await town.settled(await town.send())
    assert newsroom.got == []


async def test_a_subscription_that_is_not_renewed_ends(town: Town, newsroom: Newsroom) -> None:
    await subscribed(town, newsroom, lease_seconds="300")
    assert newsroom.asked[0]["hub.lease_seconds"] == "300"
    soon = town.tools.clock() + timedelta(seconds=301)
    object.__setattr__(town.tools, "clock", lambda: soon)
    assert await end_leases(town.tools) == 1


async def test_unsubscribing_is_confirmed_as_well(town: Town, newsroom: Newsroom) -> None:
    await subscribed(town, newsroom)
    await ask(town, newsroom, mode="unsubscribe")
    await newsroom.until(newsroom.asked, 2)
    await asyncio.sleep(0.1)
    await town.settled(await town.send())
    assert newsroom.got == []


@pytest.mark.parametrize(
    ("field_name", "value"),
    [
        ("mode", "publish"),
        ("topic", "https://elsewhere.example.org/feed"),
        ("callback", "ftp://example.org/"),
        ("lease_seconds", "soon"),
        ("secret", "x" * 200),
    ],
)
async def test_a_wrong_request_is_refused_by_the_name_of_the_field(
    town: Town, newsroom: Newsroom, field_name: str, value: str
) -> None:
    status, said = await ask(town, newsroom, **{field_name: value})
    assert status in {400, 422}
    assert f"hub.{field_name}" in said


async def test_a_callback_in_a_private_network_is_never_asked(
    town: Town, newsroom: Newsroom
) -> None:
    status, _ = await ask(town, newsroom, callback="https://10.1.2.3/cb")
    assert status == 202
    await asyncio.sleep(0.3)
    assert newsroom.asked == []


async def test_a_hub_of_somebody_else_is_told_of_every_change(
    town: Town, newsroom: Newsroom
) -> None:
    outside = OutsideHub(town.tools.store, town.app.press, newsroom.url)
    telling = asyncio.create_task(outside.run())
    try:
        await newsroom.until(newsroom.got, 1)
        await town.send(status="actual")
        await newsroom.until(newsroom.got, 2)
    finally:
        telling.cancel()
    said = parse_qs(newsroom.got[1][1].decode())
    assert said["hub.mode"] == ["publish"]
    assert f"{town.tools.public_url}/feeds/el/atom.xml" in said["hub.url"]
