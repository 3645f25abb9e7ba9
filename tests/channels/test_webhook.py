"""Webhooks, against a partner that checks signatures with the standard's own library."""

import asyncio
import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import test_utils, web
from alertd.channels.webhook import TYPES, WebhookChannel
from standardwebhooks import Webhook

from alertd.channel import Receipt
from alertd.core.errors import (
    InvalidAlert,
    Reason,
    SendError,
    Throttled,
    Uncertain,
    Undeliverable,
    Unsent,
)
from alertd.core.rendition import Kind, Slot, mark
from alertd.courier import DRAIN_S
from alertd.demo.peer import DROP_TAKEN, DROP_UNREAD, GARBAGE, HANG_TAKEN, HANG_UNREAD, Fault
from alertd.demo.webhooks import SECRET
from alertd.testing import (
    make_context,
    make_message,
    make_prepared,
    make_texts,
    outcome,
)
from tests.channels.making import closed_port, webhook_channel

OTHER_SECRET = "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhlIHNhbWUgcGFydG5lcg=="


def message(channel: WebhookChannel, url: str, **changes):
    now = datetime.now(UTC)  # the library compares it with the clock on the wall
    return make_message(channel, url, **({"secret": SECRET, "now": now} | changes))


async def test_a_webhook_arrives_signed_and_is_delivered(webhook, partner):
    receipt = await webhook.send(message(webhook, f"{partner.url}/a"))
    assert receipt == Receipt("delivered", detail="204")
    [hook] = partner.messages
    assert (hook.path, hook.id, hook.repeat) == ("/a", "example-1", False)
    assert hook.payload["type"] == "alert.published"
    assert hook.payload["timestamp"] == "2026-01-01T14:00:00+02:00"
    assert hook.payload["data"]["status"] == "exercise"
    assert hook.payload["data"]["language"] == "el"
    assert hook.payload["data"]["headline"].startswith("Ωδή: headline.txt")


async def test_a_repeat_says_so_under_the_same_id(webhook, partner):
    await webhook.send(message(webhook, partner.url))
    await webhook.send(message(webhook, partner.url, attempt=2, repeat=True))
    first, second = partner.messages
    assert first.id == second.id
    assert second.repeat


async def test_each_attempt_has_a_timestamp_of_its_own(webhook, partner):
    partner.next(Fault(status=500))
    late = datetime.now(UTC) - timedelta(minutes=10)
    await outcome(webhook, message(webhook, partner.url, now=late))
    stale = await outcome(webhook, message(webhook, partner.url, now=late))
    assert isinstance(stale, Unsent)  # ten minutes old: the library refuses it
    assert stale.reason is Reason.CLOCK
    assert partner.forged == 1
    assert isinstance(await outcome(webhook, message(webhook, partner.url)), Receipt)


@pytest.mark.parametrize("known", [SECRET, OTHER_SECRET])
async def test_while_a_secret_is_replaced_either_one_verifies(webhook, partner, known):
    partner.secret = known
    await webhook.send(message(webhook, partner.url, secret=f"{OTHER_SECRET} {SECRET}"))
    assert len(partner.messages) == 1


async def test_another_secret_does_not_verify(webhook, partner):
    result = await outcome(webhook, message(webhook, partner.url, secret=OTHER_SECRET))
    assert (type(result), result.reason) == (Undeliverable, Reason.CREDENTIALS)
    assert partner.forged == 1


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_???", f"{SECRET} whsec_"])
async def test_nothing_leaves_without_a_signature(webhook, partner, secret):
    result = await outcome(webhook, message(webhook, partner.url, secret=secret))
    assert (type(result), result.reason) == (Undeliverable, Reason.CREDENTIALS)
    assert not partner.connections


