"""What is approved and sent: rendered bytes, and the closed list of what stays open in them.

Approvers bind themselves to a digest of the exact bytes. Whatever cannot be known before
the last approval, or differs per recipient, is a slot of the list below, filled mechanically.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Slot(StrEnum):
    """Everything that may still be filled in after approval; there is nothing else."""

    # Known at activation, the same for every recipient.
    SENT = "sent"  # CAP dateTime of activation, with the authority's offset
    SENT_RFC822 = "sent_rfc822"  # the same instant for RSS
    SENT_TEXT = "sent_text"  # the same instant for people, in the rendition's language
    REFERENCES = "references"  # CAP 3.2.1: `sender,identifier,sent` of what came before
    # Known at sending, one recipient's own.
    DELIVERY_ID = "delivery_id"  # webhook-id, Message-ID
    ADDRESS = "address"  # mail's To header
    OWN_LINK = "own_link"  # shows and ends this recipient's subscription
    SENDING_DATE = "sending_date"  # mail's Date header
    ACK_LINK = "ack_link"  # where this endpoint says that it has deleted what it had
    THREAD = "thread"  # mail's In-Reply-To and References: threads an update to the first mail


BESIDE = frozenset({"cap", "page"})
"""Forms that are published beside a feed's entry and sent to nobody."""

AT_ACTIVATION = frozenset({Slot.SENT, Slot.SENT_RFC822, Slot.SENT_TEXT, Slot.REFERENCES})

# Private-use characters: valid in XML, JSON and mail alike, and refused in every input field.
_OPEN, _CLOSE = "\ue000", "\ue001"
_OPEN_BYTES, _CLOSE_BYTES = _OPEN.encode(), _CLOSE.encode()


def mark(slot: Slot) -> str:
    """Give the marker that stands for `slot` in rendered text."""
    return f"{_OPEN}{slot.value}{_CLOSE}"


Parts = tuple[bytes | Slot, ...]


def split(body: bytes) -> Parts:
    """Cut rendered bytes at their slots, once, so that filling is a join.

    Raises ValueError on a marker that is not in the closed list.
    """
    first, *rest = body.split(_OPEN_BYTES)
    parts: list[bytes | Slot] = [first]
    for piece in rest:
        name, _, text = piece.partition(_CLOSE_BYTES)
        parts += [Slot(name.decode()), text]
    return tuple(part for part in parts if part != b"")


def fill(parts: Parts, values: Mapping[Slot, bytes]) -> bytes:
    """Give the bytes with every slot filled; raises KeyError when a value is missing."""
    return b"".join([part if isinstance(part, bytes) else values[part] for part in parts])


def fill_some(body: bytes, values: Mapping[Slot, bytes]) -> bytes:
    """Give `body` with the slots in `values` filled and the others left open."""
    return b"".join(
        part if isinstance(part, bytes) else values.get(part, mark(part).encode())
        for part in split(body)
    )


class Kind(StrEnum):
    """What a dispatch is for."""

    ALERT = "alert"
    UPDATE = "update"
    END = "end"  # the search is over, whatever the reason code
    CORRECTION = "correction"  # the alert was wrong
    EXPIRY = "expiry"
    REQUEST = "request"  # asks an official for an approval
    NOTICE = "notice"  # tells officials what happened


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """One message rendered once: for one kind, channel and language."""

    kind: Kind
    variant: str = ""  # the reason code of an end; the role of a request
    channel: str
    language: str  # BCP 47; `mul` where one document holds all languages (CAP)
    form: str = "message"  # tells two renditions of a channel apart: the feed's entry, cap, page
    media_type: str
    body: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    @property
    def key(self) -> tuple[str, ...]:
        return (self.kind, self.variant, self.channel, self.language, self.form)


def manifest_digest(renditions: Iterable[Rendition], binding: Mapping[str, object]) -> str:
    """Give the SHA-256 that an approval is bound to.

    It covers every rendition's key, media type and bytes, and `binding`: whom the alert
    goes to (regions, channels, status) and until when.
    """
    rows = sorted([*r.key, r.media_type, r.digest] for r in renditions)
    text = json.dumps(
        {"binding": binding, "renditions": rows},
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return hashlib.sha256(text.encode()).hexdigest()
