"""Who is at the other end: behind proxies that are trusted, whom they speak for."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from aiohttp import web

from alertd.web.problems import Handler

Networks = Sequence[IPv4Network | IPv6Network]

_FORWARDED = "X-Forwarded-For"


def real_peer(proxies: Networks) -> Any:
    """Give the middleware that lets `request.remote` name the client, not the proxy before us."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _FORWARDED in request.headers and request.remote is not None:
            said = ",".join(request.headers.getall(_FORWARDED)).split(",")
            peer = behind(request.remote, said, proxies)
            if peer != request.remote:
                request = request.clone(remote=peer)
        return await handler(request)

    return middleware


def behind(remote: str, forwarded: Sequence[str], proxies: Networks) -> str:
    """Walk back from `remote` through proxies that are trusted to the first that is not.

    Each hop writes down whom it heard; what stands left of an untrusted hop is only claimed.
    """
    here = remote
    for claimed in reversed(forwarded):
        hop = _address(here)
        before = _address(claimed)
        if hop is None or before is None or not _trusted(hop, proxies):
            break
        here = str(before)
    return here


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.strip())
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _trusted(hop: IPv4Address | IPv6Address, proxies: Iterable[IPv4Network | IPv6Network]) -> bool:
    return any(hop in network for network in proxies)
