"""What an end took down is looked for where the world sees it; what still stands is an alarm."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from alertd.core.delivery import State
from alertd.core.lifecycle import VersionState
from alertd.pipeline.surfaces import What
from alertd.settings import embedded
from alertd.shapes import TakedownView
from alertd.tools import Tools
from alertd.watch import takedowns
from alertd.watch.alarms import recent
from alertd.watch.watcher import Watcher
from alertd.web.takedownpage import _WORDS
from tests.conftest import FakeClock
from tests.factories import child_facts
from tests.web.conftest import Deliver, Live, Person, both_databases

Client = TestClient[Any, Any]


@dataclass
class World:
    """A CDN before the public listener: it keeps copies, and may go on serving them."""

    public: Client
    stale: bool = False
    copies: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        if not self.stale or request.path not in self.copies:
            fresh = await self.public.get(request.path)
            self.copies[request.path] = fresh.status, await fresh.read()
        status, body = self.copies[request.path]
        return web.Response(status=status, body=body)


@pytest.fixture
async def world(public: Client) -> AsyncIterator[World]:
    world = World(public)
    app = web.Application()
    app.router.add_get("/{path:.*}", world.answer)
    async with TestServer(app) as server:
        world.url = str(server.make_url("")).rstrip("/")
        yield world


@pytest.fixture
def seen_from(tools: Tools, world: World) -> Tools:
    """Give alertd's tools, its public address being the CDN's."""
    return replace(tools, public_url=world.url)


async def report(people: dict[str, Person], alert_id: str) -> TakedownView:
    answer = await people["operator"].get(f"/api/v1/alerts/{alert_id}/takedown")
    return TakedownView.model_validate(await answer.json())


async def print_out(people: dict[str, Person], alert_id: str, language: str) -> str:
    path = f"/api/v1/alerts/{alert_id}/takedown.html"
    answer = await people["operator"].get(path, headers={"Accept-Language": language})
    return str(await answer.text())


@both_databases
async def test_it_is_gone_when_it_was_seen_to_be_gone(
    seen_from: Tools,
    people: dict[str, Person],
    *,
    live: Live,
    photo: Any,
    end: Any,
    deliver: Deliver,
    clock: FakeClock,
) -> None:
    alert_id = await live(children=[child_facts(photo=await photo())])
    await takedowns.look(seen_from)
    assert {each.gone_at for each in (await report(people, alert_id)).taken_down} == {None}
    ended_at = clock.tick(minutes=1)
    await end(alert_id)
    await deliver()
    assert {each.gone_at for each in (await report(people, alert_id)).taken_down} == {None}
    looked_at = clock.tick(seconds=5)
    await takedowns.look(seen_from)
    view = await report(people, alert_id)
    assert [each.what for each in view.taken_down] == [
        "feed entry",
        "page",
        "CAP document",
        "photo",
    ]
    assert {each.over_at for each in view.taken_down} == {ended_at}
    assert {each.gone_at for each in view.taken_down} == {looked_at}
    assert [step.action for step in view.timeline].count("takedown.seen") == 1
    printed = await print_out(people, alert_id, "de, en-GB;q=0.8, el;q=0.5")
    assert "seen to be gone: 24 November 2026, 04:01:05 (Athens)" in printed


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("el", ("Απόσυρση: EX-2026-0001", "Έληξε με απόφαση: ", "ακόμη", "Έληξε με απόφαση</td>")),
        ("en", ("Takedown: EX-2026-0001", "Ended: ", "not yet", "Ended</td>")),
    ],
)
async def test_what_is_printed_speaks_words_and_no_codes(
    people: dict[str, Person], live: Live, end: Any, language: str, words: tuple[str, ...]
) -> None:
    alert_id = await live(case_reference="EX-2026-0001")
    await end(alert_id)
    printed = await print_out(people, alert_id, language)
    assert f'<html lang="{language}">' in printed
    assert all(word in printed for word in words), printed
    assert not re.search(r"person:|>feed<|alert\.\w+ed|found[,<]|UTC|actual", printed)


def test_every_state_of_an_end_and_of_an_alert_has_a_word() -> None:
    known = {word.partition(".")[2] for word in _WORDS}
    assert {*State, *VersionState, *What} <= known


@both_databases
async def test_what_a_cache_goes_on_showing_is_an_alarm_until_it_is_gone(
    seen_from: Tools,
    world: World,
    people: dict[str, Person],
    *,
    live: Live,
    photo: Any,
    end: Any,
    clock: FakeClock,
) -> None:
    alert_id = await live(children=[child_facts(photo=await photo())])
    shown = [f"/a/{alert_id}/en", "/feeds/feed.json", f"/cap/example.{alert_id}.1.xml"]
    async with ClientSession() as reader:
        for path in shown:
            assert (await reader.get(world.url + path)).status == 200
    world.stale = True
    await end(alert_id)
    watcher = Watcher(seen_from, embedded({}).watch)
    await takedowns.look(seen_from)
    found = {each.what: each.gone_at for each in (await report(people, alert_id)).taken_down}
    assert [what for what, gone_at in found.items() if gone_at] == ["photo"]
    await watcher.look()
    assert await alarms(seen_from) == [], "caches have their time"
    clock.tick(seconds=91)
    await takedowns.look(seen_from)
    await watcher.look()
    assert await alarms(seen_from) == [True]
    world.stale = False
    await takedowns.look(seen_from)
    await watcher.look()
    assert await alarms(seen_from) == [False]


async def test_an_address_that_nobody_answers_at_is_no_proof(
    tools: Tools, *, live: Live, end: Any, clock: FakeClock, unused_tcp_port: int
) -> None:
    away = replace(tools, public_url=f"http://127.0.0.1:{unused_tcp_port}")
    await end(await live())
    clock.tick(seconds=91)
    await takedowns.look(away)
    await Watcher(away, embedded({}).watch).look()
    assert await alarms(away) == [True]


async def alarms(tools: Tools) -> list[bool]:
    """Give whether each alarm of this kind stands."""
    found = await tools.store.read(recent)
    return [each.ended_at is None for each in found if each.kind == "still_public"]
