"""The outside world in a process of its own: it logs what it accepts before it answers.

Run as `python -m tests.acceptance.harness.sinks FOLDER DELAY_MS`; the first line that it prints
names its ports.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

from alertd.demo.peer import Inbox
from alertd.demo.smtp import Mail, SmtpSink
from alertd.demo.twilio import FakeTwilio, Sms
from alertd.demo.webhooks import Hook, WebhookSink

T = TypeVar("T")
ANYWHERE = "0.0.0.0"  # noqa: S104 - 127.0.0.1, .2, .3 are several endpoint hosts
_MESSAGE_ID = re.compile(rb"^Message-ID: <([^@>]+)@", re.MULTILINE | re.IGNORECASE)
_REPEAT = re.compile(rb"^Alertd-Repeat: true", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Line:
    """One message that a sink accepted; `repeat` is None where the medium has no mark."""

    id: str
    to: str
    repeat: bool | None


def of_hook(hook: Hook) -> Line:
    return Line(hook.id, hook.path, hook.repeat)


def of_mail(mail: Mail) -> Line:
    found = _MESSAGE_ID.search(mail.content)
    name = found[1].decode() if found else ""
    return Line(name, mail.recipients[0], _REPEAT.search(mail.content) is not None)


def of_sms(sms: Sms) -> Line:
    return Line(parse_qs(urlsplit(sms.callback).query)["delivery"][0], sms.to, None)


class LoggingInbox(Inbox[T], Generic[T]):
    """Appends what arrived to a file, and only then lets the sink answer."""

    def __init__(self, path: Path, line: Callable[[T], Line], delay_s: float) -> None:
        super().__init__()
        self._line = line
        self._delay_s = delay_s
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def add(self, item: T) -> None:
        line = self._line(item)
        os.write(self._file, json.dumps([line.id, line.to, line.repeat]).encode() + b"\n")
        if self._delay_s:
            spread = random.uniform(0, 2)
            await asyncio.sleep(spread * self._delay_s)
        await super().add(item)


async def serve(folder: Path, delay_s: float) -> None:
    hooks, mails, twilio = WebhookSink(host=ANYWHERE), SmtpSink(), FakeTwilio()
    hooks.inbox = LoggingInbox(folder / "webhook.log", of_hook, delay_s)
    mails.inbox = LoggingInbox(folder / "email.log", of_mail, delay_s)
    twilio.inbox = LoggingInbox(folder / "sms.log", of_sms, delay_s)
    async with AsyncExitStack() as stack:
        for peer in (hooks, mails, twilio):
            await stack.enter_async_context(peer)
        ports = {"webhook": hooks.port, "email": mails.smtp_port, "sms": twilio.port}
        print(json.dumps(ports), flush=True)  # noqa: T201 - that is how it tells
        await asyncio.Event().wait()


@dataclass(frozen=True)
class Sinks:
    """What a test knows of them: where they listen, and what they logged."""

    folder: Path
    ports: dict[str, int]
    pid: int

    def suspend(self) -> None:
        """Let them accept connections, which the system does, and say nothing more."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def lines(self, channel: str) -> list[Line]:
        path = self.folder / f"{channel}.log"
        if not path.exists():
            return []
        rows: list[Any] = [json.loads(text) for text in path.read_text().splitlines()]
        return [Line(*row) for row in rows]


@asynccontextmanager
async def sinks(folder: Path, delay_ms: int = 0) -> AsyncIterator[Sinks]:
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nothing else runs yet
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __spec__.name, str(folder), str(delay_ms)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield Sinks(folder, json.loads(await process.stdout.readline()), process.pid)
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]) / 1000))
