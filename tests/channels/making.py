"""Channels aimed at stand-ins."""

import socket
from typing import Any

from alertd.channels.email import EmailChannel, EmailSettings
from alertd.channels.sms import SmsChannel, SmsSettings
from alertd.channels.webhook import WebhookChannel, WebhookSettings

from alertd.demo.twilio import ACCOUNT_SID, AUTH_TOKEN
from alertd.testing import make_environment


def closed_port() -> int:
    """Give a loopback port that was free a moment ago."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def sms_channel(
    url: str, public_url: str = "https://alerts.example.org", **settings: Any
) -> SmsChannel:
    usual = {
        "account_sid": ACCOUNT_SID,
        "auth_token": AUTH_TOKEN,
        "sender": "Example",
        "base_url": url,
        "timeout_s": 0.5,
    }
    return SmsChannel(
        SmsSettings.model_validate(usual | settings),
        environment=make_environment(public_url=public_url),
    )


def email_channel(port: int, **settings: Any) -> EmailChannel:
    usual = {
        "host": "127.0.0.1",
        "port": port,
        "tls": "none",
        "sender": "alerts@example.org",
        "sender_name": "Παράδειγμα",
        "timeout_s": 0.5,
        "connect_timeout_s": 0.5,
    }
    return EmailChannel(
        EmailSettings.model_validate(usual | settings), environment=make_environment()
    )


def webhook_channel(allow: tuple[str, ...] = ("127.0.0.0/8",), **settings: Any) -> WebhookChannel:
    usual = {"timeout_s": 0.5}
    return WebhookChannel(
        WebhookSettings.model_validate(usual | settings),
        environment=make_environment(allow_addresses=allow),
    )
