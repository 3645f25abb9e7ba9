"""E-mail over SMTP: text and HTML in one message, a few connections kept open."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from email.utils import format_datetime, formataddr
from ipaddress import ip_address
from types import TracebackType
from typing import Annotated, Any, ClassVar, Literal, Self

import aiosmtplib
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from alertd import mime
from alertd.channel import Composed, Environment, Message, Pace, Receipt, Slot
from alertd.core.errors import (
    ChannelDown,
    ConfigError,
    Reason,
    SendError,
    Throttled,
    Uncertain,
    Undeliverable,
    Unsent,
)
from alertd.core.rendition import Kind, mark

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{1,64}}@){_ATOM}(\.{_ATOM})*@({_LABEL}\.)+{_LABEL}")
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")  # RFC 3463
_QUEUE_ID = re.compile(r"queued as ([0-9A-Za-z]{4,60})\b")
_IDLE_S = 60.0  # servers hang up on the idle after minutes: better us than them


class EmailSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(
        min_length=1,
        description="The SMTP server that relays for us.",
        examples=["smtp.example.org"],
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="Its port; by default 587, with tls = 'tls' 465, with 'none' 25."
    )
    tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the connection is encrypted."
    )
    ca_file: str | None = Field(
        default=None, description="PEM file of the authority that signed the server's certificate."
    )
    username: str | None = Field(default=None, description="Login name, where one is needed.")
    password: SecretStr | None = Field(default=None, description="Login password.")
    sender: str = Field(
        description="The address that messages come from.", examples=["alerts@example.org"]
    )
    sender_name: str = Field(default="", description="The name shown beside it.")
    list_id: str | None = Field(
        default=None, description="The list's name for List-Id; by default the programme's."
    )
    concurrency: Annotated[int, Field(ge=1, le=32)] = Field(
        default=6, description="Connections kept to the server, each with one message at a time."
    )
    timeout_s: Annotated[float, Field(gt=0, le=600)] = Field(
        default=30, description="Longest wait for any one answer of the server."
    )
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(
        default=10, description="Longest wait for a connection."
    )

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if not _ADDRESS.fullmatch(self.sender):
            raise ValueError("sender must be a plain address such as alerts@example.org")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        if self.password is not None and self.tls == "none" and not _is_loopback(self.host):
            raise ValueError("a password needs tls = 'starttls' or 'tls'")
        return self


class EmailChannel:
    name: ClassVar[str] = "email"
    Settings: ClassVar[type[BaseModel]] = EmailSettings
    templates: ClassVar[tuple[str, ...]] = ("subject.txt", "body.txt", "body.html")
    idempotent: ClassVar[bool] = False  # many mailboxes show one Message-ID once, but not all

    def __init__(self, settings: EmailSettings, *, environment: Environment) -> None:
        self.settings = settings
        self._domain = environment.sender_domain
        self._pool = Pool(settings, environment.sender_domain)
        self._envelope = f"FROM:<{settings.sender}>".encode()

    def compose(self, texts: Mapping[str, str], context: Mapping[str, Any]) -> list[Composed]:
        subject = texts["subject.txt"]
        if mark(Slot.SENT)[0] in subject:
            raise ConfigError("templates email/*/subject.txt: a subject cannot hold a slot")
        headers = [
            ("From", formataddr((self.settings.sender_name, self.settings.sender))),
            ("To", mark(Slot.ADDRESS)),
            ("Subject", mime.header("Subject", subject)),
            ("Date", mark(Slot.SENDING_DATE)),
            ("Message-ID", f"<{mark(Slot.DELIVERY_ID)}@{self._domain}>"),
            ("", mark(Slot.THREAD)),
            ("Auto-Submitted", "auto-generated"),  # RFC 3834: no holiday answers, please
            ("Content-Language", context["language"]),
        ]
        if context["kind"] not in (Kind.REQUEST, Kind.NOTICE):  # officials are no mailing list
            headers += [
                ("List-Id", mime.header("List-Id", f"<{self._list_id(context)}>")),
                ("List-Unsubscribe", f"<{mark(Slot.OWN_LINK)}>"),
                ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),  # RFC 8058
            ]
        body = mime.alternatives(headers, texts["body.txt"], texts["body.html"])
        return [Composed("message/rfc822", body)]

    def normalize(self, address: str) -> str:
        local, _, domain = address.strip().rpartition("@")
        try:
            address = f"{local}@{domain.encode('idna').decode().lower()}"
        except UnicodeError:
            raise Undeliverable(Reason.ADDRESS_INVALID) from None
        if len(address) > 254 or not _ADDRESS.fullmatch(address):
            raise Undeliverable(Reason.ADDRESS_INVALID)
        return address

    @property
    def pace(self) -> Pace:
        return Pace(self.settings.concurrency, self.settings.concurrency)

    def lane(self, address: str) -> str:
        return self.name

    async def send(self, message: Message) -> Receipt:
        memo = message.prepared.memo
        if (mail := memo.get("pieces")) is None:
            mail = memo["pieces"] = mime.pieces(message.prepared.parts)
        try:
            body = mime.filled(mail, self._values(message))
        except ValueError:
            raise Undeliverable(Reason.ADDRESS_INVALID) from None
        if message.repeat:
            body = b"Alertd-Repeat: true\r\n" + body
        async with self._pool.connection() as server:
            answer = await _hand_over(server, self._envelope, message.address, body)
        if isinstance(answer, SendError):
            raise answer
        return answer

    async def test_link(self, now: datetime) -> str | None:
        """Log in as for a message, and ask for nothing."""
        async with self._pool.connection() as server:
            try:
                code, text = await server.execute_command(b"NOOP")
            except (aiosmtplib.SMTPException, ConnectionError) as error:
                raise Unsent(*_lost(error)) from None
            if code != 250:
                raise refusal("CONNECT", code, text)
        return str(code)

    def _list_id(self, context: Mapping[str, Any]) -> str:
        return self.settings.list_id or context.get("list_id") or f"alerts.{self._domain}"

    def _values(self, message: Message) -> dict[Slot, str]:
        thread = ""
        if message.thread and message.thread != message.delivery_id:
            thread = f"<{message.thread}@{self._domain}>"
        return {
            Slot.ADDRESS: message.address,
            Slot.DELIVERY_ID: message.delivery_id,
            Slot.OWN_LINK: message.own_link,
            Slot.SENDING_DATE: format_datetime(message.now),
            Slot.THREAD: thread,
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._pool.close()


class Pool:
    """Connections to one server; a connection that failed is closed, the others go on."""

    def __init__(self, settings: EmailSettings, local_name: str) -> None:
        self._settings = settings
        self._local_name = local_name
        self._places = asyncio.Semaphore(settings.concurrency)
        self._idle: list[tuple[float, aiosmtplib.SMTP]] = []
        self._tls: ssl.SSLContext | None = None

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """Lend a connection that is ready for MAIL; raises Unsent or ChannelDown without one."""
        async with self._places:
            server = self._kept() or await self._connect()
            try:
                yield server
            except BaseException:
                # Its late answer would be taken for the next command's.
                server.close()
                raise
            if server.is_connected:
                self._idle.append((asyncio.get_running_loop().time(), server))

    async def close(self) -> None:
        servers = [server for _, server in self._idle]
        self._idle.clear()
        await asyncio.gather(*[_say_goodbye(server) for server in servers])

    def _kept(self) -> aiosmtplib.SMTP | None:
        oldest = asyncio.get_running_loop().time() - _IDLE_S
        while self._idle:
            since, server = self._idle.pop()
            if server.is_connected and since > oldest:
                return server
            server.close()
        return None

    async def _connect(self) -> aiosmtplib.SMTP:
        set_ = self._settings
        if self._tls is None and set_.tls != "none":
            self._tls = ssl.create_default_context(cafile=set_.ca_file)
        server = aiosmtplib.SMTP(
            hostname=set_.host,
            port=set_.port,
            username=set_.username,
            password=set_.password.get_secret_value() if set_.password else None,
            local_hostname=self._local_name,
            timeout=set_.timeout_s,
            use_tls=set_.tls == "tls",
            start_tls=set_.tls == "starttls",
            tls_context=self._tls,
        )
        try:
            await server.connect(timeout=set_.connect_timeout_s)
            if server.is_ehlo_or_helo_needed:
                await server.ehlo()
        except (aiosmtplib.SMTPException, OSError) as error:
            server.close()
            raise _no_connection(error) from None
        return server


async def _say_goodbye(server: aiosmtplib.SMTP) -> None:
    with contextlib.suppress(aiosmtplib.SMTPException):
        await server.quit(timeout=1)
    server.close()


async def _hand_over(
    server: aiosmtplib.SMTP, envelope: bytes, address: str, body: bytes
) -> Receipt | SendError:
    """Send one message; returns what leaves the connection fit for use, raises what does not."""
    try:
        for command, argument, wanted in (
            (b"MAIL", envelope, {250}),
            (b"RCPT", b"TO:<%b>" % address.encode(), {250, 251}),
            (b"DATA", None, {354}),
        ):
            words = (command,) if argument is None else (command, argument)
            code, text = await server.execute_command(*words)
            if code not in wanted:
                await _reset(server)
                return refusal(command.decode(), code, text)
    except (aiosmtplib.SMTPException, ConnectionError) as error:
        raise Unsent(*_lost(error)) from None
    try:
        if server.protocol is None:
            raise Unsent(Reason.DROPPED)
        server.protocol.write(body + b".\r\n")
        code, text = await server.protocol.read_response(timeout=server.timeout)
    except (aiosmtplib.SMTPException, ConnectionError) as error:
        raise Uncertain(*_lost(error)) from None
    if code == 250:
        queued = _QUEUE_ID.search(text)
        return Receipt("sent", provider_ref=queued[1] if queued else "", detail=str(code))
    return refusal("DATA", code, text)


async def _reset(server: aiosmtplib.SMTP) -> None:
    """Forget the message that was refused; a connection that cannot is of no more use."""
    try:
        await server.execute_command(b"RSET")
    except (aiosmtplib.SMTPException, ConnectionError):
        server.close()


def _lost(error: Exception) -> tuple[Reason, str]:
    """Name what ended a conversation without a proper answer."""
    if isinstance(error, TimeoutError):
        return Reason.TIMEOUT, "answer"
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return Reason.BAD_ANSWER, ""
    return Reason.DROPPED, ""


def _no_connection(error: Exception) -> SendError:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        command = "AUTH" if isinstance(error, aiosmtplib.SMTPAuthenticationError) else "CONNECT"
        return refusal(command, error.code, error.message)
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return Unsent(Reason.TLS)
    if isinstance(error, TimeoutError):
        return Unsent(Reason.TIMEOUT, "connect")
    if isinstance(error, OSError):
        return Unsent(Reason.REFUSED_CONNECTION)
    # STARTTLS or AUTH was asked for, and the server does not offer it.
    return ChannelDown(Reason.CREDENTIALS, "unsupported")


# Enhanced codes (RFC 3463) say more than the three digits; the first prefix that fits.
_MEANINGS: tuple[tuple[str, Reason, bool], ...] = (
    ("5.1.1 ", Reason.ADDRESS_UNREACHABLE, True),  # no such mailbox
    ("5.1.6 ", Reason.ADDRESS_UNREACHABLE, True),  # moved away
    ("5.1.10 ", Reason.ADDRESS_UNREACHABLE, True),  # the domain takes no mail (RFC 7505)
    ("5.1.3 ", Reason.ADDRESS_INVALID, False),
    ("5.1.", Reason.ADDRESS_UNREACHABLE, False),
    ("5.2.", Reason.ADDRESS_UNREACHABLE, False),  # full, or switched off
    ("5.", Reason.REJECTED, False),  # policy, content
)
_PLAIN = {
    550: Reason.ADDRESS_UNREACHABLE,
    551: Reason.ADDRESS_UNREACHABLE,
    552: Reason.ADDRESS_UNREACHABLE,
    553: Reason.ADDRESS_INVALID,
    501: Reason.ADDRESS_INVALID,
}


def refusal(command: str, code: int, text: str) -> SendError:
    """Say what a refused SMTP command means; `text` gives its enhanced code alone."""
    found = _ENHANCED.match(text)
    enhanced = found[0] if found else ""
    detail = f"{code} {enhanced}".rstrip()
    if 400 <= code < 500:
        # 4.7: policy, which with 4xx means greylisting or too many messages.
        if enhanced.startswith("4.7."):
            return Throttled(None, detail)
        return Unsent(Reason.SERVER_ERROR, detail)
    if not 500 <= code < 600 or code in {500, 502, 503, 504}:
        return Unsent(Reason.BAD_ANSWER, detail)
    return _us(command, code, enhanced) or _never(code, enhanced)


def _us(command: str, code: int, enhanced: str) -> ChannelDown | None:
    """Whether it is us that they refuse, and not the recipient."""
    detail = f"{code} {enhanced}".rstrip()
    if code in {530, 534, 535, 538} or command == "AUTH":
        return ChannelDown(Reason.CREDENTIALS, detail)
    if enhanced == "5.4.5":  # a relay's daily quota
        return ChannelDown(Reason.QUOTA, detail)
    if command in {"CONNECT", "MAIL"}:
        return ChannelDown(Reason.REJECTED, detail)
    return None


def _never(code: int, enhanced: str) -> Undeliverable:
    detail = f"{code} {enhanced}".rstrip()
    for prefix, reason, suppress in _MEANINGS:
        if f"{enhanced} ".startswith(prefix):
            return Undeliverable(reason, detail, suppress=suppress)
    return Undeliverable(_PLAIN.get(code, Reason.REJECTED), detail)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
