"""Puts the application together: plain code, read from top to bottom."""

import asyncio
import contextlib
import errno
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import cast

import structlog
from aiohttp import web

from alertd.anchors import Signer, targets
from alertd.channel import Report
from alertd.console.app import add_console
from alertd.console.provider import CALLBACK
from alertd.core.errors import ConfigError
from alertd.guard import Guard
from alertd.node import CLOSE_S, Node
from alertd.oidc import Provider
from alertd.pipeline import websub
from alertd.pipeline.hold import Witness
from alertd.pipeline.reports import settle_reports
from alertd.pipeline.retention import retain
from alertd.pipeline.rule_sets import refresh, register_all
from alertd.pipeline.signatures import sign_due, watch_signer
from alertd.publishing.mirror import Mirror
from alertd.publishing.press import Press
from alertd.publishing.purges import Purges
from alertd.sections import Listener
from alertd.settings import Settings
from alertd.store.schema import to_micros
from alertd.tools import Tools
from alertd.watch.watcher import Watcher
from alertd.web.api import make_api_app
from alertd.web.callbacks import Reports
from alertd.web.hub import Hub, Subscribers
from alertd.web.public import make_public_app
from alertd.workers.anchor import Anchoring
from alertd.workers.guard import end, guard
from alertd.workers.mirror import MirrorWorker
from alertd.workers.outside_hub import OutsideHub
from alertd.workers.schedule import Duty, duties, schedule, watching

log = structlog.get_logger(__name__)

FEED_FRESH_S = 0.1  # how long what is public may be behind the ledger
EARLY_REPORT_S = 1.0  # a failure reported before its sending was settled is put again after
WITNESS_S = 2.0  # what is committed may be lost unseen for so long, if a standby lags behind
DAY_S = 24 * 3600.0
SIGNING_S = 2.0  # between two looks for CAP documents that have no signature yet
RULES_S = 15.0  # between two looks at what was confirmed elsewhere
RETENTION_S = 3600.0  # between two looks for what may be forgotten


class App(Node):
    """alertd in one process: a node with doors. `serve` runs it until told to stop."""

    def __init__(self, settings: Settings, tools: Tools, signer: Signer) -> None:
        super().__init__(settings, tools, signer)
        self.watcher = Watcher(tools, settings.watch)
        self.press = Press(tools, signer, settings.state.heartbeat_s, FEED_FRESH_S)
        self.mirror = _mirror(settings, tools, self.press)
        if self.mirror is not None:
            self.tools = replace(tools, withdraw=self.mirror.withdraw)
        self._early: set[asyncio.Task[None]] = set()
        self.ports: dict[str, int] = {}  # what is bound, by listener
        self.ready = asyncio.Event()

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
            await stack.enter_async_context(self.sending())
            subscribers = self._subscribers()
            if subscribers is not None and (outside := subscribers.settings.outside_hub):
                told = OutsideHub(self.tools.store, self.press, outside)
                stack.push_async_callback(end, guard(told.run(), "outside hub"))
            if self.mirror is not None:
                mirroring = MirrorWorker(self.tools.store, self.press, self.mirror)
                stack.push_async_callback(end, guard(mirroring.run(), "mirror"))
            todo = duties(self.tools, self.id)
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
            log.info("alertd.serving", node=self.id, **self.ports)
            self.ready.set()
            await stop.wait()
            log.info("alertd.stopping", node=self.id)
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
            log.info("alertd.publishing", node=self.id, **self.ports)
            self.ready.set()
            await stop.wait()

    async def _settle_reports(self, reports: Sequence[Report]) -> None:
        """Settle, and put again what came too early, without holding up what comes after."""
        now = to_micros(self.tools.clock())
        early = await self.tools.store.write(settle_reports, reports, node=self.id, now=now)
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
            self.signer,
            [Witness(self.tools.vault), *targets(anchors, self.settings.channels.get("email"))],
            install=self.settings.install,
            clock=self.tools.clock,
            since=self.verified,
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
