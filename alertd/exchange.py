"""What went wrong in an HTTP exchange, in alertd's words: for channels that use aiohttp."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from alertd.core.errors import Reason, SendError, Uncertain, Undeliverable, Unsent
from alertd.guard import AddressForbidden

LONGEST_WAIT_S = 3600.0  # whatever the peer asks for: an alert rarely lives much longer

DNS_THREADS = 32

Failure = (aiohttp.ClientError, TimeoutError, ssl.SSLError)
"""What aiohttp raises instead of an answer."""


def timeouts(connect_s: float, total_s: float) -> aiohttp.ClientTimeout:
    """Give bounds that leave no doubt whether the request had been written.

    Connecting (pool, DNS, TCP, TLS) runs into its own, shorter bound, so that the bound on
    the whole is met only with a connection in hand.
    """
    connect_s = min(connect_s, total_s * 0.9)
    return aiohttp.ClientTimeout(total=total_s, connect=connect_s, sock_connect=connect_s)


# The first that fits: subclasses stand before their bases.
_FAILURES: tuple[tuple[type[BaseException], type[SendError], Reason, str], ...] = (
    (aiohttp.ConnectionTimeoutError, Unsent, Reason.TIMEOUT, "connect"),
    (aiohttp.ClientConnectorDNSError, Unsent, Reason.DNS, ""),
    (ssl.SSLError, Unsent, Reason.TLS, ""),
    (aiohttp.ClientSSLError, Unsent, Reason.TLS, ""),
    (aiohttp.ClientConnectorError, Unsent, Reason.REFUSED_CONNECTION, ""),
    (aiohttp.InvalidURL, Undeliverable, Reason.ADDRESS_INVALID, ""),
    (TimeoutError, Uncertain, Reason.TIMEOUT, "answer"),
    (aiohttp.ClientResponseError, Uncertain, Reason.BAD_ANSWER, ""),
    (aiohttp.ClientPayloadError, Uncertain, Reason.BAD_ANSWER, ""),
    (aiohttp.ClientError, Uncertain, Reason.DROPPED, ""),
)


def failure(error: BaseException) -> SendError:
    """Name a failure without an answer; `error` is one of `Failure`."""
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(
        error.os_error, AddressForbidden
    ):
        return Undeliverable(Reason.ADDRESS_FORBIDDEN)
    meaning, reason, detail = next(row[1:] for row in _FAILURES if isinstance(error, row[0]))
    return meaning(reason, detail)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read Retry-After, in seconds or as a date; None when it is absent or unreadable."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        wait = float(value[:10])
    else:
        try:
            wait = (parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError):  # TypeError: a date with no zone
            return None
    return min(max(wait, 0.0), LONGEST_WAIT_S)


class Resolver(AbstractResolver):
    """Resolves names in threads of its own.

    A name server that lets its askers wait holds a thread for as long as it likes; of the
    default threads there are few, and the rest of the daemon needs them.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(DNS_THREADS, thread_name_prefix="dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, _addresses, host, port, family
        )
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=ip, port=port, family=kind, proto=proto, flags=flags)
            for kind, proto, ip in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses(
    host: str, port: int, family: socket.AddressFamily
) -> list[tuple[socket.AddressFamily, int, str]]:
    infos = socket.getaddrinfo(
        host, port, family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return [(kind, proto, str(endpoint[0])) for kind, _, proto, _, endpoint in infos]
