"""SMS through the official SDK, against a stand-in for Twilio's API."""

import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from aiohttp import web
from alertd.channels.sms import SmsChannel, refusal
from pydantic import ValidationError

from alertd.channel import Receipt, Report
from alertd.core.errors import (
    ChannelDown,
    NotAllowed,
    Reason,
    SendError,
    Throttled,
    Uncertain,
    Undeliverable,
    Unsent,
)
from alertd.demo.peer import DROP_TAKEN, DROP_UNREAD, GARBAGE, HANG_TAKEN, HANG_UNREAD, Fault
from alertd.demo.twilio import Ending, FakeTwilio
from alertd.testing import NOON, make_message, outcome
from tests.channels.making import closed_port, sms_channel

NUMBER = "+306900000001"
PUBLIC = "https://alerts.example.org/callbacks/sms"


async def test_a_message_is_sent_as_it_was_approved(sms, twilio):
    message = make_message(sms, NUMBER)
    receipt = await sms.send(message)
    [taken] = twilio.messages
    assert receipt == Receipt("sent", provider_ref=taken.sid)
    assert taken.to == NUMBER
    assert taken.body.encode() == message.prepared.rendition.body
    assert taken.sender == "Example"
    assert taken.callback == f"{PUBLIC}?delivery=example-1"


@pytest.mark.parametrize(
    ("left", "validity_s"),
    [
        (timedelta(minutes=10), 600),
        (timedelta(hours=24), 14_400),
        (timedelta(seconds=0.4), 1),
        (timedelta(0), 1),
    ],
)
async def test_validity_ends_with_the_deadline(sms, twilio, left, validity_s):
    await sms.send(make_message(sms, NUMBER, deadline_at=NOON + left))
    assert twilio.messages[0].validity_s == validity_s


async def test_a_messaging_service_takes_the_senders_place(twilio):
    service = "MG" + "0" * 32
    async with sms_channel(twilio.url, sender=None, messaging_service_sid=service) as channel:
        await channel.send(make_message(channel, NUMBER))
    assert twilio.messages[0].sender == service


async def test_the_processs_twilio_variables_change_nothing(twilio, monkeypatch):
    for name in ("ACCOUNT_SID", "AUTH_TOKEN", "EDGE", "REGION"):
        monkeypatch.setenv(f"TWILIO_{name}", "elsewhere")
    async with sms_channel(twilio.url) as channel:
        await channel.send(make_message(channel, NUMBER))
    assert len(twilio.messages) == 1


CODES = [
    (429, 20429, Throttled, Reason.THROTTLED),
    (500, 0, Unsent, Reason.SERVER_ERROR),
    (500, 20500, Unsent, Reason.SERVER_ERROR),
    (502, 0, Unsent, Reason.SERVER_ERROR),
    (503, 20503, Unsent, Reason.SERVER_ERROR),
    (400, 30001, Unsent, Reason.THROTTLED),
    (400, 30003, Unsent, Reason.ADDRESS_UNREACHABLE),
    (400, 30008, Unsent, Reason.ADDRESS_UNREACHABLE),
    (400, 21211, Undeliverable, Reason.ADDRESS_INVALID),
    (400, 21408, Undeliverable, Reason.REJECTED),
    (400, 21610, Undeliverable, Reason.OPTED_OUT),
    (400, 21614, Undeliverable, Reason.ADDRESS_UNREACHABLE),
    (400, 21635, Undeliverable, Reason.ADDRESS_UNREACHABLE),
    (400, 30004, Undeliverable, Reason.REJECTED),
    (400, 30005, Undeliverable, Reason.ADDRESS_UNREACHABLE),
    (400, 30006, Undeliverable, Reason.ADDRESS_UNREACHABLE),
    (400, 30007, Undeliverable, Reason.REJECTED),
    (400, 30036, Undeliverable, Reason.EXPIRED),
    (400, 21999, Undeliverable, Reason.REJECTED),
    (422, 0, Undeliverable, Reason.REJECTED),
    (401, 20003, ChannelDown, Reason.CREDENTIALS),
    (401, 0, ChannelDown, Reason.CREDENTIALS),
    (403, 20005, ChannelDown, Reason.CREDENTIALS),
    (403, 0, ChannelDown, Reason.CREDENTIALS),
    (404, 20404, ChannelDown, Reason.CREDENTIALS),
    (400, 21606, ChannelDown, Reason.CREDENTIALS),
    (400, 21703, ChannelDown, Reason.CREDENTIALS),
    (400, 30002, ChannelDown, Reason.CREDENTIALS),
]


REPORTED = [row for row in CODES if row[1] > 21000 and row[1] != 21999]


