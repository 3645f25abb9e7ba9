"""An install as an operator sets it up: its own file, a daemon of its own, the world around it."""

from __future__ import annotations

import asyncio
import csv
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from alertd.app import App
from alertd.demo import cast, ports, sample
from alertd.demo.daemon import scrubbed
from alertd.demo.twilio import Sms
from alertd.demo.world import World, world
from alertd.pipeline.recipients import import_rows
from alertd.settings import embedded
from alertd.tools import CONSOLE, Tools
from tests.acceptance.harness.daemon import Daemon
from tests.acceptance.harness.town import Merged
from tests.ports import free_port

PHONES, MAILBOXES = 36, 6  # of those who are told of real alerts; the sample's are for exercises
SMS_A_SECOND = 8  # so that the bars of an alert are seen to move

_OFFICIAL = {at for each in (sample.SUBMITTER, *sample.APPROVERS) for at in (each.sms, each.email)}


@dataclass(frozen=True)
class Install:
    """A daemon that serves, and all that it talks to."""

    daemon: Daemon
    settings: Merged
    world: World
    tokens: cast.Tokens  # of officials who work by the API alone

    @property
    def console(self) -> str:
        return str(self.settings["console_url"])

    @property
    def public(self) -> str:
        return str(self.settings["public_url"])

    def told(self, since: dict[str, Counter[str]]) -> dict[str, set[str]]:
        """Give by channel who got something since then; officials do not count."""
        now = self.world.arrived()
        return {channel: {*(now[channel] - since[channel])} - _OFFICIAL for channel in now}

    async def until_told(
        self, since: dict[str, Counter[str]], expected: dict[str, set[str]], timeout_s: float = 20
    ) -> None:
        """Return once exactly those were told."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.told(since) != expected:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            assert self.told(since) == expected

    def texts(self, since: dict[str, Counter[str]]) -> list[Sms]:
        """Give the text messages that came in since then, but those to officials."""
        count = sum(since["sms"].values())
        return [sms for sms in self.world.sms.messages[count:] if sms.to not in _OFFICIAL]

    def trained(self, *regions: str) -> dict[str, set[str]]:
        """Give by channel who is told of exercises in some regions."""
        text = sample.recipients_csv(self.world.hooks.url, datetime.now(UTC))
        rows = [row for row in csv.DictReader(StringIO(text)) if row["regions"] in {"GR", *regions}]
        return {
            channel: {row["address"] for row in rows if row["channel"] == channel}
            for channel in self.world.arrived()
        }

    async def alertd(self, *arguments: str) -> str:
        """Run one of alertd's commands; gives what it prints."""
        return await run(self.daemon.config, *arguments)


async def run(config: Path, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alertd", "--config", str(config), *arguments),
        env=scrubbed(os.environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return out.decode().strip()


@asynccontextmanager
async def installed(folder: Path) -> AsyncIterator[Install]:
    """Set up and run an install; recipients and two administrators are entered before."""
    async with world(dict.fromkeys(ports.DEFAULTS, 0)) as around:
        sections = _sections(folder, around)
        daemon = Daemon(folder, sections)
        async with App.open(embedded(sections)) as app:
            tokens = await cast.enter(app.tools)
            _, secrets = await cast.import_recipients(app.tools, around.hooks.url)
            await _enter_public(app.tools)
        around.hooks.secrets.update(secrets)
        try:
            yield Install(daemon, sections, around, tokens)
        finally:
            await daemon.close()


def _sections(folder: Path, around: World) -> Merged:
    api, public = free_port(), free_port()
    channels = around.channels()
    channels["sms"] |= {"rate_per_s": SMS_A_SECOND, "price": 0.045}
    return {
        "install": "example",
        "sender": "alerts@example.org",
        "data_dir": str(folder / "data"),
        # A name and no number: browsers use passkeys for names alone.
        "console_url": f"http://localhost:{api}",
        "public_url": f"http://127.0.0.1:{public}",
        "api": {"port": api},
        "public": {"port": public},
        "outbound": {"allow_addresses": ["127.0.0.0/8"]},
        "channels": channels,
    }


def the_public() -> dict[str, set[str]]:
    """Give by channel who is told of real alerts, all of them in Attica."""
    return {
        "sms": {f"+30691000{number:04}" for number in range(PHONES)},
        "email": {f"reader{number}@example.org" for number in range(MAILBOXES)},
        "webhook": set(),
    }


async def _enter_public(tools: Tools) -> None:
    text, day = StringIO(), datetime.now(UTC).date().isoformat()
    writer = csv.writer(text)
    writer.writerow(sample.COLUMNS)
    for channel, found in the_public().items():
        for at in sorted(found):
            row = ("Example", "citizen", channel, at, "el", "GR-I", "no", "example form 2", day)
            writer.writerow(row)
    done = await import_rows(tools, CONSOLE, text.getvalue().splitlines(keepends=True))
    assert not done.refused
