"""One process that sends: its tools, and its share of the deliveries. No listeners.

Apart from `alertd.app`, so that a process that only sends carries no pages and no routes.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Self
from urllib.parse import urlsplit

import structlog
from sqlalchemy import Connection, inspect, select

from alertd import plugins
from alertd.anchors import Signer
from alertd.atlas import load_atlas
from alertd.capsign import Senders, make_signer
from alertd.channel import Environment
from alertd.clock import Clock, system_clock
from alertd.core.audit import GENESIS
from alertd.ids import new_id
from alertd.pipeline.hold import begin_witness, hold_old_copy
from alertd.pipeline.render import Renderer
from alertd.resources import home
from alertd.rulebook import Rulebook
from alertd.settings import Settings
from alertd.store.schema import audit
from alertd.store.store import open_store
from alertd.templating import Templates
from alertd.tools import Tools
from alertd.vault import SECRET_SIZE, load_or_create_secret, open_vault
from alertd.workers.advance import AdvanceWorker
from alertd.workers.delivery import DeliveryWorker, Limits
from alertd.workers.guard import end, guard
from alertd.workers.running import RunningDispatches

log = structlog.get_logger(__name__)

CLOSE_S = 2.0  # beyond draining: for the last transaction


class Node:
    """alertd's tools in one process. `open` makes them; `work` sends until told to stop."""

    def __init__(self, settings: Settings, tools: Tools, signer: Signer) -> None:
        self.settings = settings
        self.tools = tools
        self.id = new_id(tools.clock())
        self.signer = signer
        self.verified = GENESIS  # the chain's end as it was last witnessed

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, clock: Clock = system_clock) -> AsyncIterator[Self]:
        """Open databases and secrets, bring the schema up to date, load rules and channels.

        Raises ConfigError. A new install makes its secrets; one that has a ledger must have them.
        """
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(open_store(settings.database.url))
            fresh = await store.read(_is_empty)
            master = load_or_create_secret(settings.keys.master_key_file, SECRET_SIZE, create=fresh)
            seed = load_or_create_secret(settings.anchors.key_file, SECRET_SIZE, create=fresh)
            await store.migrate()
            vault = await stack.enter_async_context(open_vault(settings.keys.url, master))
            channels = plugins.load(settings.channels, _environment(settings))
            atlas = load_atlas(home("config") / "regions")
            tools = Tools(
                store=store,
                vault=vault,
                rulebook=Rulebook.load(settings.rulesets_dir or home("config") / "rulesets"),
                atlas=atlas,
                renderer=Renderer(
                    channels=channels,
                    atlas=atlas,
                    public_url=settings.public_url,
                    sender=settings.sender,
                    templates=Templates(settings.templates_dir),
                ),
                channels=channels,
                uncertain=plugins.uncertain_policies(channels, settings.dispatch.uncertain),
                clock=clock,
                public_url=settings.public_url,
                console_url=settings.console_url,
                install=settings.install,
                sender=settings.sender,
                end_deadline=timedelta(hours=settings.dispatch.end_deadline_h),
                signer=make_signer(settings.cap),
                senders=Senders(settings.cap.senders, settings.cap.unregistered),
            )
            node = cls(settings, tools, Signer(seed))
            if fresh:
                await begin_witness(vault)
            node.verified = await hold_old_copy(tools, node.id)
            yield node

    async def work(self, stop: asyncio.Event) -> None:
        """Only send, beside a process that serves, until `stop` is set."""
        async with self.sending():
            log.info("alertd.sending", node=self.id)
            await stop.wait()

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Expand and deliver; at the end, drain within the deadline."""
        async with AsyncExitStack() as stack:
            for channel in self.tools.channels.values():
                await stack.enter_async_context(channel)
            advance = guard(AdvanceWorker(self.tools).run(), "advance")
            stack.push_async_callback(end, advance)
            workers = self._delivery_workers()
            sending = [guard(worker.run(), f"deliver-{n}") for n, worker in enumerate(workers)]
            try:
                yield
            finally:
                for worker in workers:
                    worker.stop()
                # A database that hangs must not keep us: what is in hand is taken over later.
                await asyncio.wait(sending, timeout=self.settings.dispatch.drain_s + CLOSE_S)
                await end(*sending)

    def _delivery_workers(self) -> list[DeliveryWorker]:
        running = RunningDispatches(self.tools)
        dispatch = self.settings.dispatch
        limits = Limits(batch=dispatch.batch, lease_s=dispatch.lease_s, drain_s=dispatch.drain_s)
        return [
            DeliveryWorker(self.tools, channel, running, self.id, limits)
            for channel in self.tools.channels.values()
        ]


def _environment(settings: Settings) -> Environment:
    return Environment(
        public_url=settings.public_url,
        sender_domain=urlsplit(settings.public_url).hostname or "localhost",
        allow_addresses=tuple(map(str, settings.outbound.allow_addresses)),
    )


def _is_empty(conn: Connection) -> bool:
    """Tell whether nothing was ever recorded here: every change leaves an audit entry."""
    if not inspect(conn).has_table(audit.name):
        return True
    return conn.execute(select(audit.c.seq).limit(1)).first() is None