@pytest.mark.parametrize(("status", "code", "kind", "reason"), CODES)
async def test_every_code_has_a_meaning(sms, twilio, status, code, kind, reason):
    twilio.next(Fault(status=status, code=code, body=b"{}"))
    result = await outcome(sms, make_message(sms, NUMBER))
    assert (type(result), result.reason) == (kind, reason)
    assert result.detail == str(status if status == 429 else code or status)
    assert getattr(result, "suppress", False) is (code == 21610)
    assert not twilio.messages


@pytest.mark.parametrize(("told", "waits"), [("3", 3), ("999999", 3600), ("", None)])
async def test_a_throttled_message_waits_as_told(sms, twilio, told, waits):
    twilio.next(Fault(status=429, code=20429, headers={"Retry-After": told}))
    result = await outcome(sms, make_message(sms, NUMBER))
    assert isinstance(result, Throttled)
    assert result.retry_after_s == waits


@pytest.mark.parametrize(
    ("fault", "reason", "arrived"),
    [
        (HANG_UNREAD, Reason.TIMEOUT, 0),
        (HANG_TAKEN, Reason.TIMEOUT, 1),
        (DROP_UNREAD, Reason.DROPPED, 0),
        (DROP_TAKEN, Reason.DROPPED, 1),
        (GARBAGE, Reason.BAD_ANSWER, 1),
        (Fault(status=201, body=b"no JSON", taken=True), Reason.BAD_ANSWER, 1),
        (Fault(status=201, body=b"[]", taken=True), Reason.BAD_ANSWER, 1),
        (Fault(status=201, body=b"{}", taken=True), Reason.BAD_ANSWER, 1),
        (Fault(status=201, body=b"\xff", taken=True), Reason.BAD_ANSWER, 1),
    ],
)
async def test_without_a_proper_answer_nobody_knows(sms, twilio, fault, reason, arrived):
    twilio.next(fault)
    result = await outcome(sms, make_message(sms, NUMBER))
    assert (type(result), result.reason) == (Uncertain, reason)
    assert len(twilio.messages) == arrived


async def test_a_closed_port_is_unsent():
    async with sms_channel(f"http://127.0.0.1:{closed_port()}") as channel:
        result = await outcome(channel, make_message(channel, NUMBER))
    assert (type(result), result.reason) == (Unsent, Reason.REFUSED_CONNECTION)


async def test_a_connection_that_is_not_answered_is_unsent():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        async with sms_channel(f"https://127.0.0.1:{deaf.getsockname()[1]}") as channel:
            result = await outcome(channel, make_message(channel, NUMBER))
    assert (type(result), result.reason) == (Unsent, Reason.TIMEOUT)


async def test_wrong_credentials_stop_the_channel(twilio):
    async with sms_channel(twilio.url, auth_token="another") as channel:
        result = await outcome(channel, make_message(channel, NUMBER))
    assert (type(result), result.detail) == (ChannelDown, "20003")


async def test_who_opted_out_is_never_written_to_again(sms, twilio):
    twilio.script.opted_out.add(NUMBER)
    result = await outcome(sms, make_message(sms, NUMBER))
    assert isinstance(result, Undeliverable)
    assert (result.reason, result.suppress) == (Reason.OPTED_OUT, True)


# --- reports -------------------------------------------------------------------------------------


async def test_what_a_kept_connection_lost_is_not_sent_again_unasked(sms, twilio):
    await sms.send(make_message(sms, NUMBER))
    twilio.next(DROP_TAKEN)
    result = await outcome(sms, make_message(sms, NUMBER))
    assert (type(result), result.reason) == (Uncertain, Reason.DROPPED)
    assert len(twilio.messages) == 2


class Receiver:
    """Where callbacks go: the channel reads them as alertd's web server would have it do."""

    def __init__(self, channel: SmsChannel, url: str) -> None:
        self.channel, self.url = channel, url
        self.reports: list[Report | None] = []

    async def take(self, request: web.Request) -> web.Response:
        url = self.url + request.raw_path
        report = self.channel.report(url, request.headers, await request.read())
        self.reports.append(report)
        return web.Response(status=204)


