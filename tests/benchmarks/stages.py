"""Where a process's CPU goes, by the clocks of its threads: claim, build, send, settle.

What a coroutine costs is the sum of its steps. What is left over is the event loop (the
library's callbacks, readiness) and, on SQLite, the writer's commits.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any

from alertd.tools import Tools
from alertd.workers import delivery
from alertd.workers.attempt import Sender
from tests.benchmarks.bare import cpu_s


class Stages:
    """Times the stages of delivery in this process."""

    def __init__(self) -> None:
        self._spent: Counter[str] = Counter()
        self._writing = "settle"
        self._loop_s = self._process_s = 0.0

    def instrument(self, tools: Tools, channel: str) -> None:
        """Put clocks around the stages; before the workers are made."""
        for name in ("_message", "_settled"):
            setattr(Sender, name, self._timed(getattr(Sender, name), "build"))
        on_loop = type(tools.store).__name__ == "PostgresStore"
        for name, stage in (("lease", "claim"), ("settle", "settle")):
            work = getattr(delivery, name)
            setattr(
                delivery, name, self._marked(work, stage) if on_loop else self._timed(work, stage)
            )
        write, send = tools.store.write, tools.channels[channel].send
        tools.store.write = self._stepped(write, lambda: self._writing)  # type: ignore[method-assign]
        tools.channels[channel].send = self._stepped(send, lambda: "send")  # type: ignore[method-assign]

    def start(self) -> None:
        self._spent.clear()
        self._loop_s, self._process_s = time.thread_time(), cpu_s()

    def stop(self) -> dict[str, float]:
        """Give CPU seconds by stage since `start`."""
        loop, process = time.thread_time() - self._loop_s, cpu_s() - self._process_s
        spent = dict(self._spent)
        in_threads = sum(spent.pop(f"thread {stage}", 0) for stage in ("claim", "settle"))
        for stage in ("claim", "settle"):
            spent[stage] = spent.get(stage, 0) + self._spent[f"thread {stage}"]
        on_loop = sum(self._spent[stage] for stage in ("claim", "build", "send", "settle"))
        spent["event loop"] = max(loop - on_loop, 0)
        spent["commit"] = max(process - loop - in_threads, 0)
        return spent

    def _timed(self, work: Callable[..., Any], stage: str) -> Callable[..., Any]:
        key = stage if stage == "build" else f"thread {stage}"

        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.thread_time()
            try:
                return work(*args, **kwargs)
            finally:
                self._spent[key] += time.thread_time() - started

        return timed

    def _marked(self, work: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def marked(*args: Any, **kwargs: Any) -> Any:
            self._writing = stage
            try:
                return work(*args, **kwargs)
            finally:
                self._writing = "settle"

        return marked

    def _stepped(
        self, work: Callable[..., Coroutine[Any, Any, Any]], stage: Callable[[], str]
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def stepped(*args: Any, **kwargs: Any) -> Any:
            return await _Steps(work(*args, **kwargs), self._spent, stage)

        return stepped


class _Steps:
    """Awaits a coroutine and notes what each of its steps costs."""

    def __init__(
        self, work: Coroutine[Any, Any, Any], spent: Counter[str], stage: Callable[[], str]
    ) -> None:
        self._work, self._spent, self._stage = work, spent, stage

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[], Any] = self._go_on
        while True:
            started, stage = time.thread_time(), self._stage()
            try:
                waited_for = step()
            except StopIteration as end:
                return end.value
            finally:
                self._spent[stage] += time.thread_time() - started
            try:
                yield waited_for
            except BaseException as error:  # noqa: BLE001 - goes on to where it belongs
                step = partial(self._work.throw, error)
            else:
                step = self._go_on

    def _go_on(self) -> Any:
        return self._work.send(None)
