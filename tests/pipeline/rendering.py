"""A renderer over the real templates whose channels hand out the texts as they are."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

from alertd.atlas import load_atlas
from alertd.channel import Composed
from alertd.core.alert import ChildAlert
from alertd.core.cap import NAMESPACE
from alertd.core.rendition import Kind, Rendition, Slot, fill, split
from alertd.core.ruleset import RuleSet
from alertd.pipeline.render import EVENTS, Renderer, Subject
from alertd.resources import home
from alertd.templating import Templates
from tests.factories import child_facts, make_alert, make_rules

PUBLIC_URL = "https://alerts.example.org"
SEPARATOR = "\n\f\n"
PUBLIC_KINDS = ("alert", "end", "correction", "expiry")
SLOTS = {slot: slot.value.encode() for slot in Slot} | {
    Slot.SENT: b"2026-03-14T20:30:00+02:00",
    Slot.REFERENCES: b"alerts@example.org,example.1,2026-03-14T19:30:00+02:00",
}
CORRECTION = {"name": "hoax", "title": {"el": "Ψ", "en": "H"}, "correction": True}
COMPANION = {"name": "Εύα Υποδειγματική", "sex": "female", "clothing": "πράσινη ζακέτα"}
PERSONAL = {
    "children": [child_facts(name="Νίκη Υποθετικού", clothing="λευκό φόρεμα", health="άσθμα")],
    "companions": [COMPANION],
    "vehicle": {"make": "Υπόδειγμα", "colour": "μοβ", "plate": "ΥΥΥ-9999", "country": "CY"},
    "last_seen": {"at": "2026-03-14T16:30:00+00:00", "place": "Οδός Παραδείγματος 7"},
    "circumstances": "Φανταστική περιγραφή γεγονότων.",
    "area": {
        "regions": ["GR-I"],
        "polygon": [[37.0, 23.0], [38.0, 23.0], [38.0, 24.0], [37.0, 23.0]],
        "circle": {"centre": [37.9, 23.7], "radius_km": 5},
    },
}


class PlainChannel:
    """Composes nothing: its bytes are its texts, one after the other."""

    def __init__(self, name: str, *templates: str) -> None:
        self.name = name
        self.templates = templates
        self.contexts: list[Mapping[str, Any]] = []

    def compose(self, texts: Mapping[str, str], context: Mapping[str, Any]) -> list[Composed]:
        self.contexts.append(context)
        officials = context["kind"] in {Kind.REQUEST, Kind.NOTICE}
        assert not (officials and self.name in {"webhook", "feed"})
        body = SEPARATOR.join(texts[name] for name in self.templates)
        return [Composed("text/plain", body.encode())]


@cache
def shipped_templates() -> Templates:
    return Templates()


def make_renderer(**changes: Any) -> Renderer:
    channels = [
        PlainChannel("sms", "text.txt"),
        PlainChannel("email", "subject.txt", "body.txt", "body.html"),
        PlainChannel("webhook", "headline.txt", "description.txt", "instruction.txt"),
        PlainChannel("feed", "title.txt", "summary.txt"),
    ]
    facts = {
        "channels": {channel.name: channel for channel in channels},
        "atlas": load_atlas(home("config") / "regions"),
        "public_url": PUBLIC_URL,
        "sender": "alerts@example.org",
        "templates": changes.pop("templates", None) or shipped_templates(),
    }
    return Renderer(**(facts | changes))


def make_subject(**changes: Any) -> Subject:
    facts: dict[str, Any] = {
        "alert_id": "0examplealert0000000",
        "identifier": "example.0examplealert0000000.1",
        "number": 1,
        "kind": Kind.ALERT,
        "alert": make_alert(),
        "rules": make_rules(),
    }
    return Subject(**(facts | changes))


def hostile_alert() -> ChildAlert:
    """Give an alert that bypasses the checks of its fields: templates must hold by themselves."""
    evil = '<b onclick="x">&lt;{{ 7*7 }}'
    alert = make_alert()
    return alert.model_copy(
        update={
            "children": (alert.children[0].model_copy(update={"name": evil, "clothing": evil}),),
            "authority": evil,
            "circumstances": evil,
        }
    )


def open_rules() -> RuleSet:
    return make_rules(allow_companion=True, allow_health=True)


def make_update(old: dict[str, Any], new: dict[str, Any], **changes: Any) -> Subject:
    return make_subject(
        kind=Kind.UPDATE,
        number=2,
        previous=make_alert(**old),
        alert=make_alert(**new),
        **changes,
    )


def to_officials(renderer: Renderer, status: str = "exercise") -> list[Rendition]:
    facts: dict[str, Any] = {
        "rules": make_rules(),
        "case_reference": "EX-2026-0001",
        "status": status,
        "link": f"{PUBLIC_URL}/cases/0examplealert0000000",
    }
    notices = [
        rendition
        for event in EVENTS
        for rendition in renderer.notice(event=event, channels=("email", "feed"), **facts)
    ]
    asked = renderer.requests(role="police", languages=("el", "en"), **facts)
    return [*asked, *notices]


def texts_of(rendition: Rendition) -> list[str]:
    return rendition.body.decode().split(SEPARATOR)


def text(renditions: list[Rendition], *key: str) -> str:
    """Give the text of the rendition of that kind, variant, channel and language."""
    (found,) = [r for r in renditions if r.key[: len(key)] == key]
    return found.body.decode()


def cap_of(renditions: list[Rendition], kind: str) -> etree._Element:
    first = next(r for r in renditions if r.kind == kind and r.form == "cap")
    return etree.fromstring(fill(split(first.body), SLOTS))


def values(document: etree._Element, name: str) -> list[str]:
    return [element.text or "" for element in document.iter(f"{{{NAMESPACE}}}{name}")]


def write(folder: Path, name: str, content: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
