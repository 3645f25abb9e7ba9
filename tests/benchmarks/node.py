"""One process of alertd under measure: the daemon itself, told when to begin and to stop.

`python -m tests.benchmarks.node ROLE` reads its Place as one JSON line. ROLE is `first`
(serves, and gives the last approval when told "go"), `helper` (only sends), or one that others
only read from: `feed` and `public`. It answers "ready"; at "stop" it prints what it used as one
JSON line.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import structlog
import uvloop
from sqlalchemy import Connection, select

from alertd import log
from alertd.channel import Message, Receipt
from alertd.cli.running import give_way, settle_in
from alertd.core.delivery import State
from alertd.node import Node
from alertd.store.schema import progress
from alertd.tools import Actor
from tests.benchmarks.bare import cpu_s, peak_mib
from tests.benchmarks.stages import Stages
from tests.benchmarks.town import APPROVALS, Place, Waiting, approve_one

if TYPE_CHECKING:
    from alertd.app import App


@dataclass
class Watch:
    """Counts what was settled, by the line that is logged for each batch."""

    settled: int = 0
    lost: int = 0
    batches: int = 0
    last_at: float = 0
    cpu_at_last: float = 0

    def __call__(
        self, _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if event["event"] == "deliveries.settled" and event["channel"] != "feed":
            self.batches += 1
            self.lost += event["lost"]
            self.settled += event.get("sent", 0) + event.get("delivered", 0)
            self.last_at, self.cpu_at_last = time.time(), cpu_s()
        return event


class Nowhere(io.TextIOBase):
    """Takes log lines, at the cost of writing them but for the disk."""

    def write(self, text: str) -> int:
        return len(text)


async def main(role: str, place: Place, options: set[str]) -> dict[str, Any]:
    settings, watch = place.alertd(), Watch()
    log.configure(settings.log, Nowhere())
    structlog.configure(processors=[watch, *structlog.get_config()["processors"]])
    stop = asyncio.Event()
    stages = Stages()
    kind = Node if role == "helper" else _app()
    async with kind.open(settings) as app:
        if "instant" in options:
            app.tools.channels[place.channel].send = _at_once
        if "stages" in options:
            stages.instrument(app.tools, place.channel)
        settle_in()
        public = "no-public" not in options
        running = await _begin(app, role, stop, public=public)
        print("ready", flush=True)
        opened = await _told("go")
        before = cpu_s()
        if "stages" in options:
            stages.start()
        if role == "first":
            opened = time.time()
            await _approve(app, place)
        await _told("stop")
        shares = stages.stop() if "stages" in options else {}
        stop.set()
        await running
    return {
        "opened_at": opened,
        "last_at": watch.last_at,
        "settled": watch.settled,
        "lost": watch.lost,
        "batches": watch.batches,
        "cpu_s": max(watch.cpu_at_last - before, 0),
        "rss_mib": peak_mib(),
        "stages": shares,
    }


def _app() -> type[App]:
    from alertd.app import App  # noqa: PLC0415 - a helper goes without the doors

    return App


async def _begin(node: Node, role: str, stop: asyncio.Event, *, public: bool) -> asyncio.Task[None]:
    """Set it to work; one with doors is waited for until they are open."""
    if role == "helper":
        return asyncio.create_task(node.work(stop))
    app = cast("App", node)
    running = asyncio.create_task(app.serve(stop, public=public))
    await app.ready.wait()
    return running


async def serve(place: Place, published: int) -> None:
    """Serve the feeds until told to stop."""
    settings, stop = place.alertd(), asyncio.Event()
    log.configure(settings.log, Nowhere())
    async with _app().open(settings) as app:
        settle_in()
        running = asyncio.create_task(app.serve(stop))
        await app.ready.wait()
        while await app.tools.store.read(_published) < published:
            await asyncio.sleep(0.05)
        print("ready", flush=True)
        print(json.dumps({"port": app.ports["public"]}), flush=True)
        await _told("stop")
        stop.set()
        await running


async def publish(place: Place) -> None:
    """Be `alertd public` until told to stop."""
    settings, stop = place.alertd(), asyncio.Event()
    log.configure(settings.log, Nowhere())
    give_way()
    async with _app().open(settings) as app:
        running = asyncio.create_task(app.publish(stop))
        await app.ready.wait()
        print("ready", flush=True)
        print(json.dumps({"port": app.ports["public"]}), flush=True)
        await _told("stop")
        stop.set()
        await running


def _published(conn: Connection) -> int:
    query = select(progress.c.dispatch_id).where(
        progress.c.channel == "feed", progress.c.state == State.DELIVERED
    )
    return len(set(conn.scalars(query)))


async def _approve(app: Node, place: Place) -> None:
    waiting = Waiting.read(place.folder)
    name, role = APPROVALS[-1]
    actor = Actor(waiting.official, f"Example {name}", frozenset({role}))
    await approve_one(app.tools, actor, waiting.alert_id, role)


async def _told(word: str) -> float:
    line = await asyncio.to_thread(sys.stdin.readline)
    if line.strip() != word:
        raise SystemExit(f"expected {word}, was told {line!r}")
    return time.time()


async def _at_once(_message: Message) -> Receipt:
    return Receipt("delivered", detail="200")


if __name__ == "__main__":
    told = Place(**json.loads(sys.stdin.readline()))
    if sys.argv[1] == "feed":
        uvloop.run(serve(told, int(sys.argv[2])))
    elif sys.argv[1] == "public":
        uvloop.run(publish(told))
    else:
        print(json.dumps(uvloop.run(main(sys.argv[1], told, set(sys.argv[2:])))), flush=True)
