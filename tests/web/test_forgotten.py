"""After the end: no public address, file, cache, later message or log line tells of the child."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from sqlalchemy import Connection, select, update
from structlog.testing import capture_logs

from alertd.core.photo import SIZES
from alertd.core.retention import What
from alertd.pipeline.deletions import read_deletions
from alertd.pipeline.retention import retain
from alertd.pipeline.versions import key_of, latest
from alertd.publishing.press import FEEDS
from alertd.sections import Retention
from alertd.store.schema import deliveries, dispatches, photo_sizes, renditions, versions
from alertd.tools import Tools
from alertd.vault import SealBroken
from tests.audit.conftest import checkpoint
from tests.conftest import FakeClock
from tests.factories import child_facts
from tests.web.conftest import NAMES, Deliver, Live, Person
from tests.web.test_photos import address
from tests.web.traces import PLACES, Traces, public_addresses

Client = TestClient[Any, Any]
FREE = "Fictional example: Μαρία was seen at the harbour."
WORDS = (*NAMES, "seen at the harbour")
DAYS = {f"{what}_days": 1 for what in What if what is not What.ALERT}


@dataclass
class Scene:
    """An alert before the public, with all by which it can be recognised there."""

    public: Client
    tools: Tools
    alert_id: str
    photos: dict[str, bytes]  # by public address
    traces: Traces
    finish: Callable[[], Awaitable[None]]

    @property
    def addresses(self) -> list[str]:
        end_cap = f"/cap/example.{self.alert_id}.2.end.xml"
        return [*public_addresses(self.alert_id, (1, 2)), end_cap, *self.photos]

    async def telling(self) -> list[str]:
        return await self.traces.told_at(self.public, self.addresses)


@pytest.fixture
async def told(photo: Any) -> dict[str, Any]:
    """What both versions say of the child, photo included."""
    return {"children": [child_facts(photo=await photo())]}


@pytest.fixture
async def alert_id(live: Live, amend: Any, told: dict[str, Any]) -> str:
    """A real alert, live in its second version."""
    alert_id = await live(**told)
    await amend(alert_id, **told, circumstances=FREE)
    return alert_id


@pytest.fixture
async def scene(
    people: dict[str, Person], public: Client, tools: Tools, alert_id: str, end: Any
) -> Scene:
    linked = await address(people, alert_id)
    paths = [f"{linked.rpartition('/')[0]}/{size}.jpg" for size in SIZES]
    photos = {path: await (await public.get(path)).read() for path in paths}
    traces = Traces(WORDS, photos.values())
    return Scene(public, tools, alert_id, photos, traces, partial(end, alert_id))


async def later_messages(tools: Tools, alert_id: str) -> list[bytes]:
    """Give what webhooks, mails, text messages and feeds are told from the end on."""
    version = await tools.store.read(latest, alert_id)
    key = await key_of(tools, version)
    query = (
        select(renditions.c.body)
        .join(versions, versions.c.id == renditions.c.version_id)
        .where(versions.c.alert_id == alert_id, renditions.c.kind.not_in(["alert", "update"]))
    )
    rows = await tools.store.read(lambda conn: conn.execute(query).all())
    return [key.open(row.body) for row in rows]


async def test_while_it_lives_every_surface_tells_of_the_child(scene: Scene) -> None:
    telling = {*await scene.telling()}
    assert {*scene.photos, f"/a/{scene.alert_id}/el", "/banner/el"} <= telling
    assert f"/cap/example.{scene.alert_id}.2.xml" in telling
    assert {f"/feeds{place}/{file}" for place in PLACES for file in FEEDS} <= telling


async def test_after_the_end_nothing_public_tells_of_the_child(
    scene: Scene, deliver: Deliver
) -> None:
    with capture_logs() as lines:
        await scene.finish()
        assert await scene.telling() == []
        await deliver()
        assert await scene.telling() == []
    assert lines
    assert scene.traces.within(repr(lines)) == []
    messages = await later_messages(scene.tools, scene.alert_id)
    assert messages
    assert [each for each in messages if scene.traces.within(each)] == []


async def test_what_was_superseded_and_every_photo_answer_that_they_are_gone(
    scene: Scene,
) -> None:
    await scene.finish()
    documents = [f"/cap/example.{scene.alert_id}.{number}.xml" for number in (1, 2)]
    for path in (*scene.photos, *documents):
        answer = await scene.public.get(path)
        assert answer.status == 410, path
        assert answer.headers["Cache-Control"] == "no-store"


async def test_no_file_holds_it_in_the_clear_and_after_its_days_no_key_opens_it_either(
    scene: Scene, deliver: Deliver, clock: FakeClock, tmp_path: Path
) -> None:
    sealed = await scene.tools.store.read(_sealed)
    assert await opened(scene.tools, sealed) == len(sealed) > 20
    # A digest alone stays with the ledger until the photo is forgotten.
    clear = Traces(WORDS, scene.photos.values(), digests=False)
    assert clear.left_below(tmp_path) == []
    await scene.finish()
    await deliver()
    await scene.tools.store.write(settle, clock())
    clock.tick(days=2)
    with capture_logs() as lines:
        await retain(scene.tools, Retention(**DAYS))
    gone = await scene.tools.store.read(read_deletions, alert_id=None, after=0, limit=10)
    assert {row["what"] for row in gone} == {*What} - {What.ALERT}
    assert await opened(scene.tools, sealed) == 0
    checkpoint(tmp_path / "alertd.db")
    assert clear.left_below(tmp_path) == []
    assert scene.traces.within(repr(lines)) == []
    assert await scene.telling() == []
    end_cap = await scene.public.get(f"/cap/example.{scene.alert_id}.2.end.xml")
    assert end_cap.status == 200


async def opened(tools: Tools, sealed: list[bytes]) -> int:
    """Count what can be opened with any key that there is."""
    keys = [await tools.vault.key(key_id) for key_id in await tools.vault.ids()]
    count = 0
    for blob, key in product(sealed, keys):
        with suppress(SealBroken):
            key.open(blob)
            count += 1
    return count


def _sealed(conn: Connection) -> list[bytes]:
    """Give what the ledger holds of the alert under seal: photos, facts, messages that tell."""
    telling = select(renditions.c.body).where(renditions.c.kind.in_(["alert", "update"]))
    kept = (select(photo_sizes.c.body), select(versions.c.facts), telling)
    return [body for query in kept for body in conn.scalars(query)]


def settle(conn: Connection, at: Any) -> None:
    conn.execute(update(dispatches).values(expanded_at=at))
    queued = deliveries.c.state == "queued"
    conn.execute(update(deliveries).where(queued).values(state="expired"))
