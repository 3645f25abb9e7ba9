"""A stand-in for an SMTP server.

Small and of our own, since aiosmtpd is for tests: the demo needs nothing installed for it,
and a script can make it refuse, hang or hang up at any command.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Self

from aiohttp import web

from alertd.demo.peer import HttpPeer, Inbox, html, page

LARGEST = 1_000_000
HANG = "hang"
DROP = "drop"

_HELLO = ("250-stand-in.test", f"250-SIZE {LARGEST}", "250-8BITMIME", "250 ENHANCEDSTATUSCODES")
_REPLIES = {
    "CONNECT": "220 stand-in.test ESMTP",
    "EHLO": "\r\n".join(_HELLO),
    "HELO": "250 stand-in.test",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 End data with <CR><LF>.<CR><LF>",
    "END": "250 2.0.0 Ok: queued as {number:08X}",
    "RSET": "250 2.0.0 Ok",
    "NOOP": "250 2.0.0 Ok",
    "QUIT": "221 2.0.0 Bye",
}


@dataclass(frozen=True, slots=True)
class Mail:
    """One message as it came over the wire, dots unstuffed."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)


@dataclass(slots=True)
class Session:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sender: str | None = None
    recipients: list[str] = field(default_factory=list)

    def forget(self) -> None:
        self.sender, self.recipients = None, []

    async def say(self, reply: str) -> None:
        self.writer.write(reply.encode() + b"\r\n")
        await self.writer.drain()


class SmtpSink(HttpPeer):
    """SMTP on `smtp_port`; the page that lists what arrived on `port`."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, smtp_port: int = 0) -> None:
        super().__init__(host, port)
        self.smtp_port = smtp_port
        self.inbox: Inbox[Mail] = Inbox()
        self.connections = 0
        self._script: dict[str, deque[str]] = defaultdict(deque)
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    @property
    def messages(self) -> list[Mail]:
        return list(self.inbox.latest)

    async def wait_for(self, count: int, timeout_s: float = 10) -> None:
        await self.inbox.wait_for(count, timeout_s)

    def reply(self, command: str, *replies: str) -> None:
        """Answer the coming `command`s so: a reply line, HANG or DROP; END follows the dot."""
        self._script[command].extend(replies)

    def routes(self) -> Iterable[web.RouteDef]:
        return (web.get("/", self._page),)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        try:
            self._server = await asyncio.start_server(
                self._serve, self.host, self.smtp_port, limit=LARGEST
            )
        except OSError:
            await super().__aexit__(None, None, None)
            raise
        self.smtp_port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
            for session in self._sessions:
                session.cancel()
            await asyncio.gather(*self._sessions, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None
        await super().__aexit__(kind, error, trace)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._sessions.add(task)
            task.add_done_callback(self._sessions.discard)
        self.connections += 1
        session = Session(reader, writer)
        try:
            going = bool(await self._answer(session, "CONNECT"))
            while going:
                line = (await reader.readuntil(b"\r\n")).decode("utf-8", "replace").strip()
                going = await self._obey(session, line)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # the client is gone, or talks nonsense
        finally:
            writer.close()

    async def _obey(self, session: Session, line: str) -> bool:
        """Answer one command; False ends the session."""
        word, _, argument = line.partition(" ")
        command = word.upper()
        if command not in _REPLIES or command in {"CONNECT", "END"}:
            await session.say("502 5.5.2 Command not recognised")
            return True
        if command == "MAIL" and session.sender is not None:
            await session.say("503 5.5.1 nested MAIL command")
            return True
        answer = await self._answer(session, command)
        if not answer or command == "QUIT":
            return False
        if answer[0] in "45":
            return True
        address = argument.partition(":")[2].split(" ")[0].strip("<>")
        if command == "MAIL":
            session.sender = address
        elif command == "RCPT":
            session.recipients.append(address)
        elif command == "DATA":
            return await self._take(session)
        elif command != "NOOP":
            session.forget()
        return True

    async def _take(self, session: Session) -> bool:
        content = await session.reader.readuntil(b"\r\n.\r\n")
        content = content[:-3].replace(b"\r\n..", b"\r\n.")
        scripted = self._script["END"]
        if not scripted or scripted[0] in {HANG, DROP}:  # it may have arrived
            mail = Mail(session.sender or "", tuple(session.recipients), content)
            await self.inbox.add(mail)
        session.forget()
        return bool(await self._answer(session, "END"))

    async def _answer(self, session: Session, command: str) -> str:
        """Give the reply that was sent; empty when the connection was dropped instead."""
        scripted = self._script[command]
        reply = scripted.popleft() if scripted else _REPLIES[command]
        if reply == HANG:
            await asyncio.Event().wait()
        if reply == DROP:
            session.writer.transport.abort()
            return ""
        await session.say(reply.format(number=self.inbox.count))
        return reply

    async def _page(self, _request: web.Request) -> web.Response:
        rows = (
            (", ".join(mail.recipients), str(mail.message["Subject"]), _text(mail.message))
            for mail in self.messages
        )
        columns = ("To", "Subject", "Text")
        return html(page("Stand-in for the SMTP server", self.inbox.count, columns, rows))


def _text(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    return str(part.get_content()) if part is not None else ""
