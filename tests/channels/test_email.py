"""E-mail, against our stand-in and against aiosmtpd."""

import asyncio
import email
import email.policy
import socket
from collections.abc import AsyncIterator
from email.message import EmailMessage

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from alertd.channels.email import EmailChannel, refusal
from pydantic import ValidationError

from alertd import mime
from alertd.channel import Receipt
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
from alertd.core.rendition import Kind, Slot, mark
from alertd.demo.smtp import DROP, HANG
from alertd.testing import OWN_LINK, make_context, make_message, make_prepared, make_texts, outcome
from tests.channels.making import closed_port, email_channel

ADDRESS = "someone@example.org"
TEXTS = {
    "subject.txt": "Ωδή: " + "μακρύς τίτλος " * 12,
    "body.txt": (
        "Ωδή\n\n.\n..\nFrom here = to there\t\n"
        + "μακρύ " * 60
        + f"\nat {mark(Slot.SENT_TEXT)} o'clock\n{mark(Slot.OWN_LINK)}\n"
        + "x" * 300
    ),
    "body.html": f'<p>Ωδή</p><a href="{mark(Slot.OWN_LINK)}">=</a> {mark(Slot.SENT_TEXT)}',
}


def prepared(channel: EmailChannel, texts=TEXTS, **context):
    return make_prepared(channel, channel.compose(texts, make_context(**context))[0])


def bodies(message: EmailMessage) -> tuple[str, str]:
    plain, html = message.iter_parts()
    return plain.get_content(), html.get_content()


async def test_a_mail_arrives_whole(email, smtp):
    receipt = await email.send(make_message(email, ADDRESS, prepared=prepared(email)))
    assert receipt == Receipt("sent", provider_ref="00000001", detail="250")
    [mail] = smtp.messages
    assert (mail.sender, mail.recipients) == ("alerts@example.org", (ADDRESS,))
    plain, html = bodies(mail.message)
    filled = {mark(Slot.SENT_TEXT): "1 Ιανουαρίου 2026, 14:00", mark(Slot.OWN_LINK): OWN_LINK}
    wanted = TEXTS["body.txt"]
    for marker, value in filled.items():
        wanted = wanted.replace(marker, value)
    assert plain.splitlines() == [line.rstrip() for line in wanted.splitlines()]
    assert f'<a href="{OWN_LINK.replace("&", "&amp;")}">=</a>' in html
    assert "1 Ιανουαρίου 2026, 14:00" in html


async def test_a_mail_keeps_to_what_every_server_takes(email, smtp):
    await email.send(make_message(email, ADDRESS, prepared=prepared(email)))
    content = smtp.messages[0].content
    assert content.isascii()
    assert b"\n" not in content.replace(b"\r\n", b"")
    _, _, body = content.partition(b"\r\n\r\n")
    assert max(map(len, body.split(b"\r\n"))) <= 76  # RFC 2045
    assert max(map(len, content.split(b"\r\n"))) <= 998  # RFC 5322


async def test_the_headers_say_who_what_and_how_to_leave(email, smtp):
    await email.send(make_message(email, ADDRESS, prepared=prepared(email), thread="example-0"))
    message = smtp.messages[0].message
    assert message["From"] == "Παράδειγμα <alerts@example.org>"
    assert message["To"] == ADDRESS
    assert message["Subject"] == TEXTS["subject.txt"].strip()
    assert message["Date"] == "Thu, 01 Jan 2026 12:00:00 +0000"
    assert message["Message-ID"] == "<example-1@alerts.example.org>"
    assert message["In-Reply-To"] == message["References"] == "<example-0@alerts.example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Id"] == "<example.alerts.example.org>"
    assert message["List-Unsubscribe"] == f"<{OWN_LINK}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Alertd-Repeat"] is None


@pytest.mark.parametrize("thread", ["", "example-1"])
async def test_the_first_mail_answers_none(email, smtp, thread):
    await email.send(make_message(email, ADDRESS, thread=thread))
    assert smtp.messages[0].message["In-Reply-To"] is None
    assert smtp.messages[0].message["References"] is None


