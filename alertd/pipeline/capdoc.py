"""The CAP document of each message: one alert, one info per language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from babel.languages import get_official_languages

from alertd.core import cap
from alertd.core.alert import ChildAlert
from alertd.core.photo import Size
from alertd.core.rendition import Kind, Slot
from alertd.core.ruleset import RuleSet
from alertd.pipeline import capfacts, facts
from alertd.pipeline.cellbroadcast import broadcast_parameters

AFTERMATH = timedelta(hours=24)
"""How long an end outlives its alert, so that receivers who poll late still see it."""

LONGEST_HEADLINE = 140  # what Google Public Alerts shows

_STATUS: Mapping[str, cap.Status] = {"actual": "Actual", "exercise": "Exercise", "test": "Test"}
_MESSAGE: Mapping[Kind, cap.MessageType] = {
    Kind.ALERT: "Alert",
    Kind.UPDATE: "Update",
    Kind.END: "Cancel",
    Kind.CORRECTION: "Cancel",
    Kind.EXPIRY: "Cancel",
}
# OASIS' own AMBER example carries Rescue; the OASIS event terms put missing persons in Safety.
_CATEGORIES = (cap.Category.RESCUE, cap.Category.SAFETY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What one info says, in its language."""

    language: str
    event: str
    headline: str
    description: str
    instruction: str
    area: str
    note: str = ""  # that it is an exercise or a test


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a document says of itself."""

    kind: Kind
    identifier: str
    alert_id: str
    sender: str
    web: str
    photos: tuple[tuple[str, Size], ...] = ()  # address and file of each


def from_alert(
    alert: ChildAlert, rules: RuleSet, envelope: Envelope, texts: Sequence[Texts]
) -> cap.Alert:
    """Give the document; `sent` is a slot, and `references` too when it follows another message."""
    follows = envelope.kind is not Kind.ALERT
    return cap.Alert(
        identifier=envelope.identifier,
        sender=envelope.sender,
        sent=Slot.SENT,
        status=_STATUS[alert.status],
        msg_type=_MESSAGE[envelope.kind],
        scope="Public",
        note=" / ".join(text.note for text in texts if text.note) or None,
        references=Slot.REFERENCES if follows else None,
        incidents=envelope.alert_id,
        info=tuple(
            _info(alert, rules, envelope, text, first=place == 0)
            for place, text in enumerate(texts)
        ),
    )


def _info(
    alert: ChildAlert, rules: RuleSet, envelope: Envelope, texts: Texts, *, first: bool
) -> cap.Info:
    live = envelope.kind in {Kind.ALERT, Kind.UPDATE}
    expires = alert.expires_at if live else alert.expires_at + AFTERMATH
    lines = rules.lines(alert.phone_lines, texts.language)
    return cap.Info(
        language=spoken_in(texts.language, rules.country),
        category=_CATEGORIES,
        event=texts.event,
        response_type=(cap.ResponseType.MONITOR if live else cap.ResponseType.NONE,),
        urgency="Immediate" if live else "Past",
        severity="Severe" if live else "Minor",
        certainty="Likely" if live else "Observed",
        event_code=_codes(alert, rules),
        expires=expires.astimezone(ZoneInfo(rules.authority_timezone)),
        sender_name=alert.authority,
        headline=texts.headline,
        description=texts.description,
        instruction=texts.instruction,
        web=envelope.web,
        contact="; ".join(f"{line.label}: {line.number}" for line in lines),
        parameter=_parameters(alert, rules, texts, first=first) if live else (),
        resource=tuple(_photo(uri, size) for uri, size in envelope.photos) if live else (),
        area=(_area(alert, texts.area, exact=live),),
    )


def _photo(uri: str, size: Size) -> cap.Resource:
    return cap.Resource(
        resource_desc="Photo",
        mime_type="image/jpeg",
        size=size.length,
        uri=uri,
        digest=size.sha1,
    )


def _codes(alert: ChildAlert, rules: RuleSet) -> tuple[cap.Named, ...]:
    """Give the event codes of the rule set; no abduction is taken for granted."""
    kind = rules.kind(alert.kind)
    if kind is None:
        return ()
    codes = kind.abduction_codes if alert.abduction else kind.event_codes
    return tuple(cap.Named(value_name=name, value=value) for name, value in codes.items())


def _parameters(
    alert: ChildAlert, rules: RuleSet, texts: Texts, *, first: bool
) -> tuple[cap.Named, ...]:
    """Give the typed facts for machines, and for cell broadcast where the rules want it."""
    published = facts.allowed(alert, rules, texts.language)
    found = capfacts.published(facts.typed(published, ZoneInfo(rules.authority_timezone)))
    if rules.cell_broadcast is None:
        return found
    said = (texts.headline, texts.description, texts.instruction)
    return found + broadcast_parameters(rules.cell_broadcast, alert.status, said, first=first)


def _area(alert: ChildAlert, description: str, *, exact: bool) -> cap.Area:
    """Give the regions; the shapes around a child's last place go once the search is over."""
    polygon, circle = (alert.area.polygon, alert.area.circle) if exact else (None, None)
    return cap.Area(
        area_desc=description,
        polygon=(polygon,) if polygon else (),
        circle=(cap.Circle(centre=circle.centre, radius_km=circle.radius_km),) if circle else (),
        geocode=tuple(cap.Named(value_name="ISO3166-2", value=code) for code in alert.area.regions),
    )


def spoken_in(language: str, country: str) -> str:
    """Give the tag with the country where the language is official there: `el-GR`, but `en`."""
    bare = "-" not in language
    return (
        f"{language}-{country}"
        if bare and language in get_official_languages(country)
        else language
    )
