"""Renditions as people read them: the bytes decoded, nothing left out that a reader would see."""

import json
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern

from alertd.core.rendition import Slot, split

_HEADERS = ("From", "Subject")


def readable(media_type: str, body: bytes) -> str:
    """Give the text of `body`, with `{{name}}` where a slot is still open."""
    shown = b"".join(
        b"{{%b}}" % part.value.encode() if isinstance(part, Slot) else part for part in split(body)
    )
    if media_type == "message/rfc822":
        return _mail(shown)
    text = shown.decode(errors="replace")
    if media_type == "application/json":
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    return text


def _mail(body: bytes) -> str:
    mail = message_from_bytes(body, _class=EmailMessage, policy=modern)
    parts = [f"{name}: {mail[name]}" for name in _HEADERS if mail[name]]
    parts += [
        f"--- {part.get_content_type()}\n{part.get_content()}"
        for part in mail.walk()
        if not part.is_multipart()
    ]
    return "\n".join(parts)
