"""The public documents as files: the same bytes, taken away before anybody is told of an end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select
from structlog.testing import capture_logs

from alertd.atlas import load_atlas
from alertd.core.photo import SIZES
from alertd.core.regions import Atlas
from alertd.pictures import derive
from alertd.pipeline import end as ending
from alertd.pipeline.expire import expire
from alertd.pipeline.photos import revoke
from alertd.publishing.mirror import Mirror
from alertd.publishing.press import Press
from alertd.publishing.purges import HookFailed, Purges
from alertd.resources import home
from alertd.store.schema import audit, dispatches, photos
from alertd.tools import Actor, Tools
from alertd.workers.mirror import MirrorWorker
from tests.conftest import FakeClock
from tests.factories import child_facts
from tests.web.conftest import NAMES, PUBLIC_URL, Deliver, Live, picture

Client = TestClient[Any, Any]
POLICE = Actor(1, "Example Police", frozenset({"police"}))


class Cdn:
    """Takes purges, or refuses them; remembers what was asked."""

    def __init__(self) -> None:
        self.status = 204
        self.purged: list[str] = []
        self.asked = 0
        self.url = ""

    async def purge(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.status < 300:
            self.purged += (await request.json())["paths"]
        return web.Response(status=self.status)


@pytest.fixture
async def cdn() -> AsyncIterator[Cdn]:
    cdn = Cdn()
    app = web.Application()
    app.router.add_post("/purge", cdn.purge)
    async with TestServer(app) as server:
        cdn.url = str(server.make_url("/purge"))
        yield cdn


@pytest.fixture(scope="session")
def atlas() -> Atlas:
    """Give few regions: each has eight files in each language."""
    whole = load_atlas(home("config") / "regions")
    few = {code: up for code, up in whole.parents.items() if code in {"GR", "GR-I", "GR-M"}}
    return replace(whole, parents=few)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "www"


@pytest.fixture
def purges(tmp_path: Path, cdn: Cdn) -> Purges:
    return Purges(cdn.url, tmp_path / "purges.json", public_url=PUBLIC_URL)


@pytest.fixture
def mirror(tools: Tools, press: Press, folder: Path, purges: Purges) -> Mirror:
    return Mirror(tools, press, folder, purges)


@pytest.fixture
def live(live: Live, photo: Callable[..., Any], mirror: Mirror) -> Live:
    """Bring a real alert with a photo into the folder; gives its id."""

    async def run(**changes: Any) -> str:
        children = [child_facts(photo=await photo())]
        alert_id = await live(**{"children": children, **changes})
        await mirror.follow()
        return alert_id

    return run


def files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def naming(folder: Path) -> list[str]:
    """Give the files that name the child, show it, or link to where it is shown."""
    pictures = {each.body for each in derive(picture())}
    return [
        path.relative_to(folder).as_posix()
        for path in files(folder)
        if (body := path.read_bytes()) in pictures
        or any(trace.encode() in body for trace in (*NAMES, "/p/"))
    ]


async def end_by(tools: Tools, mirror: Mirror, alert_id: str) -> None:
    """End an alert as the app does, whose tools know of the mirror."""
    mirrored = replace(tools, withdraw=mirror.withdraw)
    await ending.end(
        mirrored, POLICE, alert_id, reason_code="found", why="An example.", confirm=True
    )


async def test_every_file_is_what_the_listener_gives(
    public: Client, live: Live, folder: Path
) -> None:
    alert_id = await live()
    named = naming(folder)
    assert f"a/{alert_id}/index.html" in named
    assert f"a/{alert_id}/en/index.html" in named
    assert f"cap/example.{alert_id}.1.xml" in named
    assert {"index.html", "el/index.html", "feeds/el/GR-I/atom.xml", "feeds/rss.xml"} <= {*named}
    assert {"banner/index.html", "banner/en/index.html"} <= {*named}
    assert len([name for name in named if name.startswith("p/")]) == len(SIZES)
    assert (folder / "newsroom" / "en" / "index.html").is_file()
    for path in files(folder):
        name = path.relative_to(folder).as_posix()
        address = "/" + name.removesuffix("index.html").removesuffix("/")
        answer = await public.get(address)
        assert answer.status == 200, address
        assert await answer.read() == path.read_bytes(), address


async def test_an_end_takes_the_files_away_before_it_is_written(
    tools: Tools, mirror: Mirror, live: Live, folder: Path
) -> None:
    alert_id = await live()
    seen: list[list[str]] = []

    @asynccontextmanager
    async def looking(ended: str) -> AsyncIterator[None]:
        async with mirror.withdraw(ended):
            count = await tools.store.read(
                lambda conn: len(conn.execute(select(dispatches.c.id)).all())
            )
            seen.append(naming(folder))
            yield
            after = await tools.store.read(
                lambda conn: len(conn.execute(select(dispatches.c.id)).all())
            )
            assert after > count, "the end was written within"

    mirrored = replace(tools, withdraw=looking)
    await ending.end(
        mirrored, POLICE, alert_id, reason_code="found", why="An example.", confirm=True
    )
    assert seen == [[]]
    assert "λήξει" in (folder / "a" / alert_id / "index.html").read_text()
    assert not list((folder / "cap").iterdir())


async def test_after_the_end_the_notice_comes_and_the_name_does_not(
    tools: Tools, mirror: Mirror, live: Live, deliver: Deliver, folder: Path
) -> None:
    alert_id = await live()
    await end_by(tools, mirror, alert_id)
    await mirror.follow()
    assert naming(folder) == []
    await deliver()
    await mirror.follow()
    assert naming(folder) == []
    assert [path.name for path in (folder / "cap").iterdir()] == [f"example.{alert_id}.1.end.xml"]
    assert "ολοκληρώθηκε" in (folder / "a" / alert_id / "index.html").read_text()


async def test_an_end_that_is_refused_leaves_the_alert_where_it_was(
    tools: Tools, mirror: Mirror, live: Live, folder: Path
) -> None:
    alert_id = await live()
    before = naming(folder)
    async with mirror.withdraw(alert_id):
        assert naming(folder) == []
    assert mirror.changed.is_set()
    await mirror.follow()
    assert naming(folder) == before


async def test_an_expiry_takes_the_files_away_too(
    tools: Tools, mirror: Mirror, live: Live, folder: Path, clock: FakeClock
) -> None:
    await live()
    clock.tick(hours=12)
    await expire(replace(tools, withdraw=mirror.withdraw))
    await mirror.follow()
    assert naming(folder) == []


async def test_what_stood_there_before_a_start_is_looked_at(
    tools: Tools,
    press: Press,
    *,
    mirror: Mirror,
    live: Live,
    folder: Path,
    purges: Purges,
    clock: FakeClock,
) -> None:
    alert_id = await live()
    clock.tick(hours=12)  # it expires while nobody is there to see
    (folder / "cap" / "example.gone.1.xml").write_text("Μαρία")
    (folder / "p" / "old").mkdir()
    (folder / "p" / "old" / "800.jpg").write_bytes(derive(picture())[1].body)
    restarted = Mirror(tools, press, folder, purges)
    await restarted.follow()
    assert naming(folder) == []
    assert (folder / "a" / alert_id / "en" / "index.html").exists()


async def test_a_revoked_photo_leaves_the_folder_while_the_alert_stays(
    tools: Tools, mirror: Mirror, live: Live, folder: Path
) -> None:
    alert_id = await live()
    (digest,) = await tools.store.read(lambda conn: conn.scalars(select(photos.c.digest)).all())
    await revoke(tools, POLICE, alert_id, digest)
    await mirror.follow()
    assert not [name for name in naming(folder) if name.startswith("p/")]
    assert f"a/{alert_id}/index.html" in naming(folder)


async def test_the_page_for_newsrooms_tells_the_time_of_the_last_heartbeat(
    mirror: Mirror, live: Live, folder: Path, clock: FakeClock
) -> None:
    await live()
    page = folder / "newsroom" / "en" / "index.html"
    before = page.read_text()
    clock.tick(minutes=1)
    await mirror.follow_time()
    assert page.read_text() != before


async def test_a_file_that_cannot_go_is_an_alarm_and_holds_up_neither_end_nor_the_others(
    tools: Tools, mirror: Mirror, live: Live, folder: Path, monkeypatch: Any
) -> None:
    alert_id = await live()
    stuck = folder / "cap" / f"example.{alert_id}.1.xml"
    unlink = Path.unlink

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        if path == stuck:
            raise PermissionError
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched, capture_logs() as lines:
        patched.setattr(Path, "unlink", refuse)
        await end_by(tools, mirror, alert_id)
        with pytest.raises(PermissionError):
            await mirror.follow()
    assert naming(folder) == [f"cap/{stuck.name}"]
    (alarm,) = [line for line in lines if line["log_level"] == "critical"]
    assert (alarm["event"], alarm["what"]) == ("mirror.behind", "takedown")
    await mirror.follow()
    await mirror.succeed("takedown")
    assert naming(folder) == []
    actions = await tools.store.read(
        lambda conn: conn.scalars(select(audit.c.action).order_by(audit.c.seq)).all()
    )
    assert [each for each in actions if each.startswith("mirror.")] == [
        "mirror.behind",
        "mirror.caught_up",
    ]


async def test_the_hook_is_told_of_all_that_changed(
    tools: Tools, mirror: Mirror, live: Live, cdn: Cdn
) -> None:
    alert_id = await live()
    await mirror.purges.send()
    cdn.purged.clear()
    await end_by(tools, mirror, alert_id)
    await mirror.purges.send()
    assert {
        f"/a/{alert_id}",
        f"/a/{alert_id}/el",
        f"/cap/example.{alert_id}.1.xml",
        "/feeds/rss.xml",
        "/feeds/en/GR-I/feed.json",
        "/",
        "/el",
    } <= set(cdn.purged)
    assert "/feeds/exercise/rss.xml" not in cdn.purged
    asked = cdn.asked
    await mirror.purges.send()
    assert cdn.asked == asked, "nothing is told twice"


async def test_a_purge_outlives_a_hook_that_fails_and_a_process_that_dies(
    live: Live, mirror: Mirror, purges: Purges, cdn: Cdn, tmp_path: Path
) -> None:
    cdn.status = 503
    alert_id = await live()
    with pytest.raises(HookFailed):
        await purges.send()
    cdn.status = 204
    restarted = Purges(cdn.url, tmp_path / "purges.json", public_url=PUBLIC_URL)
    await restarted.send()
    assert f"/a/{alert_id}" in cdn.purged
    assert json.loads((tmp_path / "purges.json").read_text()) == []


async def test_the_worker_follows_by_itself_and_tries_again(
    tools: Tools,
    press: Press,
    *,
    mirror: Mirror,
    live: Live,
    folder: Path,
    cdn: Cdn,
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr("alertd.workers.mirror.LOOK_S", 0.02)
    cdn.status = 500
    worker = asyncio.create_task(MirrorWorker(tools.store, press, mirror).run())
    try:
        alert_id = await live()
        await until(lambda: bool(naming(folder)) and cdn.asked > 1)
        cdn.status = 200
        await end_by(tools, mirror, alert_id)
        await until(lambda: not naming(folder) and f"/a/{alert_id}" in cdn.purged)
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.02)


async def test_no_half_file_is_ever_there_to_be_read(folder: Path, monkeypatch: Any) -> None:
    from alertd.folder import Folder  # noqa: PLC0415

    store = Folder(folder)
    store.write("a/b.txt", b"old")

    def lights_out(_number: int) -> None:
        raise OSError

    monkeypatch.setattr("os.fsync", lights_out)
    with pytest.raises(OSError):  # noqa: PT011 - whatever the disk says
        store.write("a/b.txt", b"new")
    assert [path.name for path in files(folder)] == ["b.txt"]
    assert (folder / "a" / "b.txt").read_bytes() == b"old"
    for name in ("../x", "a/../../x", "/etc/x"):
        with pytest.raises(ValueError, match="not below"):
            store.write(name, b"")