@pytest.fixture
async def receiver(twilio: FakeTwilio) -> AsyncIterator[Receiver]:
    twilio.script.ending = Ending()
    port = closed_port()
    url = f"http://127.0.0.1:{port}"
    async with sms_channel(twilio.url, public_url=url) as channel:
        receiver = Receiver(channel, url)
        app = web.Application()
        app.router.add_post("/callbacks/sms", receiver.take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield receiver
        await runner.cleanup()


async def test_callbacks_tell_of_delivery(receiver, twilio):
    receipt = await receiver.channel.send(make_message(receiver.channel, NUMBER))
    await twilio.callbacks.wait_for(2)
    assert receiver.reports == [
        Report("example-1", "sent", receipt.provider_ref),
        Report("example-1", "delivered", receipt.provider_ref),
    ]


async def test_callbacks_tell_of_failure(receiver, twilio):
    twilio.script.endings[NUMBER] = Ending(("sent", "undelivered"), error_code=30003)
    await receiver.channel.send(make_message(receiver.channel, NUMBER))
    await twilio.callbacks.wait_for(2)
    report = receiver.reports[-1]
    assert (report.state, report.reason, report.detail) == (
        "failed",
        Reason.ADDRESS_UNREACHABLE,
        "30003",
    )
    assert report.retry


async def callback(twilio, sms, status, **fields) -> tuple[str, dict[str, str], bytes]:
    """Give a callback as Twilio would post it."""
    await sms.send(make_message(sms, NUMBER))
    taken = twilio.messages[0]
    form = twilio.callback_fields(taken, status) | fields
    return taken.callback, twilio.sign(taken.callback, form), urlencode(form).encode()


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *[(status, "sent") for status in ("accepted", "scheduled", "queued", "sending", "sent")],
        *[(status, "delivered") for status in ("delivered", "read")],
        *[(status, "failed") for status in ("undelivered", "failed", "canceled")],
        *[(status, None) for status in ("received", "receiving", "partying", "")],
    ],
)
async def test_every_message_status_has_a_state(sms, twilio, status, state):
    report = sms.report(*await callback(twilio, sms, status))
    assert (report and report.state) == state


@pytest.mark.parametrize(("status", "code", "kind", "reason"), REPORTED)
async def test_a_reported_code_means_what_it_means_at_once(sms, twilio, status, code, kind, reason):
    report = sms.report(*await callback(twilio, sms, "failed", ErrorCode=str(code)))
    assert report.reason == refusal(0, code).reason == reason
    assert report.retry is (kind is not Undeliverable)
    assert report.suppress is (code == 21610)


@pytest.mark.parametrize("code", ["", "abc", "9" * 40, "-1"])
async def test_a_failure_without_a_readable_code_may_be_tried_again(sms, twilio, code):
    report = sms.report(*await callback(twilio, sms, "failed", ErrorCode=code))
    assert (report.reason, report.retry) == (Reason.SERVER_ERROR, True)


async def test_a_callback_is_believed_as_it_was_signed_and_no_other(sms, twilio):
    url, headers, body = await callback(twilio, sms, "delivered")
    assert sms.report(url, headers, body)
    other_delivery = url.replace("example-1", "example-2")
    forged = [
        (url, {}, body),
        (url, {"X-Twilio-Signature": "x" * 28}, body),
        (url, {"X-Twilio-Signature": "ύ"}, body),
        (other_delivery, headers, body),
        (PUBLIC, headers, body),
        (url, headers, body.replace(b"delivered", b"failed")),
        (url, headers, body + b"&More=1"),
        (url, headers, b""),
        (url, headers, b"\xff\xfe"),
    ]
    for each in forged:
        with pytest.raises(NotAllowed):
            sms.report(*each)


async def test_another_accounts_signature_is_refused(sms, twilio):
    url, _, body = await callback(twilio, sms, "delivered")
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    stranger = FakeTwilio(auth_token="of a stranger")
    with pytest.raises(NotAllowed):
        sms.report(url, stranger.sign(url, form), body)


async def test_the_public_address_counts_whatever_a_proxy_makes_of_it(sms, twilio):
    url, headers, body = await callback(twilio, sms, "delivered")
    inside = f"http://10.0.0.1:8000/callbacks/sms?{urlsplit(url).query}"
    assert sms.report(inside, headers, body) == sms.report(url, headers, body)


async def test_a_callback_about_no_delivery_tells_nothing(sms, twilio):
    form = {"MessageStatus": "delivered", "MessageSid": "SM1"}
    assert sms.report(PUBLIC, twilio.sign(PUBLIC, form), urlencode(form).encode()) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"sender": None},
        {"messaging_service_sid": "MG" + "0" * 32},
        {"sender": "far too long a name"},
        {"account_sid": "nobody"},
        {"validity_cap_s": 36_001},
        {"validity_cap_s": 0},
        {"base_url": "http://127.0.0.1/a/path"},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValidationError):
        sms_channel("http://127.0.0.1:9", **wrong)


def test_a_send_error_is_what_a_code_gives():
    assert all(isinstance(refusal(status, code), SendError) for status, code, *_ in CODES)
