"""HTTP POSTs over libcurl: bounded in time and size, guarded, and never sent twice unasked.

Errors are alertd's own: `Unsent` where the request cannot have been read whole, `Uncertain`
where it may have been.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import pycurl

from alertd.core.errors import Reason, SendError, Uncertain, Undeliverable, Unsent

LARGEST_ANSWER = 65_536
DRAIN_S = 1.0  # an answer whose body takes longer costs its connection, not our time
SWEEP_S = 0.25  # how often that is looked after
IDLE_S = 60  # how long a connection is kept for the next request

Socket = tuple[int, int, int, tuple[Any, ...]]  # family, type, protocol, address


class Forbids(Protocol):
    def forbids(self, address: str) -> bool: ...


class Answer(NamedTuple):
    """What the peer said; the body is cut off where it takes too long or too much."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """Give a header's value, or nothing."""
        wanted = name.lower().encode()
        for line in self.head.split(b"\r\n"):
            field, _, value = line.partition(b":")
            if field.lower() == wanted:
                return value.strip().decode("latin-1")
        return ""


class Courier:
    """Keeps connections open between requests; opened and closed by `async with`."""

    def __init__(
        self,
        *,
        connections: int,
        per_host: int,
        connect_s: float,
        total_s: float,
        guard: Forbids | None = None,
    ) -> None:
        self._limits = {
            pycurl.M_MAX_TOTAL_CONNECTIONS: connections,
            pycurl.M_MAX_HOST_CONNECTIONS: per_host,
            pycurl.M_MAXCONNECTS: connections,  # idle ones among them
        }
        # Connecting runs into its own, shorter bound: then the whole is met with one in hand.
        self._bounds_ms = int(min(connect_s, total_s * 0.9) * 1000), int(total_s * 1000)
        self._guard = guard
        self._multi: pycurl.AsyncCurlMulti | None = None
        self._idle: list[_Exchange] = []
        self._answering: dict[_Exchange, float] = {}  # whose head is in, and since when
        self._sweep: asyncio.TimerHandle | None = None

    async def get(self, url: str, headers: Sequence[str] = ()) -> Answer:
        """Fetch what is there; raises Unsent, Uncertain or Undeliverable."""
        return await self._send(url, headers, None)

    async def post(self, url: str, headers: Sequence[str], body: bytes) -> Answer:
        """Send one request and give its answer; raises Unsent, Uncertain or Undeliverable."""
        return await self._send(url, headers, body)

    async def _send(self, url: str, headers: Sequence[str], body: bytes | None) -> Answer:
        if self._multi is None:
            raise RuntimeError("the courier is not open")
        exchange = self._idle.pop() if self._idle else self._make()
        try:
            return await exchange.run(self._multi, url, [*headers, "Expect:", "Accept:"], body)
        finally:
            self._answering.pop(exchange, None)
            self._idle.append(exchange)

    def _make(self) -> "_Exchange":
        return _Exchange(self._guard, self._bounds_ms, self._expect_the_end)

    def _expect_the_end(self, exchange: "_Exchange") -> None:
        """Note that an answer's head is in; one timer looks after all that are not yet whole."""
        loop = asyncio.get_running_loop()
        self._answering[exchange] = loop.time()
        if self._sweep is None:
            self._sweep = loop.call_later(SWEEP_S, self._cut_off_the_late)

    def _cut_off_the_late(self) -> None:
        loop = asyncio.get_running_loop()
        late = loop.time() - DRAIN_S
        for exchange, since in list(self._answering.items()):
            if since < late:
                del self._answering[exchange]
                exchange.cut_off()
        waits = bool(self._answering)
        self._sweep = loop.call_later(SWEEP_S, self._cut_off_the_late) if waits else None

    async def __aenter__(self) -> Self:
        self._multi = pycurl.AsyncCurlMulti()
        for option, value in self._limits.items():
            self._multi.setopt(option, value)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        if self._multi is not None:
            await self._multi.aclose()
            self._multi = None
            self._idle.clear()