async def test_a_repeat_says_so_under_the_same_id(email, smtp):
    await email.send(make_message(email, ADDRESS, repeat=True))
    message = smtp.messages[0].message
    assert message["Alertd-Repeat"] == "true"
    assert message["Message-ID"] == "<example-1@alerts.example.org>"


@pytest.mark.parametrize("kind", [Kind.REQUEST, Kind.NOTICE])
async def test_officials_are_no_mailing_list(email, smtp, kind):
    mail = prepared(email, make_texts(email), kind=kind)
    await email.send(make_message(email, ADDRESS, prepared=mail))
    message = smtp.messages[0].message
    assert not [name for name in message if name.lower().startswith("list-")]


@pytest.mark.parametrize(
    "subject",
    ["a\r\nBcc: all@example.org", "a\nb", "a\x00b", "a\u2028Bcc: x", "a\x85b", "ύ\r\nX: y"],
)
async def test_a_subject_adds_no_header(email, smtp, subject):
    texts = make_texts(email) | {"subject.txt": subject}
    await email.send(make_message(email, ADDRESS, prepared=prepared(email, texts)))
    message = smtp.messages[0].message
    assert not set(message) & {"Bcc", "X"}
    assert message["Subject"].isprintable()


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "someone@example.org\r\nBcc: all@example.org"},
        {"address": "someone@example.org\r\n"},
        {"address": "ύ@example.org"},
        {"delivery_id": "example\r\nBcc: all@example.org"},
        {"own_link": "https://example.org/\r\nBcc: all@example.org"},
        {"thread": "example\r\nBcc: all@example.org"},
    ],
)
async def test_no_value_adds_a_header(email, smtp, changes):
    message = make_message(email, **({"address": ADDRESS} | changes))
    result = await outcome(email, message)
    assert isinstance(result, Undeliverable)
    assert not smtp.connections


def test_a_subject_cannot_hold_a_slot(email):
    texts = make_texts(email) | {"subject.txt": mark(Slot.SENT_TEXT)}
    with pytest.raises(ConfigError):
        email.compose(texts, make_context())


async def test_connections_are_kept_and_bounded(smtp):
    async with email_channel(smtp.smtp_port, concurrency=2) as channel:
        message = make_message(channel, ADDRESS)
        await asyncio.gather(*[channel.send(message) for _ in range(20)])
        await asyncio.gather(*[channel.send(message) for _ in range(20)])
    assert smtp.connections == 2
    assert smtp.inbox.count == 40


async def test_a_refusal_costs_no_connection(email, smtp):
    for command in ("MAIL", "RCPT", "DATA", "END"):
        smtp.reply(command, "450 4.2.0 later")
        assert isinstance(await outcome(email, make_message(email, ADDRESS)), Unsent)
    await email.send(make_message(email, ADDRESS))
    assert smtp.connections == 1
    assert smtp.inbox.count == 1


async def test_one_connections_failure_leaves_the_others_alone(smtp):
    async with email_channel(smtp.smtp_port, concurrency=4) as channel:
        message = make_message(channel, ADDRESS)
        smtp.reply("RCPT", HANG, DROP)
        results = await asyncio.gather(*[outcome(channel, message) for _ in range(20)])
    assert sum(isinstance(result, Unsent) for result in results) == 2
    assert smtp.inbox.count == 18


async def test_a_connection_that_failed_is_closed(email, smtp):
    with pytest.raises(ZeroDivisionError):
        async with email._pool.connection() as server:
            raise ZeroDivisionError
    assert not server.is_connected


async def test_a_connection_that_the_server_closed_is_replaced(email, smtp):
    await email.send(make_message(email, ADDRESS))
    smtp.reply("END", "421 4.3.2 shutting down")
    await outcome(email, make_message(email, ADDRESS))
    smtp.reply("MAIL", DROP)
    await outcome(email, make_message(email, ADDRESS))
    assert (await email.send(make_message(email, ADDRESS))).state == "sent"


async def test_a_cancelled_send_gives_its_connection_up(email, smtp):
    smtp.reply("RCPT", HANG)
    sending = asyncio.create_task(email.send(make_message(email, ADDRESS)))
    await asyncio.sleep(0.1)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await email.send(make_message(email, ADDRESS))
    assert (smtp.connections, smtp.inbox.count) == (2, 1)


