"""Puts the application together: plain code, read from top to bottom."""

import asyncio
import contextlib
import errno
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Self, cast
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from sqlalchemy import Connection, inspect, select

from alertd import plugins
from alertd.anchors import Signer, targets
from alertd.atlas import load_atlas
from alertd.capsign import Senders, make_signer
from alertd.channel import Environment, Report
from alertd.clock import Clock, system_clock
from alertd.console.app import add_console
from alertd.console.provider import CALLBACK
from alertd.core.audit import GENESIS
from alertd.core.errors import ConfigError
from alertd.guard import Guard
from alertd.ids import new_id
from alertd.oidc import Provider
from alertd.pipeline import websub
from alertd.pipeline.hold import Witness, begin_witness, hold_old_copy
from alertd.pipeline.render import Renderer
from alertd.pipeline.reports import settle_reports
from alertd.pipeline.retention import retain
from alertd.pipeline.rule_sets import refresh, register_all
from alertd.pipeline.signatures import sign_due, watch_signer
from alertd.publishing.mirror import Mirror
from alertd.publishing.press import Press
from alertd.publishing.purges import Purges
from alertd.resources import home
from alertd.rulebook import Rulebook
from alertd.settings import Listener, Settings
from alertd.store.schema import audit, to_micros
from alertd.store.store import open_store
from alertd.templating import Templates
from alertd.tools import Tools
from alertd.vault import SECRET_SIZE, load_or_create_secret, open_vault
from alertd.watch.watcher import Watcher
from alertd.web.api import make_api_app
from alertd.web.callbacks import Reports
from alertd.web.hub import Hub, Subscribers
from alertd.web.public import make_public_app
from alertd.workers.advance import AdvanceWorker
from alertd.workers.anchor import Anchoring
from alertd.workers.delivery import DeliveryWorker, Limits
from alertd.workers.guard import end, guard
from alertd.workers.mirror import MirrorWorker
from alertd.workers.outside_hub import OutsideHub
from alertd.workers.running import RunningDispatches
from alertd.workers.schedule import Duty, duties, schedule, watching

log = structlog.get_logger(__name__)

FEED_FRESH_S = 0.1  # how long what is public may be behind the ledger
EARLY_REPORT_S = 1.0  # a failure reported before its sending was settled is put again after
CLOSE_S = 2.0  # beyond draining: for the last transaction
WITNESS_S = 2.0  # what is committed may be lost unseen for so long, if a standby lags behind
DAY_S = 24 * 3600.0
SIGNING_S = 2.0  # between two looks for CAP documents that have no signature yet
RULES_S = 15.0  # between two looks at what was confirmed elsewhere
RETENTION_S = 3600.0  # between two looks for what may be forgotten


