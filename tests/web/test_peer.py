"""Behind proxies, failures are counted by who is really asking."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from alertd.web.peer import behind, real_peer

PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48")]


@pytest.mark.parametrize(
    ("remote", "forwarded", "peer"),
    [
        ("192.0.2.9", ["198.51.100.1"], "192.0.2.9"),  # nobody whom we trust says so
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.5", " 198.51.100.1"], "198.51.100.1"),  # the left one is claimed
        ("10.0.0.1", ["203.0.113.5", "198.51.100.1", "10.2.0.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("2001:db8:1::5", ["2001:db8:2::7"], "2001:db8:2::7"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
    ],
)
def test_the_peer_is_the_first_that_is_no_proxy_of_ours_from_the_right(
    remote: str, forwarded: list[str], peer: str
) -> None:
    assert behind(remote, forwarded, PROXIES) == peer


async def who(proxies: list[Any]) -> str:
    async def tell(request: web.Request) -> web.Response:
        return web.Response(text=request.remote)

    app = web.Application(middlewares=[real_peer(proxies)])
    app.router.add_get("/", tell)
    async with TestClient(TestServer(app)) as client:
        headers = [("X-Forwarded-For", "203.0.113.5"), ("X-Forwarded-For", "198.51.100.1")]
        return await (await client.get("/", headers=headers)).text()


async def test_a_header_counts_only_from_a_trusted_proxy() -> None:
    assert await who([]) == "127.0.0.1"
    assert await who([ip_network("127.0.0.0/8")]) == "198.51.100.1"