async def test_the_signature_is_the_librarys(webhook, partner, monkeypatch):
    now = datetime.now(UTC)
    sent = message(webhook, partner.url, now=now)
    await webhook.send(sent)
    seen = {}

    def verify(self, data, headers):
        seen.update(headers, data=data)
        return {}

    monkeypatch.setattr(Webhook, "verify", verify)
    await webhook.send(sent)
    stamp = datetime.fromtimestamp(int(now.timestamp()), UTC)
    assert seen["webhook-signature"] == Webhook(SECRET).sign(
        "example-1", stamp, seen["data"].decode()
    )


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("off_s", [-301, -59, 59, 301])
async def test_a_refusal_by_a_peer_whose_clock_differs_is_tried_again(
    webhook, partner, status, off_s
):
    now = datetime.now(UTC).replace(microsecond=0)
    date = format_datetime(now + timedelta(seconds=off_s))
    partner.next(Fault(status=status, headers={"Date": date}))
    result = await outcome(webhook, message(webhook, partner.url, now=now))
    differs = abs(off_s) > 60
    assert type(result) is (Unsent if differs else Undeliverable)
    assert (result.reason is Reason.CLOCK) is differs
    assert webhook.clock_gap_s == off_s


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        *[(status, Receipt, None) for status in (200, 201, 202, 204, 206)],
        *[(status, Undeliverable, Reason.REDIRECT) for status in (301, 302, 303, 304, 307, 308)],
        *[(status, Undeliverable, Reason.CREDENTIALS) for status in (401, 403)],
        *[
            (status, Undeliverable, Reason.REJECTED)
            for status in (400, 402, 404, 405, 406, 409, 411, 413, 414, 415, 418, 421, 422, 451)
        ],
        (410, Undeliverable, Reason.GONE),
        (429, Throttled, Reason.THROTTLED),
        *[
            (status, Unsent, Reason.SERVER_ERROR)
            for status in (408, 425, 500, 501, 502, 503, 504, 507, 520, 599)
        ],
    ],
)
async def test_every_status_has_a_meaning(webhook, partner, status, kind, reason):
    partner.next(Fault(status=status))
    result = await outcome(webhook, message(webhook, partner.url))
    assert type(result) is kind
    assert result.detail == str(status)
    if isinstance(result, SendError):
        assert result.reason is reason
    assert getattr(result, "suppress", False) is (status == 410)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
@pytest.mark.parametrize(
    ("told", "waits"),
    [("7", 7), ("0", 0), ("999999999999", 3600), ("-5", None), ("soon", None), ("", None)],
)
async def test_retry_after_is_obeyed_within_bounds(webhook, partner, status, told, waits):
    partner.next(Fault(status=status, headers={"Retry-After": told}))
    result = await outcome(webhook, message(webhook, partner.url))
    assert getattr(result, "retry_after_s", None) == waits
    assert isinstance(result, Throttled if waits is not None or status == 429 else Unsent)


@pytest.mark.parametrize(("in_s", "waits"), [(90, 90), (-90, 0), (864_000, 3600)])
async def test_retry_after_may_be_a_date(webhook, partner, in_s, waits):
    now = datetime.now(UTC).replace(microsecond=0)
    told = format_datetime(now + timedelta(seconds=in_s), usegmt=True)
    partner.next(Fault(status=503, headers={"Retry-After": told}))
    result = await outcome(webhook, message(webhook, partner.url, now=now))
    assert result.retry_after_s == waits


async def test_a_redirect_is_not_followed(webhook, partner):
    partner.next(Fault(status=302, headers={"Location": f"{partner.url}/elsewhere"}))
    result = await outcome(webhook, message(webhook, f"{partner.url}/a"))
    assert result.reason is Reason.REDIRECT
    assert not partner.messages


@pytest.mark.parametrize(
    ("fault", "reason", "arrived"),
    [
        (HANG_UNREAD, Reason.TIMEOUT, 0),
        (HANG_TAKEN, Reason.TIMEOUT, 1),
        (DROP_UNREAD, Reason.DROPPED, 0),
        (DROP_TAKEN, Reason.DROPPED, 1),
        (GARBAGE, Reason.BAD_ANSWER, 1),
    ],
)
async def test_without_an_answer_nobody_knows(webhook, partner, fault, reason, arrived):
    partner.next(fault)
    result = await outcome(webhook, message(webhook, partner.url))
    assert (type(result), result.reason) == (Uncertain, reason)
    assert len(partner.messages) == arrived


@pytest.mark.parametrize(("act", "within_s"), [("flood", DRAIN_S * 0.9), ("dribble", DRAIN_S * 2)])
async def test_an_endless_answer_costs_its_connection_and_nothing_else(partner, act, within_s):
    partner.next(Fault(status=200, act=act))
    async with webhook_channel(timeout_s=20) as channel:
        async with asyncio.timeout(within_s):
            receipt = await channel.send(message(channel, partner.url))
        assert receipt.state == "delivered"
        await channel.send(message(channel, partner.url))
    assert len(partner.connections) == 2


