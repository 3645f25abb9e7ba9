"""Runs one contestant in processes of its own and gives what it did."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from alertd.store.schema import attempts, deliveries, dispatches, progress
from alertd.store.store import Store, open_store
from tests.benchmarks.town import Place, Waiting

PATIENCE_S = 900

Child = subprocess.Popen[str]
Beside = Callable[[Place], AbstractContextManager[object]]
"""What else goes on at a place while alertd is measured there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What one run of one contestant came to."""

    count: int
    seconds: float
    cpu_us: float  # user and system, per item
    rss_mib: float  # peak of the largest process
    extra: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.count / self.seconds


def bare(kind: str, task: dict[str, Any]) -> Figure:
    """Run a bare loop of tests.benchmarks.bare."""
    with _child("tests.benchmarks.bare", [kind], json.dumps(task)) as child:
        _say(child, "go")
        said = _hear(child)
    count = task["count"]
    return Figure(
        count=count,
        seconds=said["seconds"],
        cpu_us=said["cpu_s"] / count * 1e6,
        rss_mib=said["rss_mib"],
    )


async def alertd(
    place: Place,
    count: int,
    *,
    processes: int = 1,
    options: Sequence[str] = (),
    wrapper: Sequence[str] = (),
    beside: Beside = nullcontext,
) -> Figure:
    """Give the last approval and wait until `count` deliveries are settled."""
    alert_id = Waiting.read(place.folder).alert_id
    with ExitStack() as stack:
        roles = ["first", *["helper"] * (processes - 1)]
        children = [
            stack.enter_context(
                _child("tests.benchmarks.node", [role, *options], place.as_json(), wrapper)
            )
            for role in roles
        ]
        stack.enter_context(beside(place))
        async with open_store(place.database) as store:
            for child in reversed(children):
                _say(child, "go")
            await _until_settled(store, children, alert_id, place.channel, count)
            opened, first = await store.read(_first, alert_id)
        for child in children:
            _say(child, "stop")
        said = [_hear(child) for child in children]
    settled = sum(each["settled"] for each in said)
    if settled != count:
        raise RuntimeError(f"{settled} of {count} settled")
    stages: dict[str, float] = {}
    for each in said:
        for name, spent in each["stages"].items():
            stages[f"stage {name}"] = stages.get(f"stage {name}", 0) + spent / count * 1e6
    return Figure(
        count=count,
        seconds=max(each["last_at"] for each in said) - opened,
        cpu_us=sum(each["cpu_s"] for each in said) / count * 1e6,
        rss_mib=max(each["rss_mib"] for each in said),
        extra={
            "opened_at": opened,
            "first_s": first - said[0]["opened_at"],
            "batches": sum(each["batches"] for each in said),
            "sender_mib": max((each["rss_mib"] for each in said[1:]), default=0),
            **stages,
        },
    )


@contextmanager
def serving(place: Place, published: int) -> Iterator[tuple[int, int]]:
    """Keep a daemon up that has `published` alerts in its feed; gives its port and pid."""
    with _child("tests.benchmarks.node", ["feed", str(published)], place.as_json()) as child:
        said = _hear_line(child)
        yield said["port"], child.pid
        _say(child, "stop")
        child.wait(30)


@contextmanager
def publishing(place: Place) -> Iterator[int]:
    """Keep the public listener up in a process of its own; gives its port."""
    with _child("tests.benchmarks.node", ["public"], place.as_json()) as child:
        yield _hear_line(child)["port"]
        _say(child, "stop")
        child.wait(30)


async def _until_settled(
    store: Store, children: Sequence[Child], alert_id: str, channel: str, count: int
) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await store.read(_settled, alert_id, channel) < count:
            if any(child.poll() is not None for child in children):
                raise RuntimeError("a measured process died")
            await asyncio.sleep(0.1)


def _settled(conn: Connection, alert_id: str, channel: str) -> int:
    query = (
        select(progress.c.count)
        .join(dispatches, dispatches.c.id == progress.c.dispatch_id)
        .where(
            dispatches.c.alert_id == alert_id,
            progress.c.channel == channel,
            progress.c.state.in_(["sent", "delivered"]),
        )
    )
    return sum(conn.scalars(query))


def _first(conn: Connection, alert_id: str) -> tuple[float, float]:
    """Give when the dispatch was opened, and when the first of its deliveries was done."""
    mine = select(dispatches).where(dispatches.c.alert_id == alert_id, dispatches.c.kind == "alert")
    row = conn.execute(mine).mappings().one()
    done = (
        select(attempts.c.finished_at)
        .join(deliveries, deliveries.c.id == attempts.c.delivery_id)
        .where(deliveries.c.dispatch_id == row["id"], deliveries.c.channel != "feed")
        .order_by(attempts.c.id)
        .limit(2000)
    )
    return row["sent_at"].timestamp(), min(conn.scalars(done)) / 1e6


@contextmanager
def _child(
    module: str, arguments: list[str], first_line: str, wrapper: Sequence[str] = ()
) -> Iterator[Child]:
    """Start a measured process and wait until it is ready."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [*wrapper, sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as child:
        try:
            _say(child, first_line)
            if (line := _line(child)) != "ready":
                raise RuntimeError(f"{module} said {line!r}")
            yield child
        finally:
            if child.poll() is None:
                child.terminate()


def _say(child: Child, line: str) -> None:
    assert child.stdin is not None
    child.stdin.write(line + "\n")
    child.stdin.flush()


def _line(child: Child) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def _hear(child: Child) -> dict[str, Any]:
    said = _hear_line(child)
    child.wait(30)
    return said


def _hear_line(child: Child) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(_line(child))
    return said
