"""Every channel passes the suite that plugin authors are given."""

from typing import ClassVar

from alertd.channels.feed import FeedChannel, FeedSettings

from alertd.channel import Channel
from alertd.demo.twilio import ACCOUNT_SID, AUTH_TOKEN
from alertd.demo.webhooks import SECRET
from alertd.testing import ChannelConformance, make_environment
from tests.channels.making import closed_port, email_channel, sms_channel, webhook_channel


class TestSms(ChannelConformance):
    good: ClassVar = {
        "+30 690 000 0001": "+306900000001",
        "+1 (555) 010-0123": "+15550100123",
        " +44 7700 900123 ": "+447700900123",
    }
    rubbish = (
        "306900000001",
        "+30",
        "+999 123 456 789",
        "+1 800 FLOWERS",
        "+44 20 7946 0000 ext 5",
        "+30690000000１",
        "tel:+306900000001",
    )
    secrets = (AUTH_TOKEN,)

    def make(self) -> Channel:
        return sms_channel(f"http://127.0.0.1:{closed_port()}", account_sid=ACCOUNT_SID)


class TestEmail(ChannelConformance):
    good: ClassVar = {
        "someone@example.org": "someone@example.org",
        " Some.One+alerts@EXAMPLE.org": "Some.One+alerts@example.org",
        "info@παράδειγμα.test": "info@xn--hxajbheg2az3al.test",
    }
    rubbish = (
        "someone",
        "@example.org",
        "someone@",
        "someone@localhost",
        "a b@example.org",
        "a@b@example.org",
        "Someone <someone@example.org>",
        "someone@example.org, other@example.org",
        ".someone@example.org",
        "κάποιος@example.org",
        "someone@[127.0.0.1]",
        f"{'x' * 65}@example.org",
    )
    secrets = ("a-password-of-nobody",)
    plain_templates = ("subject.txt",)

    def make(self) -> Channel:
        return email_channel(
            closed_port(), tls="starttls", username="someone", password=self.secrets[0]
        )


class TestWebhook(ChannelConformance):
    good: ClassVar = {
        "http://127.0.0.1:9/a": "http://127.0.0.1:9/a",
        "https://EXAMPLE.org": "https://example.org/",
        "https://example.org:443/a?b=c": "https://example.org/a?b=c",
        "https://παράδειγμα.test/ύ": "https://xn--hxajbheg2az3al.test/%CF%8D",
        "https://[2606:4700::0001]:8443/": "https://[2606:4700::1]:8443/",
        "https://example.org/a%2Fb%20c": "https://example.org/a%2Fb%20c",
    }
    rubbish = (
        "example.org",
        "http://example.org/",
        "ftp://example.org/",
        "https://",
        "https:///a",
        "https://someone:password@example.org/",
        "https://example.org/#part",
        "https://example.org:99999/",
        "https://ex ample.org/",
        "https://example.org/a\\b",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://[fe80::1%25eth0]/",
        "https://[::1",
    )
    endpoint_secret = SECRET

    def make(self) -> Channel:
        return webhook_channel()


class TestFeed(ChannelConformance):
    good: ClassVar = {
        "public/el": "public/el",
        "Exercise/EN-gb": "exercise/en-GB",
        "public/sr-latn-rs": "public/sr-Latn-RS",
    }
    rubbish = ("public", "public/", "secret/el", "public/el/x", "public/el-", "public/e", "/el")

    def make(self) -> Channel:
        return FeedChannel(FeedSettings(), environment=make_environment())
