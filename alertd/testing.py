"""For authors of channels: a clock that stands still, messages to send, and a suite to pass.

    class TestFax(ChannelConformance):
        good = {"+30 210 000 0000": "+302100000000"}
        rubbish = ("", "nobody")
        secrets = ("the-password",)

        def make(self) -> Channel: ...

pytest with pytest-asyncio in auto mode runs it.
"""

import asyncio
import traceback
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from alertd.channel import Channel, Composed, Environment, Message, Prepared, Receipt
from alertd.core.errors import NotAllowed, Reason, SendError, Undeliverable
from alertd.core.rendition import AT_ACTIVATION, Kind, Rendition, Slot, fill_some, mark, split

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
OWN_LINK = "https://alerts.example.org/r/a-token-of-nobody?a=b&c=d"


class FakeClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


def make_environment(**changes: Any) -> Environment:
    """Give what alertd tells a channel about itself; only loopback may be connected to."""
    environment = Environment(
        public_url="https://alerts.example.org",
        sender_domain="alerts.example.org",
        allow_addresses=("127.0.0.0/8", "::1/128"),
    )
    return replace(environment, **changes)


def make_context(kind: Kind = Kind.ALERT, **changes: Any) -> dict[str, Any]:
    """Give what `compose` is told beside its texts."""
    context = {
        "kind": kind,
        "variant": "",
        "language": "el",
        "status": "exercise",
        "alert_id": "example",
        "identifier": "example.org.example.1",
        "category": "amber",
        "list_id": "example.alerts.example.org",
        "link": "https://alerts.example.org/a/example/el",
        "cap_url": "https://alerts.example.org/cap/example.org.example.1.xml",
        "shape": {},
        "data": {"kind": "amber", "status": "exercise", "area": {"regions": ["GR-I"]}},
    }
    return context | changes


def make_texts(
    channel: Channel, text: str = "Ωδή: {name}. Example & <b>only</b>."
) -> dict[str, str]:
    """Give a text for each of the channel's templates."""
    return {name: text.format(name=name) for name in channel.templates}


def make_prepared(
    channel: Channel, composed: Composed | None = None, *, language: str = "el"
) -> Prepared:
    """Give a rendition with its activation slots filled, as alertd hands it over."""
    if composed is None:
        composed = channel.compose(make_texts(channel), make_context(language=language))[0]
    rendition = Rendition(
        kind=Kind.ALERT,
        channel=channel.name,
        language=language,
        form=composed.form,
        media_type=composed.media_type,
        body=composed.body,
    )
    values = dict.fromkeys(AT_ACTIVATION, b"")
    values[Slot.SENT] = b"2026-01-01T14:00:00+02:00"
    values[Slot.SENT_TEXT] = "1 Ιανουαρίου 2026, 14:00".encode()
    return Prepared(rendition, split(fill_some(composed.body, values)))


def make_message(channel: Channel, address: str, **changes: Any) -> Message:
    """Give one message, with only what is named in `changes` different from the usual."""
    usual: dict[str, Any] = {
        "delivery_id": "example-1",
        "own_link": OWN_LINK,
        "sent_at": NOON,
        "now": NOON,
        "deadline_at": NOON + timedelta(hours=24),
    }
    if "prepared" not in changes:
        usual["prepared"] = make_prepared(channel)
    return Message(address=address, **(usual | changes))


async def outcome(channel: Channel, message: Message) -> Receipt | SendError:
    """Send, and give what came of it either way; any other exception goes through."""
    try:
        return await channel.send(message)
    except SendError as error:
        return error


