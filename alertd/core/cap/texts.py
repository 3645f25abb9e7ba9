"""The rules about what people read, and about what is linked or enclosed."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from alertd.core.cap.findings import Level, Node, Rule
from alertd.core.cap.model import NESTED, Alert, Area, Info, Resource

LONGEST_HEADLINE = 160

_HUMAN = (
    "note",
    "event",
    "audience",
    "senderName",
    "headline",
    "description",
    "instruction",
    "contact",
    "resourceDesc",
    "areaDesc",
)
_MARKUP = re.compile(
    r"</?[a-z][^<>]*>|<!--|&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,20});", re.IGNORECASE
)
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+(\s*;.*)?", re.IGNORECASE)


def _empty(alert: Node) -> Iterator[Node]:
    for element in alert.element.iter("{*}*"):
        node = Node(element)
        if not len(element) and not node.text.strip() and node.name in _OPTIONAL:
            yield node


# Elements that hold text and need not be there.
_OPTIONAL = frozenset(
    field.alias
    for model in (Alert, Info, Area, Resource)
    for field in model.model_fields.values()
    if not field.is_required() and field.alias not in NESTED
)


def _markup(alert: Node) -> Iterator[Node]:
    yield from (node for node in alert.deep(*_HUMAN) if _MARKUP.search(node.text))


def _headline_length(alert: Node) -> Iterator[Node]:
    yield from (node for node in alert.deep("headline") if len(node.text) > LONGEST_HEADLINE)


def _same(info: Node, one: str, other: str) -> bool:
    text = " ".join(info.value(one).split())
    return bool(text) and text == " ".join(info.value(other).split())


def _headline_repeated(alert: Node) -> Iterator[Node]:
    for info in alert.all("info"):
        if _same(info, "headline", "description"):
            yield from info.all("headline")


def _description_repeated(alert: Node) -> Iterator[Node]:
    for info in alert.all("info"):
        if _same(info, "description", "instruction"):
            yield from info.all("instruction")


def _untranslated(alert: Node) -> Iterator[Node]:
    """Give what is said in one language and again, word for word, under another tag."""
    said: dict[str, str] = {}
    for info in alert.all("info"):
        tag = info.value("language").lower()
        text = " ".join(info.value("description").split())
        if text and said.setdefault(text, tag) != tag:
            yield info


def _absolute(text: str) -> bool:
    try:
        url = urlsplit(text.strip())
    except ValueError:
        return False
    return bool(url.scheme) and bool(url.netloc or (url.path and url.scheme not in _HIERARCHICAL))


_HIERARCHICAL = {"http", "https", "ftp"}


def _web(alert: Node) -> Iterator[Node]:
    for node in alert.deep("web"):
        if node.text.strip() and not _absolute(node.text):
            yield node


def _uri(alert: Node) -> Iterator[Node]:
    for resource in alert.deep("resource"):
        uri = resource.first("uri")
        if uri and not _absolute(uri.text) and resource.first("derefUri") is None:
            yield uri


def _size_missing(alert: Node) -> Iterator[Node]:
    for resource in alert.deep("resource"):
        if resource.first("uri") and resource.first("size") is None:
            yield resource


def _mime_type(alert: Node) -> Iterator[Node]:
    yield from (node for node in alert.deep("mimeType") if not _TYPE.fullmatch(node.text.strip()))


def _digest(alert: Node) -> Iterator[Node]:
    for node in alert.deep("digest"):
        if not re.fullmatch(r"[0-9a-fA-F]{40}", node.text.strip()):
            yield node


def _enclosed(resource: Node) -> bytes | None:
    try:
        return base64.b64decode("".join(resource.value("derefUri").split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _deref_form(alert: Node) -> Iterator[Node]:
    for resource in alert.deep("resource"):
        if resource.first("derefUri") and not _enclosed(resource):
            yield from resource.all("derefUri")


def _deref_digest(alert: Node) -> Iterator[Node]:
    for resource in alert.deep("resource"):
        digest, content = resource.value("digest").strip().lower(), _enclosed(resource)
        if (
            digest
            and content
            and hashlib.sha1(content, usedforsecurity=False).hexdigest() != digest
        ):
            yield from resource.all("digest")


def _deref(alert: Node) -> Iterator[Node]:
    yield from alert.deep("derefUri")


E, W = Level.ERROR, Level.WARNING

RULES = tuple(
    Rule(id=id_, level=level, clause=clause, says=says, judge=judge)
    for id_, level, clause, says, judge in (
        ("empty", W, "3.2", "is empty: leave it out", _empty),
        ("markup", E, "3.3.3", "holds markup; write plain text without tags and entities", _markup),
        (
            "headline-length",
            W,
            "3.2.2 headline",
            f"is longer than {LONGEST_HEADLINE} characters: small displays cut it",
            _headline_length,
        ),
        (
            "headline-repeated",
            W,
            "3.2.2 headline",
            "is the same as description; say in it what matters most",
            _headline_repeated,
        ),
        (
            "description-repeated",
            W,
            "3.2.2 instruction",
            "is the same as description; say in it what to do",
            _description_repeated,
        ),
        (
            "untranslated",
            W,
            "3.2.2 language",
            "gives the same description as an info in another language",
            _untranslated,
        ),
        ("web", E, "3.2.2 web", "must be a full, absolute URI", _web),
        (
            "uri",
            E,
            "3.2.3 uri",
            "must be a full, absolute URI where derefUri does not hold the content",
            _uri,
        ),
        ("size-missing", W, "3.2.3 size", "should give the size of what uri links", _size_missing),
        ("mime-type", E, "3.2.3 mimeType", "must be a media type such as image/jpeg", _mime_type),
        ("digest", E, "3.2.3 digest", "must be a SHA-1 in 40 hexadecimal digits", _digest),
        ("deref-form", E, "3.2.3 derefUri", "must be base64", _deref_form),
        (
            "deref-digest",
            E,
            "3.2.3 digest",
            "is not the SHA-1 of what derefUri holds",
            _deref_digest,
        ),
        (
            "deref",
            W,
            "3.2.3 derefUri",
            "is for one-way links only: strip it before it goes to the Internet",
            _deref,
        ),
    )
)