CODES = [
    ("MAIL", "421 4.7.0", Throttled, Reason.THROTTLED, False),
    ("RCPT", "421 4.3.2", Unsent, Reason.SERVER_ERROR, False),
    ("RCPT", "450 4.2.0", Unsent, Reason.SERVER_ERROR, False),
    ("RCPT", "450 4.7.1", Throttled, Reason.THROTTLED, False),
    ("RCPT", "451", Unsent, Reason.SERVER_ERROR, False),
    ("RCPT", "452 4.2.2", Unsent, Reason.SERVER_ERROR, False),
    ("RCPT", "501 5.1.3", Undeliverable, Reason.ADDRESS_INVALID, False),
    ("RCPT", "550", Undeliverable, Reason.ADDRESS_UNREACHABLE, False),
    ("RCPT", "550 5.1.1", Undeliverable, Reason.ADDRESS_UNREACHABLE, True),
    ("RCPT", "550 5.1.2", Undeliverable, Reason.ADDRESS_UNREACHABLE, False),
    ("RCPT", "551 5.1.6", Undeliverable, Reason.ADDRESS_UNREACHABLE, True),
    ("RCPT", "556 5.1.10", Undeliverable, Reason.ADDRESS_UNREACHABLE, True),
    ("RCPT", "552 5.2.2", Undeliverable, Reason.ADDRESS_UNREACHABLE, False),
    ("RCPT", "553", Undeliverable, Reason.ADDRESS_INVALID, False),
    ("RCPT", "550 5.7.1", Undeliverable, Reason.REJECTED, False),
    ("RCPT", "554", Undeliverable, Reason.REJECTED, False),
    ("END", "552 5.3.4", Undeliverable, Reason.REJECTED, False),
    ("END", "554 5.7.1", Undeliverable, Reason.REJECTED, False),
    ("END", "451 4.3.0", Unsent, Reason.SERVER_ERROR, False),
    ("DATA", "503 5.5.1", Unsent, Reason.BAD_ANSWER, False),
    ("RCPT", "500", Unsent, Reason.BAD_ANSWER, False),
    ("RCPT", "299", Unsent, Reason.BAD_ANSWER, False),
    ("RCPT", "550 5.4.5", ChannelDown, Reason.QUOTA, False),
    ("RCPT", "530 5.7.0", ChannelDown, Reason.CREDENTIALS, False),
    ("MAIL", "530 5.7.0", ChannelDown, Reason.CREDENTIALS, False),
    ("MAIL", "550 5.7.1", ChannelDown, Reason.REJECTED, False),
    ("MAIL", "451 4.3.0", Unsent, Reason.SERVER_ERROR, False),
    ("CONNECT", "421 4.3.2", Unsent, Reason.SERVER_ERROR, False),
    ("CONNECT", "554 5.7.1", ChannelDown, Reason.REJECTED, False),
]


@pytest.mark.parametrize("row", CODES, ids=str)
async def test_every_code_has_a_meaning(email, smtp, row):
    command, code, kind, reason, suppress = row
    smtp.reply(command, f"{code} {ADDRESS} is not to be told")
    result = await outcome(email, make_message(email, ADDRESS))
    assert (type(result), result.reason, result.detail) == (kind, reason, code)
    assert getattr(result, "suppress", False) is suppress
    assert ADDRESS not in str(result)


def test_every_code_from_200_to_599_is_a_send_error():
    for command in ("CONNECT", "MAIL", "RCPT", "DATA", "AUTH"):
        for code in range(200, 600):
            assert isinstance(refusal(command, code, ""), SendError)