class ChannelConformance:
    """What alertd relies on in every channel; subclass it, and name the few facts it needs."""

    good: ClassVar[Mapping[str, str]]  # spellings of an address, and the one that is kept
    rubbish: ClassVar[Sequence[str]]  # what is no address
    secrets: ClassVar[Sequence[str]] = ()  # what `make` puts into the settings
    plain_templates: ClassVar[Sequence[str]] = ()  # those that may not hold a slot
    endpoint_secret: ClassVar[str] = ""

    def make(self) -> Channel:
        """Give a channel whose peer cannot be reached: settings point at a closed port."""
        raise NotImplementedError

    def test_composing_twice_gives_the_same_bytes(self) -> None:
        first, second = self.make(), self.make()
        for kind in Kind:
            texts, context = make_texts(first), make_context(kind)
            before = deepcopy((texts, context))
            composed = first.compose(texts, context)
            _hold(composed == first.compose(texts, context), "composing depends on an earlier one")
            _hold(composed == second.compose(texts, context), "composing depends on chance")
            _hold((texts, context) == before, "composing changes what it is given")

    def test_an_alert_gives_messages_that_are_told_apart(self) -> None:
        channel = self.make()
        composed = channel.compose(make_texts(channel), make_context())
        forms = [each.form for each in composed]
        _hold(bool(composed), "an alert gives no message")
        _hold(len(set(forms)) == len(forms), "two messages share a form")
        _hold(all(each.media_type for each in composed), "a message has no media type")

    def test_slots_survive_composing(self) -> None:
        channel = self.make()
        text = f"a{mark(Slot.OWN_LINK)}b {mark(Slot.SENT_TEXT)}\nΩδή"
        texts = make_texts(channel, text)
        texts |= dict.fromkeys(self.plain_templates, "Ωδή")
        composed = channel.compose(texts, make_context())
        parts = [part for each in composed for part in split(each.body)]
        wanted = len(texts) - len(self.plain_templates)
        for slot in (Slot.OWN_LINK, Slot.SENT_TEXT):
            _hold(parts.count(slot) >= wanted, f"the slot {slot} is lost or changed")

    def test_an_address_has_one_spelling(self) -> None:
        channel = self.make()
        for spelling, kept in self.good.items():
            _hold(channel.normalize(spelling) == kept, "an address is kept in another spelling")
            _hold(channel.normalize(kept) == kept, "a kept address changes when read again")

    def test_rubbish_is_no_address(self) -> None:
        channel = self.make()
        always = ("", " ", "\x00", "\r\n", "example\r\nBcc: everyone", "x" * 5000)
        for rubbish in (*self.rubbish, *always):
            try:
                channel.normalize(rubbish)
            except Undeliverable as error:
                _hold(error.reason is Reason.ADDRESS_INVALID, "the reason is another")
                _hold(not rubbish.strip() or rubbish not in str(error), "the error tells it")
            else:
                raise AssertionError(f"taken for an address: {rubbish[:40]!r}")

    def test_a_lane_belongs_to_the_channel(self) -> None:
        channel = self.make()
        for address in self.good.values():
            lane = channel.lane(address)
            _hold(lane == channel.lane(address), "a lane changes")
            _hold(lane.split("/")[0] == channel.name, "a lane does not begin with the channel")
            _hold(len(lane) <= 300, "a lane is longer than its column")

    def test_the_pace_lets_something_through(self) -> None:
        pace = self.make().pace
        _hold(pace.concurrency >= 1 and pace.per_lane >= 1, "nothing may be in flight")
        _hold(pace.rate_per_s is None or pace.rate_per_s > 0, "nothing may be sent")

    async def test_failure_is_a_send_error_that_tells_no_secret(self) -> None:
        address = next(iter(self.good.values()))
        async with self.make() as channel:
            message = make_message(channel, address, secret=self.endpoint_secret)
            result = await outcome(channel, message)
        if isinstance(result, SendError):
            told = f"{result} {vars(result)} {''.join(traceback.format_exception(result))}"
            for hidden in (address, OWN_LINK, self.endpoint_secret, *self.secrets):
                _hold(not hidden or hidden not in told, "an error tells an address or a secret")

    async def test_no_repr_tells_a_secret(self) -> None:
        async with self.make() as channel:
            told = f"{channel!r} {vars(channel)!r}"
        for secret in self.secrets:
            _hold(secret not in told, "a repr tells a secret")

    async def test_it_opens_again_after_closing(self) -> None:
        channel = self.make()
        for _ in range(2):
            async with channel:
                pass

    async def test_closing_leaves_nothing_running(self) -> None:
        before = asyncio.all_tasks()
        async with self.make() as channel:
            address = next(iter(self.good.values()))
            await outcome(channel, make_message(channel, address, secret=self.endpoint_secret))
        await asyncio.sleep(0)
        _hold(asyncio.all_tasks() <= before, "a task outlives the channel")

    async def test_a_forged_report_is_refused(self) -> None:
        channel = self.make()
        report = getattr(channel, "report", None)
        if report is None:
            return
        url = f"https://alerts.example.org/callbacks/{channel.name}?delivery=example-1"
        for headers in ({}, {"X-Twilio-Signature": "forged"}):
            try:
                report(url, headers, b"MessageStatus=delivered")
            except NotAllowed:
                continue
            raise AssertionError("a report without a signature is believed")


def _hold(fact: bool, otherwise: str) -> None:
    if not fact:
        raise AssertionError(otherwise)
