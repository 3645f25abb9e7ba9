"""No address, link or secret is told by an error, a traceback or a log line."""

import logging
import traceback

import pytest

from alertd.core.errors import SendError
from alertd.demo.peer import DROP_TAKEN, GARBAGE, Fault
from alertd.demo.smtp import DROP
from alertd.demo.twilio import AUTH_TOKEN
from alertd.demo.webhooks import SECRET
from alertd.testing import OWN_LINK, make_message, outcome

NUMBER = "+306900000077"
MAILBOX = "someone.to.hide@example.org"
HIDDEN = (NUMBER, NUMBER[1:], MAILBOX, "hidden-path", OWN_LINK, AUTH_TOKEN, SECRET)


def nothing_told(result: object, caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(result, SendError)
    told = [str(result), repr(result), repr(vars(result)), *traceback.format_exception(result)]
    told += [record.getMessage() for record in caplog.records]
    for hidden in HIDDEN:
        assert not [text for text in told if hidden in text]


@pytest.fixture(autouse=True)
def everything_logged(caplog):
    caplog.set_level(logging.DEBUG)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=400, code=21211),
        Fault(status=429),
        Fault(status=500, body=f"{NUMBER} {AUTH_TOKEN}".encode()),
        Fault(status=400, body=f'{{"code": 21211, "message": "{NUMBER}"}}'.encode()),
        DROP_TAKEN,
        GARBAGE,
    ],
    ids=str,
)
async def test_sms(sms, twilio, caplog, fault):
    twilio.next(fault)
    nothing_told(await outcome(sms, make_message(sms, NUMBER)), caplog)


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("CONNECT", f"554 {MAILBOX}"),
        ("MAIL", f"450 {MAILBOX}"),
        ("RCPT", f"550 5.1.1 <{MAILBOX}> unknown"),
        ("RCPT", f"{MAILBOX}"),
        ("RCPT", DROP),
        ("END", f"554 <{MAILBOX}> {OWN_LINK}"),
        ("END", DROP),
    ],
)
async def test_email(email, smtp, caplog, command, reply):
    smtp.reply(command, reply)
    nothing_told(await outcome(email, make_message(email, MAILBOX)), caplog)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=404, body=SECRET.encode()),
        Fault(status=302, headers={"Location": "/hidden-path"}),
        Fault(status=503, headers={"Retry-After": SECRET}),
        DROP_TAKEN,
        GARBAGE,
    ],
    ids=str,
)
async def test_webhook(webhook, partner, caplog, fault):
    partner.next(fault)
    message = make_message(webhook, f"{partner.url}/hidden-path", secret=SECRET)
    nothing_told(await outcome(webhook, message), caplog)


async def test_webhook_that_is_forbidden_or_unknown(webhook, caplog):
    for url in ("http://10.0.0.1/hidden-path", "https://nowhere.invalid/hidden-path"):
        message = make_message(webhook, url, secret=SECRET)
        nothing_told(await outcome(webhook, message), caplog)