@pytest.mark.parametrize(
    "row",
    [
        *[
            (command, reply, Unsent, reason, 0)
            for command in ("MAIL", "RCPT", "DATA")
            for reply, reason in (
                (HANG, Reason.TIMEOUT),
                (DROP, Reason.DROPPED),
                ("what?", Reason.BAD_ANSWER),
            )
        ],
        ("CONNECT", HANG, Unsent, Reason.TIMEOUT, 0),
        ("CONNECT", DROP, Unsent, Reason.REFUSED_CONNECTION, 0),
        ("EHLO", HANG, Unsent, Reason.TIMEOUT, 0),
        ("EHLO", DROP, Unsent, Reason.REFUSED_CONNECTION, 0),
        ("END", HANG, Uncertain, Reason.TIMEOUT, 1),
        ("END", DROP, Uncertain, Reason.DROPPED, 1),
        ("END", "what?", Uncertain, Reason.BAD_ANSWER, 0),
    ],
    ids=str,
)
async def test_only_after_the_final_dot_nobody_knows(email, smtp, row):
    command, reply, kind, reason, arrived = row
    smtp.reply(command, reply)
    result = await outcome(email, make_message(email, ADDRESS))
    assert (type(result), result.reason) == (kind, reason)
    assert len(smtp.messages) == arrived
    assert (await email.send(make_message(email, ADDRESS))).state == "sent"


async def test_a_closed_port_is_unsent():
    async with email_channel(closed_port()) as channel:
        result = await outcome(channel, make_message(channel, ADDRESS))
    assert (type(result), result.reason) == (Unsent, Reason.REFUSED_CONNECTION)


async def test_a_server_without_tls_is_never_spoken_to_in_the_clear(smtp):
    for tls, kind in (("tls", Unsent), ("starttls", ChannelDown)):
        async with email_channel(smtp.smtp_port, tls=tls) as channel:
            assert type(await outcome(channel, make_message(channel, ADDRESS))) is kind
    assert not smtp.messages


async def test_a_handshake_that_hangs_is_unsent():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        port = deaf.getsockname()[1]
        async with email_channel(port, tls="tls", connect_timeout_s=0.2) as channel:
            result = await outcome(channel, make_message(channel, ADDRESS))
    assert (type(result), result.reason) == (Unsent, Reason.TIMEOUT)


# --- against aiosmtpd ----------------------------------------------------------------------------


class Keeper:
    """What aiosmtpd gives its messages to."""

    def __init__(self) -> None:
        self.kept: list[EmailMessage] = []

    async def handle_DATA(self, *about) -> str:  # noqa: N802 - aiosmtpd's name
        envelope = about[-1]
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.kept.append(message)
        return "250 2.0.0 Ok: queued as ABCDEF12"


def authenticator(server, session, envelope, mechanism, login) -> AuthResult:
    good = login.login == b"someone" and login.password == b"a-password-of-nobody"
    return AuthResult(success=good, handled=good)


@pytest.fixture
async def keeper() -> AsyncIterator[tuple[Keeper, int]]:
    keeper = Keeper()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(
            keeper,
            hostname="aiosmtpd.test",
            authenticator=authenticator,
            auth_require_tls=False,
            loop=loop,
        ),
        "127.0.0.1",
        0,
    )
    yield keeper, server.sockets[0].getsockname()[1]
    server.close()


async def test_a_server_that_is_not_ours_reads_the_same_mail(keeper):
    kept, port = keeper
    login = {"username": "someone", "password": "a-password-of-nobody"}
    async with email_channel(port, **login) as channel:
        message = make_message(channel, ADDRESS, prepared=prepared(channel))
        receipts = await asyncio.gather(*[channel.send(message) for _ in range(10)])
    assert {receipt.provider_ref for receipt in receipts} == {"ABCDEF12"}
    assert len(kept.kept) == 10
    plain, html = bodies(kept.kept[0])
    assert OWN_LINK in plain
    assert OWN_LINK.replace("&", "&amp;") in html


async def test_a_wrong_password_stops_the_channel(keeper):
    kept, port = keeper
    async with email_channel(port, username="someone", password="another") as channel:
        result = await outcome(channel, make_message(channel, ADDRESS))
    assert (type(result), result.reason) == (ChannelDown, Reason.CREDENTIALS)
    assert not kept.kept


# --- settings and quoted-printable ---------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"sender": "Someone <a@example.org>"},
        {"sender": "a@example.org\r\nBcc: b@example.org"},
        {"username": "someone"},
        {"host": "smtp.example.org", "username": "someone", "password": "a", "tls": "none"},
        {"concurrency": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValidationError):
        email_channel(25, **wrong)


def test_an_empty_text_stays_a_text():
    assert mime.quoted("") == b""
    assert mime.quoted(mark(Slot.OWN_LINK)) == mark(Slot.OWN_LINK).encode()