async def test_a_connection_serves_again(webhook, partner):
    for _ in range(3):
        await webhook.send(message(webhook, partner.url))
    partner.next(Fault(status=400, body=b"x" * 1000))
    await outcome(webhook, message(webhook, partner.url))
    await webhook.send(message(webhook, partner.url))
    assert len(partner.connections) == 1


async def test_what_a_kept_connection_lost_is_not_sent_again_unasked(webhook, partner):
    await webhook.send(message(webhook, partner.url))
    partner.next(DROP_TAKEN)
    result = await outcome(webhook, message(webhook, partner.url))
    assert (type(result), result.reason) == (Uncertain, Reason.DROPPED)
    assert (len(partner.messages), len(partner.connections)) == (2, 1)


async def test_a_cookie_is_not_kept(webhook):
    seen = []

    async def take(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "a=b"})

    server = test_utils.TestServer(web.Application())
    server.app.router.add_post("/", take)
    async with server:
        for _ in range(2):
            await webhook.send(message(webhook, f"http://127.0.0.1:{server.port}/"))
    assert seen == [None, None]


async def test_a_closed_port_is_unsent(webhook):
    result = await outcome(webhook, message(webhook, f"http://127.0.0.1:{closed_port()}/"))
    assert (type(result), result.reason) == (Unsent, Reason.REFUSED_CONNECTION)


async def test_a_name_that_does_not_resolve_is_unsent():
    async with webhook_channel(timeout_s=5) as channel:
        result = await outcome(channel, message(channel, "https://nowhere.invalid/"))
    assert (type(result), result.reason) == (Unsent, Reason.DNS)


async def test_others_that_wait_in_threads_do_not_keep_names_from_resolving(partner):
    loop, released = asyncio.get_running_loop(), threading.Event()
    waiting = [loop.run_in_executor(None, released.wait) for _ in range(64)]
    try:
        async with webhook_channel(http_hosts=("localhost",)) as channel:
            await channel.send(message(channel, f"http://localhost:{partner.port}/"))
    finally:
        released.set()
    await asyncio.gather(*waiting)
    assert len(partner.messages) == 1


async def test_a_peer_without_tls_is_unsent(webhook, partner):
    result = await outcome(webhook, message(webhook, f"https://127.0.0.1:{partner.port}/"))
    assert (type(result), result.reason) == (Unsent, Reason.TLS)


async def test_a_connection_that_is_not_answered_is_unsent(webhook):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        with socket.create_connection(address), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(address)  # the backlog is full now
            result = await outcome(webhook, message(webhook, f"http://127.0.0.1:{address[1]}/"))
    assert (type(result), result.reason) == (Unsent, Reason.TIMEOUT)


async def test_a_tls_handshake_that_hangs_is_unsent(webhook):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"https://127.0.0.1:{deaf.getsockname()[1]}/"
        result = await outcome(webhook, message(webhook, url))
    assert (type(result), result.reason) == (Unsent, Reason.TIMEOUT)


@pytest.mark.parametrize("kind", Kind)
def test_the_type_names_what_happened(webhook, kind):
    composed = webhook.compose(make_texts(webhook), make_context(kind))
    if kind in (Kind.REQUEST, Kind.NOTICE):
        assert composed == []
    else:
        assert json.loads(composed[0].body)["type"] == TYPES[kind]


async def test_a_slot_is_filled_as_json(webhook, partner):
    texts = make_texts(webhook, f'"{mark(Slot.OWN_LINK)}"')
    prepared = make_prepared(webhook, webhook.compose(texts, make_context())[0])
    link = 'https://alerts.example.org/r/"\\ύ'
    await webhook.send(message(webhook, partner.url, prepared=prepared, own_link=link))
    assert partner.messages[0].payload["data"]["headline"] == f'"{link}"'


def test_a_body_too_long_for_receivers_is_refused(webhook):
    with pytest.raises(InvalidAlert):
        webhook.compose(make_texts(webhook, "ω" * 4_000), make_context())


def test_plain_http_is_for_hosts_on_a_list():
    strict = webhook_channel(allow=("10.0.0.0/8",), http_hosts=("partner.test",))
    assert strict.normalize("http://10.1.2.3/") == "http://10.1.2.3/"
    assert strict.normalize("http://partner.test/") == "http://partner.test/"
    for url in ("http://other.test/", "http://127.0.0.1/"):
        with pytest.raises(Undeliverable):
            strict.normalize(url)