class _Exchange:
    """One request at a time, over a handle that is set up once."""

    def __init__(
        self,
        guard: Forbids | None,
        bounds_ms: tuple[int, int],
        answering: Callable[["_Exchange"], None],
    ) -> None:
        self._guard = guard
        self._answering = answering
        self._curl = curl = pycurl.Curl()
        for option, value in {
            pycurl.NOSIGNAL: 1,
            pycurl.NOPROXY: "*",
            pycurl.PATH_AS_IS: 1,
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
            pycurl.MAXAGE_CONN: IDLE_S,
            pycurl.CONNECTTIMEOUT_MS: bounds_ms[0],
            pycurl.TIMEOUT_MS: bounds_ms[1],
            # What is read from a function cannot be read again, so that libcurl, which repeats
            # a request by itself when a kept connection turns out dead, can do so only while
            # none of the body has left us.
            pycurl.READFUNCTION: self._read,
            pycurl.HEADERFUNCTION: self._take_header,
            pycurl.WRITEFUNCTION: self._take_body,
            pycurl.OPENSOCKETFUNCTION: self._open,
            **_trust(),
        }.items():
            curl.setopt(option, value)

    async def run(
        self, multi: pycurl.AsyncCurlMulti, url: str, headers: list[str], body: bytes | None
    ) -> Answer:
        self._left, self._head, self._body = body or b"", list[bytes](), list[bytes]()
        self._began = self._forbidden = self._cut = False
        self._opened: list[socket.socket] = []
        self._multi = multi
        curl = self._curl
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.HTTPHEADER, headers)
        if body is None:
            curl.setopt(pycurl.HTTPGET, 1)
        else:
            curl.setopt(pycurl.POST, 1)
            curl.setopt(pycurl.POSTFIELDSIZE_LARGE, len(body))
        try:
            await multi.add_handle(curl)
        except pycurl.error as error:
            if not self._answered():
                raise self._failure(int(error.args[0])) from None
        except asyncio.CancelledError:
            if not self._cut:
                raise
        finally:
            for made in self._opened:
                made.close()
        status = self._head[0].split(None, 2)[1] if self._head else b""
        if not status.isdigit():
            raise Uncertain(Reason.BAD_ANSWER)
        return Answer(int(status), b"".join(self._head), b"".join(self._body))

    def _answered(self) -> bool:
        return bool(self._head) and self._head[-1] == b"\r\n"

    # --- called by libcurl -------------------------------------------------------------------

    def _open(self, _purpose: int, address: Socket) -> socket.socket | int:
        family, kind, protocol, endpoint = address
        if self._guard is not None and self._guard.forbids(endpoint[0]):
            self._forbidden = True
            return pycurl.SOCKET_BAD
        made = socket.socket(family, kind, protocol)
        self._opened.append(made)  # libcurl works with a duplicate
        return made

    def _read(self, size: int) -> bytes:
        self._began = True
        chunk, self._left = self._left[:size], self._left[size:]
        return chunk

    def _take_header(self, line: bytes) -> None:
        if line.startswith(b"HTTP/"):  # an interim answer (1xx) gives way to the final one
            self._head = [line]
            return
        self._head.append(line)
        if line == b"\r\n" and not self._head[0].split(None, 2)[1].startswith(b"1"):
            self._answering(self)

    def _take_body(self, chunk: bytes) -> int:
        self._body.append(chunk)
        enough = sum(map(len, self._body)) > LARGEST_ANSWER
        return 0 if enough else len(chunk)

    def cut_off(self) -> None:
        """Take what is there of an answer whose body does not end."""
        self._cut = True
        self._multi.remove_handle(self._curl)

    # --- what an error means -----------------------------------------------------------------

    def _failure(self, code: int) -> SendError:
        if code == pycurl.E_COULDNT_CONNECT and self._forbidden and not self._opened:
            return Undeliverable(Reason.ADDRESS_FORBIDDEN)
        if code == pycurl.E_OPERATION_TIMEDOUT:
            if self._began:
                return Uncertain(Reason.TIMEOUT, "answer")
            return Unsent(Reason.TIMEOUT, "connect")
        if code in _BEFORE:
            return Unsent(_BEFORE[code])
        if code == pycurl.E_URL_MALFORMAT:
            return Undeliverable(Reason.ADDRESS_INVALID)
        return Uncertain(_AFTER.get(code, Reason.DROPPED))


_BEFORE = {
    pycurl.E_COULDNT_RESOLVE_HOST: Reason.DNS,
    pycurl.E_COULDNT_CONNECT: Reason.REFUSED_CONNECTION,
    pycurl.E_SSL_CONNECT_ERROR: Reason.TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: Reason.TLS,
    pycurl.E_SSL_CACERT_BADFILE: Reason.TLS,
    pycurl.E_SSL_CIPHER: Reason.TLS,
    pycurl.E_SSL_ISSUER_ERROR: Reason.TLS,
}
_AFTER = {
    pycurl.E_UNSUPPORTED_PROTOCOL: Reason.BAD_ANSWER,  # no HTTP that we know
    pycurl.E_FTP_WEIRD_SERVER_REPLY: Reason.BAD_ANSWER,
    pycurl.E_BAD_CONTENT_ENCODING: Reason.BAD_ANSWER,
}


def _trust() -> dict[int, Any]:
    """Name the authorities that this machine trusts, as Python's own ssl finds them."""
    paths = ssl.get_default_verify_paths()
    found: dict[int, Any] = {}
    if paths.cafile:
        found[pycurl.CAINFO] = paths.cafile
    if paths.capath:
        found[pycurl.CAPATH] = paths.capath
    return found or {pycurl.SSL_OPTIONS: pycurl.SSLOPT_NATIVE_CA}