class App:
    """alertd in one process. `open` makes its tools; `serve` runs it until told to stop."""

    def __init__(self, settings: Settings, tools: Tools, signer: Signer) -> None:
        self.settings = settings
        self.tools = tools
        self.node = new_id(tools.clock())
        self.watcher = Watcher(tools, settings.watch)
        self._signer = signer
        self.press = Press(tools, signer, settings.state.heartbeat_s, FEED_FRESH_S)
        self.mirror = _mirror(settings, tools, self.press)
        if self.mirror is not None:
            self.tools = replace(tools, withdraw=self.mirror.withdraw)
        self._early: set[asyncio.Task[None]] = set()
        self._verified = GENESIS  # the chain's end as it was last witnessed
        self.ports: dict[str, int] = {}  # what is bound, by listener
        self.ready = asyncio.Event()

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
            app = cls(settings, tools, Signer(seed))
            if fresh:
                await begin_witness(vault)
            app._verified = await hold_old_copy(tools, app.node)
            yield app

    async def serve(self, stop: asyncio.Event, *, public: bool = True) -> None:
        """Serve and dispatch until `stop` is set, then drain within the deadline.

        Without `public`, another process serves that listener: see `publish`.
        Raises ConfigError when a port is taken, or a rule set was changed under its version.
        """
        await register_all(self.tools)
        async with AsyncExitStack() as stack:
            # Left in reverse: what was sent may be reported and settled until the doors close.
            reports = Reports(self._settle_reports)
            anchoring = self._anchoring()
            background = [guard(reports.run(), "reports"), guard(anchoring.follow(), "anchor")]
            stack.push_async_callback(end, *background)
            self.watcher.chain = anchoring.state
            hub = self._hub(stack) if public else None
            await self._listen(stack, self._doors(reports, hub, public=public))
            await stack.enter_async_context(self._sending())
            subscribers = self._subscribers()
            if subscribers is not None and (outside := subscribers.settings.outside_hub):
                told = OutsideHub(self.tools.store, self.press, outside)
                stack.push_async_callback(end, guard(told.run(), "outside hub"))
            if self.mirror is not None:
                mirroring = MirrorWorker(self.tools.store, self.press, self.mirror)
                stack.push_async_callback(end, guard(mirroring.run(), "mirror"))
            todo = duties(self.tools, self.node)
            todo.append(Duty("anchor", self.settings.anchors.interval_s, anchoring.write))
            todo.append(Duty("end of the chain", WITNESS_S, anchoring.look))
            todo += watching(self.watcher)
            kept = self.settings.retention
            todo.append(Duty("retention", RETENTION_S, lambda: retain(self.tools, kept)))
            todo.append(Duty("rule sets", RULES_S, lambda: refresh(self.tools)))
            if self.tools.signer is not None:
                await watch_signer(self.tools)
                todo.append(Duty("cap certificate", DAY_S, lambda: watch_signer(self.tools)))
                todo.append(Duty("cap signatures", SIGNING_S, lambda: sign_due(self.tools)))
            scheduler = schedule(todo)
            scheduler.start()
            stack.callback(scheduler.shutdown, wait=False)
            log.info("alertd.serving", node=self.node, **self.ports)
            self.ready.set()
            await stop.wait()
            log.info("alertd.stopping", node=self.node)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await anchoring.write()

    async def publish(self, stop: asyncio.Event) -> None:
        """Only serve the public listener, beside a process that sends, until `stop` is set."""
        await refresh(self.tools)
        async with AsyncExitStack() as stack:
            reports = Reports(self._settle_reports)
            stack.push_async_callback(end, guard(reports.run(), "reports"))
            if (subscribers := self.tools.channels.get(websub.CHANNEL)) is not None:
                await stack.enter_async_context(subscribers)
            hub, proxies = self._hub(stack), self.settings.trusted_proxies
            door = make_public_app(self.tools, reports, self.press, hub, proxies=proxies)
            await self._listen(stack, {"public": door})
            log.info("alertd.publishing", node=self.node, **self.ports)
            self.ready.set()
            await stop.wait()

    async def work(self, stop: asyncio.Event) -> None:
        """Only send, beside a process that serves, until `stop` is set."""
        async with self._sending():
            log.info("alertd.sending", node=self.node)
            await stop.wait()

    @asynccontextmanager
    async def _sending(self) -> AsyncIterator[None]:
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
            DeliveryWorker(self.tools, channel, running, self.node, limits)
            for channel in self.tools.channels.values()
        ]

    async def _settle_reports(self, reports: Sequence[Report]) -> None:
        """Settle, and put again what came too early, without holding up what comes after."""
        now = to_micros(self.tools.clock())
        early = await self.tools.store.write(settle_reports, reports, node=self.node, now=now)
        if early:
            again = guard(self._settle_later(early), "early reports")
            self._early.add(again)
            again.add_done_callback(self._early.discard)

    async def _settle_later(self, reports: Sequence[Report]) -> None:
        await asyncio.sleep(EARLY_REPORT_S)
        await self._settle_reports(reports)

    def _subscribers(self) -> Subscribers | None:
        return cast("Subscribers | None", self.tools.channels.get(websub.CHANNEL))

    def _hub(self, stack: AsyncExitStack) -> Hub | None:
        """Start confirming subscriptions, where the channel for them is switched on."""
        if (subscribers := self._subscribers()) is None:
            return None
        hub = Hub(self.tools, subscribers)
        stack.push_async_callback(end, guard(hub.run(), "websub hub"))
        return hub

    def _doors(
        self, reports: Reports, hub: Hub | None, *, public: bool
    ) -> dict[str, web.Application]:
        size, proxies = self.settings.limits.body_bytes, self.settings.trusted_proxies
        api = make_api_app(self.tools, body_bytes=size, watcher=self.watcher, proxies=proxies)
        extras = {"watcher": self.watcher, "provider": make_provider(self.settings)}
        add_console(api, self.tools, extras)
        doors = {"api": api}
        if public:
            doors["public"] = make_public_app(self.tools, reports, self.press, hub, proxies=proxies)
        return doors

    async def _listen(self, stack: AsyncExitStack, doors: Mapping[str, web.Application]) -> None:
        context = _tls(self.settings)
        for name, app in doors.items():
            listener: Listener = getattr(self.settings, name)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            self.ports[name] = await _bind(runner, name, listener, context)

    def _anchoring(self) -> Anchoring:
        anchors = self.settings.anchors
        return Anchoring(
            self.tools.store,
            self._signer,
            [Witness(self.tools.vault), *targets(anchors, self.settings.channels.get("email"))],
            install=self.settings.install,
            clock=self.tools.clock,
            since=self._verified,
        )


async def _bind(
    runner: web.AppRunner, name: str, listener: Listener, context: ssl.SSLContext | None
) -> int:
    """Listen, and give the port; raises ConfigError when somebody else has it."""
    site = web.TCPSite(runner, listener.host, listener.port, ssl_context=context)
    try:
        await site.start()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise ConfigError(f"{name}: cannot listen on {listener.host}: {error}") from None
        raise ConfigError(
            f"{name}.port: {listener.port} is taken on {listener.host}; "
            "stop what listens there, or choose another port"
        ) from None
    port: int = runner.addresses[0][1]
    return port


def make_provider(settings: Settings) -> Provider | None:
    if settings.oidc.issuer is None:
        return None
    guard = Guard(map(str, settings.outbound.allow_addresses))
    return Provider(settings.oidc, guard, settings.console_url + CALLBACK)


def _mirror(settings: Settings, tools: Tools, press: Press) -> Mirror | None:
    if settings.mirror.folder is None:
        return None
    hook = settings.mirror.purge_hook
    purges = Purges(
        str(hook) if hook else None,
        settings.data_dir / "mirror-purges.json",
        public_url=settings.public_url,
    )
    return Mirror(tools, press, settings.mirror.folder, purges)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls.cert is None or settings.tls.key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls.cert, settings.tls.key)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(f"tls: {settings.tls.cert} cannot be used: {error}") from None
    return context


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
