"""One alert from submission to the last delivery, on this machine alone."""

import asyncio
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from alertd.app import App
from alertd.client import Api
from alertd.core.rendition import Kind
from alertd.demo import cast, ports, sample
from alertd.demo.daemon import DaemonDied, daemon, tail, url, write_config
from alertd.demo.world import World, read_feed, world
from alertd.progress import Bars, bars, is_settled, row, table
from alertd.settings import Settings, embedded
from alertd.shapes import DispatchProgress, ProgressView

FOLDER = Path("var/demo")
POLL_S = 0.2
PATIENCE_S = 120.0  # for everything to be settled and confirmed


@dataclass(frozen=True, slots=True)
class Stage:
    """What the acts of the demo share."""

    console: Console
    ports: Mapping[str, int]
    folder: Path
    world: World

    @property
    def api(self) -> str:
        return url(self.ports["api"])

    @property
    def public(self) -> str:
        return url(self.ports["public"])

    @property
    def feed(self) -> str:
        return f"{self.public}/feeds/exercise/rss.xml"

    def sections(self) -> dict[str, Any]:
        """Give the settings that differ from the embedded defaults."""
        return {
            "install": "demo",
            "sender": "exercise@example.org",
            "public_url": self.public,
            "console_url": self.api,
            "data_dir": str(self.folder),
            "api": {"port": self.ports["api"]},
            "public": {"port": self.ports["public"]},
            "log": {"level": "debug"},  # a line per attempt, for whoever looks
            "outbound": {"allow_addresses": ["127.0.0.0/8"]},
            "channels": self.world.channels(),
        }


async def run(wanted: Mapping[str, int], console: Console, *, once: bool) -> list[str]:
    """Play the demo and stay until Ctrl-C, unless `once`; gives what did not work."""
    settled = ports.settle(wanted)
    async with AsyncExitStack() as stack:
        folder = _fresh_folder()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stage = Stage(console, settled, folder, await stack.enter_async_context(world(settled)))
        settings = embedded(stage.sections())
        write_config(folder / "alertd.toml", stage.sections())
        tokens = await _prepare(stage, settings)
        process = await stack.enter_async_context(daemon(folder / "alertd.toml", stage.api))
        clients = await stack.enter_async_context(cast.on_stage(stage.api, tokens))
        alert = await cast.submit(clients, console)
        await cast.approve(clients, alert, console)
        dispatch = await _watch(clients["submitter"], alert)
        faults = await compare(stage, dispatch)
        _report(stage, dispatch, faults)
        if not once:
            await _stay(process, console, folder)
        return faults


def _fresh_folder() -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    prefix = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-"
    return Path(tempfile.mkdtemp(prefix=prefix, dir=FOLDER)).resolve()


async def _prepare(stage: Stage, settings: Settings) -> cast.Tokens:
    """Enter officials and recipients, as an operator does before the first alert."""
    async with App.open(settings) as app:
        tokens = await cast.enter(app.tools)
        count, secrets = await cast.import_recipients(app.tools, stage.world.hooks.url)
    stage.world.hooks.secrets.update(secrets)
    stage.console.print(f"{count} fictional recipients imported, all of them for exercises")
    return tokens


async def _watch(api: Api, alert: str) -> DispatchProgress:
    """Show bars until all is settled and confirmed, or patience ends."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE_S
    with bars() as progress:
        moving = Bars(progress)
        while True:
            view = ProgressView.model_validate(await api.get(f"/alerts/{alert}/progress"))
            shown = [each for each in view.dispatches if each.kind == Kind.ALERT]
            moving.show(view.model_copy(update={"dispatches": shown}))
            if shown and (_is_over(shown[0]) or loop.time() > until):
                return shown[0]
            await asyncio.sleep(POLL_S)


def _is_over(dispatch: DispatchProgress) -> bool:
    """Tell whether all is settled, and every text message confirmed by its callback."""
    rows = [row(channel) for channel in dispatch.channels]
    confirmed = all(each.delivered == each.sent for each in rows if each.channel == "sms")
    return is_settled(dispatch) and confirmed


async def compare(stage: Stage, dispatch: DispatchProgress) -> list[str]:
    """Hold the ledger against what the stand-ins got; gives every difference."""
    arrived = stage.world.arrived()
    feeds = sample.expected(stage.world.hooks.url)["feed"]
    arrived["feed"] = Counter(
        {to: await _times_in_feed(stage, to, dispatch.identifier) for to in feeds}
    )
    ledger = {channel.channel: row(channel) for channel in dispatch.channels}
    faults = []
    for channel, wanted in sample.expected(stage.world.hooks.url).items():
        missed = sorted(to for to in wanted if not arrived[channel][to])
        twice = sorted(to for to in wanted if arrived[channel][to] > 1)
        faults += [f"{channel}: {to} was missed" for to in missed]
        faults += [f"{channel}: {to} got it {arrived[channel][to]} times" for to in twice]
        each = ledger.get(channel)
        if each is None or not each.planned == each.sent == len(wanted):
            faults.append(f"{channel}: the ledger does not say that all {len(wanted)} were sent")
    return faults


async def _times_in_feed(stage: Stage, address: str, identifier: str) -> int:
    return (await read_feed(f"{stage.public}/feeds/{address}/rss.xml")).count(identifier)


def _report(stage: Stage, dispatch: DispatchProgress, faults: list[str]) -> None:
    say = stage.console.print
    say()
    say(table(dispatch))
    if faults:
        say("\n".join(faults), style="bold red")
    else:
        say("The stand-ins got exactly what the ledger says: nobody missed, nobody twice.")
        say("(Mail is sent once the relay took it; nobody confirms its delivery.)")
    pages = {
        "feed": stage.feed,
        "page of the alert": f"{stage.public}/a/{dispatch.identifier.split('.')[1]}",
        "CAP document": f"{stage.public}/cap/{dispatch.identifier}.xml",
        "API docs": f"{stage.api}/api/v1/docs",
        "console": f"{stage.api}/",
        **stage.world.pages(),
    }
    for name, page in pages.items():
        say(f"{name:<22} {page}")


async def _stay(process: asyncio.subprocess.Process, console: Console, folder: Path) -> None:
    """Wait for Ctrl-C, or for the daemon to end on its own, which it should not."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    admin = f"alertd --config {folder / 'alertd.toml'} admin NAME"
    console.print(f"For an account at the console: {admin}", soft_wrap=True, markup=False)
    console.print("Press Ctrl-C to stop.")
    waiting = {asyncio.create_task(stop.wait()), asyncio.create_task(process.wait())}
    _, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    if not stop.is_set():
        raise DaemonDied("the daemon ended by itself:\n" + tail(folder / "alertd.log"))
