"""What goes out, as its readers will see it: per channel and language."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern

from alertd.console.officials.differences import Piece, compare
from alertd.core import gsm
from alertd.core.rendition import Kind, Slot, fill_some
from alertd.pipeline.filling import at_activation

_TABS = ("sms", "email", "page", "entry", "cap", "poster", "webhook")
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
class Preview:
    """One tab. `text` is marked where it differs; `frame` names what is shown in a frame."""

    tab: str
    language: str
    text: Sequence[Piece] = ()
    frame: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    alphabet: str = ""
    parts: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the slots are filled with for a look: as if it were sent now."""

    at: datetime
    zone: str
    public_url: str

    def values(self, language: str) -> dict[Slot, bytes]:
        sent = at_activation(language, sent_at=self.at, zone=self.zone, references="")
        return sent | {
            Slot.OWN_LINK: f"{self.public_url}/{_SAMPLE_LINK}".encode(),
            Slot.ADDRESS: b"reader@example.org",
            Slot.SENDING_DATE: sent[Slot.SENT_RFC822],
            Slot.DELIVERY_ID: b"example",
            Slot.THREAD: b"",
        }


def previews(bodies: Iterable[Body], moment: Moment, before: Iterable[Body] = ()) -> list[Preview]:
    """Give every tab in its order; texts are marked where they differ from `before`."""
    old = {body.key: _text(body, moment) for body in before}
    found = [each for body in bodies for each in _previews(body, moment, old.get(body.key))]
    return sorted(found, key=lambda each: _TABS.index(each.tab))


def framed(body: Body, moment: Moment) -> str:
    """Give the HTML of a page or a mail, to be shown in a frame without scripts."""
    filled = _filled(body, moment)
    if body.media_type.startswith(HTML):
        return filled.decode()
    return _part(_mail(filled), HTML)


def chosen(found: Sequence[Preview], tab: str, language: str) -> Preview | None:
    """Give the tab in the language, else in any, else the first there is."""
    of_tab = [each for each in found if each.tab == tab] or list(found)
    named = [each for each in of_tab if each.language == language]
    return next(iter(named or of_tab), None)


def _previews(body: Body, moment: Moment, old: str | None) -> list[Preview]:
    filled = _filled(body, moment)
    mail = _mail(filled) if body.media_type == MAIL else None  # parsed once: it takes longest
    text = _part(mail, "text/plain") if mail else _written(body, filled)
    pieces = compare(old, text) if old is not None else (Piece("same", text),)
    match (body.channel, body.form):
        case ("sms", _):
            alphabet, parts = gsm.parts(text)
            return [
                Preview(
                    tab="sms",
                    language=body.language,
                    text=pieces,
                    alphabet=alphabet,
                    parts=parts,
                    size=gsm.size(text)[1],
                )
            ]
        case ("email", _) if mail:
            headers = {name: str(mail[name]) for name in ("From", "Subject") if mail[name]}
            return [
                Preview(
                    tab="email",
                    language=body.language,
                    text=pieces,
                    frame=body.frame,
                    headers=headers,
                )
            ]
        case ("feed", "page"):
            return [
                Preview(tab=tab, language=body.language, frame=body.frame)
                for tab in ("page", "poster")
            ]
        case ("feed", form):
            return [Preview(tab=form, language=body.language, text=pieces)]
        case _:
            return [Preview(tab="webhook", language=body.language, text=pieces)]


def _text(body: Body, moment: Moment) -> str:
    filled = _filled(body, moment)
    return _part(_mail(filled), "text/plain") if body.media_type == MAIL else _written(body, filled)


def _written(body: Body, filled: bytes) -> str:
    text = filled.decode(errors="replace")
    if body.media_type == "application/json":
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    return text


def _filled(body: Body, moment: Moment) -> bytes:
    return fill_some(body.data, moment.values(body.language))


def _mail(data: bytes) -> EmailMessage:
    return message_from_bytes(data, _class=EmailMessage, policy=modern)


def _part(mail: EmailMessage, media_type: str) -> str:
    found = [part for part in mail.walk() if part.get_content_type() == media_type]
    return str(found[0].get_content()) if found else ""


def is_shown(kind: str, variant: str) -> bool:
    """Tell whether a rendition is the message itself, and none that may follow it."""
    return kind in {Kind.ALERT, Kind.UPDATE} and not variant
