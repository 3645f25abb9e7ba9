"""The periodic duties, driven by APScheduler.

Each duty is a transaction that changes what is due and nothing else, so it may run on every
node at once. Due retries are no duty: the ledger is the queue, and the lease query finds them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from alertd.core.delivery import LONGEST_PAUSE
from alertd.core.errors import StoreError
from alertd.pipeline.ask import remind
from alertd.pipeline.deliver import bring_forward, give_up, put_off_too_far, reclaim
from alertd.pipeline.expire import expire, warn
from alertd.pipeline.photos import forget_unused
from alertd.pipeline.rebroadcast import rebroadcast
from alertd.pipeline.recall import recall
from alertd.pipeline.takedown import chase
from alertd.pipeline.websub import end_leases
from alertd.store.schema import to_micros
from alertd.tools import Tools
from alertd.watch import takedowns
from alertd.watch.links import test_links
from alertd.watch.watcher import Watcher

log = structlog.get_logger(__name__)

LOOK_S = 5.0


@dataclass(frozen=True, slots=True)
class Duty:
    name: str
    every_s: float
    do: Callable[[], Awaitable[Any]]

    async def run(self) -> None:
        """Do it once; a failure is loud and does not keep the next turn from coming."""
        try:
            await self.do()
        except StoreError as error:
            log.warning("duty.postponed", duty=self.name, why=str(error))
        except Exception as error:
            log.exception("duty.failed", duty=self.name, error=type(error).__name__)


def duties(tools: Tools, node: str) -> list[Duty]:
    """Give what has to be looked after, and how often."""

    async def take_back() -> None:
        now = to_micros(tools.clock())
        while await tools.store.write(reclaim, tools.uncertain, node=node, now=now):
            pass

    async def close_uncertain() -> None:
        await tools.store.write(give_up, node=node, now=to_micros(tools.clock()))

    async def hasten() -> None:
        now = tools.clock()
        beyond = to_micros(now + LONGEST_PAUSE)
        if late := await tools.store.read(put_off_too_far, tuple(tools.channels), beyond):
            await tools.store.write(bring_forward, late, to_micros(now))
            log.warning("deliveries.brought_forward", count=len(late))

    return [
        Duty("lost leases", 2, take_back),
        Duty("put off too far", LOOK_S, hasten),
        Duty("uncertain deliveries", 30, close_uncertain),
        Duty("expiry", 5, lambda: expire(tools)),
        Duty("expiry warnings", 60, lambda: warn(tools)),
        Duty("reminders", 15, lambda: remind(tools)),
        Duty("rebroadcasts", 10, lambda: rebroadcast(tools)),
        Duty("recalls", 5, lambda: recall(tools)),
        Duty("takedown reminders", 60, lambda: chase(tools)),
        Duty("unused photos", 600, lambda: forget_unused(tools)),
        Duty("subscriptions", 60, lambda: end_leases(tools)),
    ]


def watching(watcher: Watcher) -> list[Duty]:
    """Give how alertd is looked after itself."""
    pause = watcher.limits.link_test_s

    async def tests() -> None:
        await test_links(watcher.tools, pause)

    return [
        Duty("watch", LOOK_S, watcher.look),
        Duty("link tests", min(pause, 10), tests),
        Duty("takedowns", LOOK_S, lambda: takedowns.look(watcher.tools)),
    ]


def schedule(todo: list[Duty]) -> AsyncIOScheduler:
    """Give a scheduler that runs each duty in its turn, never twice at once; start it yourself."""
    scheduler = AsyncIOScheduler(timezone="UTC")
    for duty in todo:
        scheduler.add_job(
            duty.run,
            "interval",
            seconds=duty.every_s,
            name=duty.name,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
    return scheduler
