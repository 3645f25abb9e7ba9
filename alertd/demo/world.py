"""The stand-ins of the outside world, and what arrived at them."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import aiohttp

from alertd.demo import twilio
from alertd.demo.ports import HOST
from alertd.demo.smtp import SmtpSink
from alertd.demo.twilio import FakeTwilio
from alertd.demo.webhooks import WebhookSink


@dataclass(frozen=True, slots=True)
class World:
    """Everyone that alertd talks to."""

    sms: FakeTwilio
    mail: SmtpSink
    hooks: WebhookSink

    def channels(self) -> dict[str, Any]:
        """Give the settings of the channels that lead here."""
        return {
            "sms": {
                "account_sid": twilio.ACCOUNT_SID,
                "auth_token": twilio.AUTH_TOKEN,
                "sender": "EXERCISE",
                "base_url": self.sms.url,
            },
            "email": {
                "host": HOST,
                "port": self.mail.smtp_port,
                "tls": "none",
                "sender": "exercise@example.org",
            },
            "webhook": {"http_hosts": [HOST]},
            "feed": {},
        }

    def arrived(self) -> dict[str, Counter[str]]:
        """Count by channel and address what came in over real sockets."""
        return {
            "sms": Counter(sms.to for sms in self.sms.messages),
            "email": Counter(to for mail in self.mail.messages for to in mail.recipients),
            "webhook": Counter(f"{self.hooks.url}{hook.path}" for hook in self.hooks.messages),
        }

    def pages(self) -> dict[str, str]:
        return {
            "SMS that arrived": f"{self.sms.url}/",
            "mail that arrived": f"{self.mail.url}/",
            "webhooks that arrived": f"{self.hooks.url}/",
        }


@asynccontextmanager
async def world(ports: Mapping[str, int]) -> AsyncIterator[World]:
    async with (
        FakeTwilio(host=HOST, port=ports["twilio"]) as sms,
        SmtpSink(host=HOST, port=ports["mail"], smtp_port=ports["smtp"]) as mail,
        WebhookSink(host=HOST, port=ports["webhooks"]) as hooks,
    ):
        yield World(sms, mail, hooks)


async def read_feed(url: str) -> list[str]:
    """Give the identifiers of the CAP documents that a feed links."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        response.raise_for_status()
        feed = ET.fromstring(await response.text())  # noqa: S314 - our own daemon's
    links = [item.get("url", "") for item in feed.iter("enclosure")]
    return [link.rpartition("/")[2].removesuffix(".xml") for link in links]
