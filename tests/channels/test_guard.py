"""The address guard: on the resolved address, at connect time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pycurl
import pytest

from alertd import courier
from alertd.core.errors import Reason, Undeliverable
from alertd.courier import Courier
from alertd.demo.peer import Fault
from alertd.demo.webhooks import SECRET, WebhookSink
from alertd.guard import Guard
from alertd.testing import make_message
from tests.channels.making import webhook_channel

FORBIDDEN = (
    "0.0.0.0",  # noqa: S104 - to be refused
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.7",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "64:ff9b:1:7f00:0:1::",
    "100::1",
    "2001::1",  # Teredo
    "2001:0:7f00:1::",
    "2001:db8::1",
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "2002:5db8:d822::1",  # 6to4 of a public address: retired all the same
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
)
PUBLIC = (
    "1.1.1.1",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "223.255.255.254",
    "2606:4700::1111",
    "2a00:1450::1",
    "::ffff:93.184.215.14",
    "64:ff9b::93.184.215.14",
)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_what_is_not_public_is_forbidden(address):
    assert Guard().forbids(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_let_through(address):
    assert not Guard().forbids(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1"])
def test_the_allow_list_lets_its_blocks_through_in_every_form(address):
    guard = Guard(["127.0.0.0/8"])
    assert not guard.forbids(address)
    assert guard.forbids("10.0.0.1")


async def test_an_ip_literal_is_judged_before_connecting(partner: WebhookSink):
    async with webhook_channel(allow=()) as channel:
        with pytest.raises(Undeliverable) as refused:
            await channel.send(make_message(channel, f"{partner.url}/a", secret=SECRET))
    assert refused.value.reason is Reason.ADDRESS_FORBIDDEN
    assert not partner.connections


async def test_a_name_is_judged_by_what_it_resolves_to(partner: WebhookSink):
    async with webhook_channel(allow=(), http_hosts=("localhost",)) as channel:
        address = channel.normalize(f"http://localhost:{partner.port}/a")
        with pytest.raises(Undeliverable) as refused:
            await channel.send(make_message(channel, address, secret=SECRET))
    assert refused.value.reason is Reason.ADDRESS_FORBIDDEN
    assert not partner.connections


@asynccontextmanager
async def guarded(
    monkeypatch: pytest.MonkeyPatch, guard: Guard, *resolved: str
) -> AsyncIterator[Courier]:
    """Give a courier for which names resolve as told."""
    told = {pycurl.RESOLVE: list(resolved)}
    monkeypatch.setattr(courier, "_trust", lambda: told)
    async with Courier(connections=4, per_host=4, connect_s=1, total_s=1, guard=guard) as opened:
        yield opened


async def post(opened: Courier, url: str) -> int:
    """Give the status: the stand-in takes no unsigned webhook."""
    return (await opened.post(url, [], b"{}")).status


async def test_a_name_with_forbidden_addresses_alone_is_forbidden(partner, monkeypatch):
    inside = f"inside.test:{partner.port}:127.0.0.2,10.0.0.1,169.254.169.254"
    async with guarded(monkeypatch, Guard(["127.0.0.1/32"]), inside) as opened:
        with pytest.raises(Undeliverable) as refused:
            await post(opened, f"http://inside.test:{partner.port}/")
    assert refused.value.reason is Reason.ADDRESS_FORBIDDEN
    assert not partner.connections


async def test_of_a_mixed_name_only_what_is_allowed_is_connected_to(partner, monkeypatch):
    asked = []

    class Watching(Guard):
        def forbids(self, address: str) -> bool:
            asked.append(address)
            return super().forbids(address)

    mixed = f"mixed.test:{partner.port}:127.0.0.2,127.0.0.1"
    async with guarded(monkeypatch, Watching(["127.0.0.1/32"]), mixed) as opened:
        assert await post(opened, f"http://mixed.test:{partner.port}/") == 401
    assert asked == ["127.0.0.2", "127.0.0.1"]


async def test_every_new_connection_is_judged_anew(partner, monkeypatch):
    partner.next(Fault(status=200, headers={"Connection": "close"}))
    guard = Guard(["127.0.0.1/32"])
    rebound = f"rebound.test:{partner.port}:127.0.0.1"
    async with guarded(monkeypatch, guard, rebound) as opened:
        url = f"http://rebound.test:{partner.port}/"
        assert await post(opened, url) == 200
        guard._allow = ()
        with pytest.raises(Undeliverable) as refused:
            await post(opened, url)
    assert refused.value.reason is Reason.ADDRESS_FORBIDDEN
