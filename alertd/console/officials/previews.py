"""What goes out, as its readers will see it: per channel and language."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from functools import cached_property

from alertd.console.officials.differences import Piece, compare
from alertd.console.officials.marking import mark
from alertd.core import gsm
from alertd.core.rendition import Kind, Slot, fill_some
from alertd.pipeline.filling import at_activation

_TABS = ("sms", "email", "page", "entry", "cap", "poster", "webhook", "websub")
_OF_FEEDS = ("page", "entry", "cap", "poster")  # every other channel has one tab, of its name
HTML = "text/html"
MAIL = "message/rfc822"
Key = tuple[str, str, str]
"""Channel, language, form: what names a rendition within its message."""

_SAMPLE_LINK = "example/your-own-link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One rendition of the message that is looked at, opened."""

    channel: str
    language: str
    form: str
    media_type: str
    data: bytes

    @property
    def key(self) -> Key:
        return (self.channel, self.language, self.form)

    @property
    def frame(self) -> str:
        """Name it in the address of its frame."""
        return ".".join(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the slots are filled with for a look: as if it were sent now."""

    at: datetime
    zone: str
    public_url: str

    def values(self, channel: str, language: str) -> dict[Slot, bytes]:
        sent = at_activation(language, sent_at=self.at, zone=self.zone, references="")
        feed = f"{self.public_url}/feeds/atom.xml"  # that a subscriber asked for
        return sent | {
            Slot.OWN_LINK: f"{self.public_url}/{_SAMPLE_LINK}".encode(),
            Slot.ADDRESS: feed.encode() if channel == "websub" else b"reader@example.org",
            Slot.SENDING_DATE: sent[Slot.SENT_RFC822],
            Slot.DELIVERY_ID: b"example",
            Slot.THREAD: b"",
        }


@dataclass(frozen=True, kw_only=True)
class Preview:
    """One tab. What it shows is opened, and held against `before`, once somebody looks at it."""

    tab: str
    body: Body
    moment: Moment
    before: Body | None = None

    @property
    def language(self) -> str:
        return self.body.language

    @property
    def frame(self) -> str:
        """Name what is shown in a frame: a page, or a mail's HTML."""
        return self.body.frame

    @cached_property
    def text(self) -> Sequence[Piece]:
        """Give the text, marked where it differs."""
        if self.before is None:
            return (Piece("same", self._written),)
        return compare(_written(self.before, self.moment), self._written)

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """Give what a mail's reader sees above it."""
        mail = _mail(_filled(self.body, self.moment))
        return {name: str(mail[name]) for name in ("From", "Subject") if mail[name]}

    @property
    def alphabet(self) -> str:
        return gsm.parts(self._written)[0]

    @property
    def parts(self) -> int:
        return gsm.parts(self._written)[1]

    @property
    def size(self) -> int:
        return gsm.size(self._written)[1]

    @cached_property
    def _written(self) -> str:
        return _written(self.body, self.moment)


def previews(bodies: Iterable[Body], moment: Moment, before: Iterable[Body] = ()) -> list[Preview]:
    """Give every tab in its order; texts are marked where they differ from `before`."""
    old = {body.key: body for body in before}
    found = [
        Preview(tab=tab, body=body, moment=moment, before=old.get(body.key))
        for body in bodies
        for tab in _tabs(body)
    ]
    return sorted(found, key=lambda each: _place(each.tab))


def framed(body: Body, moment: Moment, before: Iterable[Body] = ()) -> str:
    """Give the HTML of a page or a mail, to be shown in a frame without scripts.

    What differs from its like in `before` is marked; what is sent and approved stays as it is.
    """
    shown = _html(body, moment)
    old = next((each for each in before if each.key == body.key), None)
    return shown if old is None else mark(_html(old, moment), shown)


def _html(body: Body, moment: Moment) -> str:
    filled = _filled(body, moment)
    if body.media_type.startswith(HTML):
        return filled.decode()
    return _part(_mail(filled), HTML)


def tabs_of(channels: Iterable[str]) -> list[str]:
    """Name the tabs of what these channels send, in their order."""
    return sorted({tab for channel in channels for tab in _of_channel(channel)}, key=_place)


def channels_of(tab: str, channels: Iterable[str]) -> set[str]:
    """Name those of the channels that a tab shows."""
    return {channel for channel in channels if tab in _of_channel(channel)}


def _of_channel(channel: str) -> Sequence[str]:
    return _OF_FEEDS if channel == "feed" else (channel,)


def _place(tab: str) -> tuple[int, str]:
    """Give where a tab stands: ours in their order, then those of others' channels."""
    return (_TABS.index(tab) if tab in _TABS else len(_TABS), tab)


def _tabs(body: Body) -> Sequence[str]:
    """Name the tabs that a rendition is shown in."""
    if body.channel != "feed":
        return _of_channel(body.channel)
    return ("page", "poster") if body.form == "page" else (body.form,)


def _written(body: Body, moment: Moment) -> str:
    """Give a rendition as text: of a mail its plain part."""
    filled = _filled(body, moment)
    if body.media_type == MAIL:
        return _part(_mail(filled), "text/plain")
    text = filled.decode(errors="replace")
    if (body.channel, body.form) == ("feed", "entry"):
        return _entry(json.loads(text))
    if body.media_type == "application/json":
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    return text


def _entry(said: Mapping[str, str]) -> str:
    """Give an entry of the feeds as whoever follows them reads it."""
    return "\n\n".join(said[name] for name in ("title", "summary", "link", "published"))


def _filled(body: Body, moment: Moment) -> bytes:
    return fill_some(body.data, moment.values(body.channel, body.language))


def _mail(data: bytes) -> EmailMessage:
    return message_from_bytes(data, _class=EmailMessage, policy=modern)


def _part(mail: EmailMessage, media_type: str) -> str:
    found = [part for part in mail.walk() if part.get_content_type() == media_type]
    return str(found[0].get_content()) if found else ""


def is_shown(kind: str, variant: str) -> bool:
    """Tell whether a rendition is the message itself, and none that may follow it."""
    return kind in {Kind.ALERT, Kind.UPDATE} and not variant
