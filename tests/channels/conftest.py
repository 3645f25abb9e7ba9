"""Stand-ins of the outside world, each on a port of its own, and channels aimed at them."""

from collections.abc import AsyncIterator

import pytest
from alertd.channels.email import EmailChannel
from alertd.channels.sms import SmsChannel
from alertd.channels.webhook import WebhookChannel

from alertd.demo.smtp import SmtpSink
from alertd.demo.twilio import Ending, FakeTwilio
from alertd.demo.webhooks import WebhookSink
from tests.channels.making import email_channel, sms_channel, webhook_channel


@pytest.fixture
async def twilio() -> AsyncIterator[FakeTwilio]:
    async with FakeTwilio() as peer:
        peer.script.ending = Ending(())  # tests that want callbacks say so
        yield peer


@pytest.fixture
async def sms(twilio: FakeTwilio) -> AsyncIterator[SmsChannel]:
    async with sms_channel(twilio.url) as channel:
        yield channel


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpSink]:
    async with SmtpSink() as peer:
        yield peer


@pytest.fixture
async def email(smtp: SmtpSink) -> AsyncIterator[EmailChannel]:
    async with email_channel(smtp.smtp_port) as channel:
        yield channel


@pytest.fixture
async def partner() -> AsyncIterator[WebhookSink]:
    async with WebhookSink() as peer:
        yield peer


@pytest.fixture
async def webhook() -> AsyncIterator[WebhookChannel]:
    async with webhook_channel() as channel:
        yield channel
