"""Renders a version once: every message that it may ever send, per channel and language.

The order is fixed and nothing depends on clock or chance: the same subject gives the same bytes.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from alertd.channel import Channel
from alertd.core.alert import ChildAlert
from alertd.core.cap import MEDIA_TYPE, message_identifier, to_xml
from alertd.core.errors import ConfigError
from alertd.core.gsm import fit_greek
from alertd.core.outward import RECALLED
from alertd.core.photo import Photo
from alertd.core.regions import Atlas
from alertd.core.rendition import Kind, Rendition, Slot, mark, split
from alertd.core.ruleset import AlertKind, RuleSet
from alertd.pipeline import capdoc, facts, outward
from alertd.pipeline.wording import Wording, autonym
from alertd.templating import Templates, Unset, best_language

CAP_CHANNEL = "feed"  # carries the CAP document beside its own entries
ALL_LANGUAGES = "mul"  # ISO 639-2: of a document that holds several
TO_OFFICIALS = ("email", "sms")
TO_PUBLIC = (Kind.ALERT, Kind.UPDATE, Kind.END, Kind.CORRECTION, Kind.EXPIRY)
STEPS = ("", ":reminder", ":deputy")
"""What the variant of a request adds to the role: the first asking, the reminder, the deputy's."""

ALARMS = (
    "not_started",
    "nobody",
    "channel_paused",
    "channel_closed",
    "link_down",
    "waiting",
    "stage_late",
    "still_public",
    "chain_broken",
    "held",
    "uncertain",
    "clock_off",
    "went_back",
    "glass_broken",
    "glass_token",
    "rules_open",
)
"""What operators are told when something is wrong; the case is then what it is about."""

EVENTS = (
    "activated",
    "returned",
    "rejected",
    "expiring",
    "ended",
    "corrected",
    "expired",
    *ALARMS,
)
"""What officials are told by a notice: its variant."""

# What a reader of HTML does not see, tags last.
_UNSEEN = re.compile(r"(?is)<(head|title|style|script)\b.*?</\1>|<!--.*?-->|<[^>]*>")

_CAP_TEXTS = ("headline", "description", "instruction")

Context = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A version, as it is rendered."""

    alert_id: str
    identifier: str
    number: int
    kind: Kind  # alert or update
    alert: ChildAlert
    rules: RuleSet
    previous: ChildAlert | None = None
    photos: tuple[Photo, ...] = ()

    @property
    def alert_kind(self) -> AlertKind:
        return next(kind for kind in self.rules.kinds if kind.name == self.alert.kind)

    @property
    def languages(self) -> tuple[str, ...]:
        """Give the alert's languages as the rule set offers them, each once."""
        wanted = (best_language(tag, self.rules.languages) for tag in self.alert.languages)
        return tuple(dict.fromkeys(wanted))

    @property
    def messages(self) -> list[tuple[Kind, str]]:
        """Give kind and variant of all that this version may send, itself first."""
        ends = [
            (Kind.CORRECTION if reason.correction else Kind.END, reason.name)
            for reason in self.rules.end_reasons
        ]
        return [(self.kind, ""), *ends, (Kind.EXPIRY, "")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """Made once at start, with every template compiled."""

    channels: Mapping[str, Channel]
    atlas: Atlas
    public_url: str  # no trailing slash
    sender: str  # CAP's
    templates: Templates = field(default_factory=Templates)

    def __post_init__(self) -> None:
        """Raise ConfigError when a channel lacks a template that a submission would need."""
        for name, channel in self.channels.items():
            kinds = (*TO_PUBLIC, Kind.REQUEST, Kind.NOTICE) if name in TO_OFFICIALS else TO_PUBLIC
            for kind, file in product(kinds, channel.templates):
                self.templates.require(name, kind, file)

    def version(
        self,
        subject: Subject,
        messages: Sequence[tuple[Kind, str]] | None = None,
        among: Collection[str] | None = None,
    ) -> list[Rendition]:
        """Give everything that approvers approve: the alert or update and all that may follow.

        For a look, `messages` names those that are wanted, and `among` the channels.
        """
        channels = self._loaded(subject.alert_kind.channels)
        if among is not None:
            channels = [channel for channel in channels if channel.name in among]
        renditions: list[Rendition] = []
        for kind, variant in subject.messages if messages is None else messages:
            contexts = [
                self._public(subject, kind, variant, language) for language in subject.languages
            ]
            for channel in channels:
                seen = [self._let_out(subject.rules, channel.name, each) for each in contexts]
                renditions += self._compose([channel], seen)
            if any(channel.name == CAP_CHANNEL for channel in channels):
                renditions.append(self._cap(subject, contexts))
        return renditions

    def requests(
        self,
        *,
        rules: RuleSet,
        role: str,
        case_reference: str,
        status: str,
        link: str,
        languages: Sequence[str],
    ) -> list[Rendition]:
        """Ask the holders of `role`: a first time, again, and their deputies."""
        titles = {each.name: each.title for each in rules.approvals}
        contexts = []
        for step, language in product(STEPS, languages):
            wording = self._wording(rules, language)
            asking = {"step": step.lstrip(":"), "role": wording.titled(titles[role])}
            case = {"case_reference": case_reference, "link": link}
            about = self._common(rules, wording, status, Kind.REQUEST, role + step)
            contexts.append(about | asking | case)
        return self._compose(self._loaded(TO_OFFICIALS), contexts)

    def notice(
        self,
        *,
        rules: RuleSet,
        event: str,
        case_reference: str,
        status: str,
        link: str,
        channels: Sequence[str] = (),
    ) -> list[Rendition]:
        """Tell officials what happened: one of EVENTS; `channels` names those that it is about."""
        if event not in EVENTS:
            raise ValueError(f"not an event that officials are told of: {event}")
        contexts = [
            self._common(rules, self._wording(rules, language), status, Kind.NOTICE, event)
            | {"case_reference": case_reference, "link": link, "channels": channels}
            for language in rules.languages
        ]
        return self._compose(self._loaded(TO_OFFICIALS), contexts)

    def _loaded(self, names: Collection[str]) -> list[Channel]:
        return [self.channels[name] for name in sorted(self.channels) if name in names]

    def _wording(self, rules: RuleSet, language: str, written_in: str = "") -> Wording:
        zone = ZoneInfo(rules.authority_timezone)
        return Wording(self.templates.catalogue(language), zone, written_in or language)

    def _public(self, subject: Subject, kind: Kind, variant: str, language: str) -> Context:
        """Gather what the templates of a message to the public see."""
        alert = facts.allowed(subject.alert, subject.rules, language)
        wording = self._wording(subject.rules, language, alert.languages[0])
        identifier = message_identifier(subject.identifier, kind)
        cap_url = f"{self.public_url}/cap/{quote(identifier)}.xml"
        names = {"identifier": identifier, "alert_id": subject.alert_id, "cap_url": cap_url}
        context = self._common(subject.rules, wording, alert.status, kind, variant) | {
            **names,
            "category": alert.kind,
            "page_url": f"{self.public_url}/a/{subject.alert_id}",
            "link": self._page(subject, language),
            "translations": [
                {"language": tag, "name": autonym(tag), "link": self._page(subject, tag)}
                for tag in subject.languages
            ],
            "kind_title": wording.titled(subject.alert_kind.title),
            "shape": {},
            **facts.neutral_view(alert, wording, self.atlas),
        }
        if kind in {Kind.ALERT, Kind.UPDATE}:
            context |= facts.view(alert, wording) | {
                "data": names | facts.typed(alert, wording.zone),
                "shape": facts.shape(alert),
                "changes": _changes(subject, alert, wording),
                "labels": facts.labels(wording),
                "foreign": wording.foreign,
                "foreign_name": wording.foreign_name,
            }
            self._show_photos(context, subject)
        else:
            context["data"] = names | facts.neutral_data(alert)
        context |= self._cap_texts(context)
        return context | {"preview": _preview(subject, context, wording)}

    def _show_photos(self, context: Context, subject: Subject) -> None:
        """Put in place of a photo's digest where it is served."""
        photos = {photo.digest: photo for photo in subject.photos}
        rows = zip(context["children"], context["data"].get("children", ()), strict=False)
        for child, (shown, typed) in zip(subject.alert.children, rows, strict=False):
            if (photo := photos.get(child.photo or "")) is not None:
                url, linked = photo.url(self.public_url), photo.linked
                shown["photo"] = {"url": url, "width": linked.width, "height": linked.height}
                typed["photo"] = {
                    "url": url,
                    "media_type": "image/jpeg",
                    "sha256": photo.digest,
                }

    def _page(self, subject: Subject, language: str) -> str:
        """Give the address that can be revoked, in one language."""
        return f"{self.public_url}/a/{subject.alert_id}/{language}"

    def _let_out(self, rules: RuleSet, channel: str, context: Context) -> Context:
        """Give what a channel's templates see: what is left out is not in CAP's texts either."""
        if channel == RECALLED or context["kind"] not in {Kind.ALERT, Kind.UPDATE}:
            return context
        narrow = outward.narrowed(context, rules.may_enter(channel))
        return narrow | self._cap_texts(narrow)

    def _common(
        self, rules: RuleSet, wording: Wording, status: str, kind: Kind, variant: str
    ) -> Context:
        """Gather what every message needs, whoever it is for."""
        word, line = _exercise(wording, status)
        host = urlsplit(self.public_url).hostname
        return {
            "kind": kind,
            "variant": variant,
            "language": wording.catalogue.language,
            "status": status,
            "identifier": "",
            "alert_id": "",
            "data": {},
            "mark": word,
            "mark_line": line,
            "prefix": f"{word} - " if word else "",
            "programme_title": wording.titled(rules.title),
            "list_id": f"{rules.programme}.{host}",
            "sent_text": mark(Slot.SENT_TEXT),
            "own_link": mark(Slot.OWN_LINK),
        }

    def _cap_texts(self, context: Context) -> dict[str, str]:
        """Render headline, description and instruction, which the other channels build on."""
        texts = self._texts("cap", [f"{name}.txt" for name in _CAP_TEXTS], context)
        words = {name: texts[f"{name}.txt"] for name in _CAP_TEXTS}
        words["headline"] = _shortened(words["headline"], capdoc.LONGEST_HEADLINE)
        return words

    def _compose(self, channels: Iterable[Channel], contexts: Iterable[Context]) -> list[Rendition]:
        """Give what each channel makes of the texts of each context."""
        return [
            Rendition(
                kind=context["kind"],
                variant=context["variant"],
                channel=channel.name,
                language=context["language"],
                form=composed.form,
                media_type=composed.media_type,
                body=_checked(composed.body),
            )
            for context, channel in product(contexts, channels)
            for composed in channel.compose(
                self._texts(channel.name, channel.templates, context), context
            )
        ]

    def _texts(self, channel: str, files: Iterable[str], context: Context) -> dict[str, str]:
        texts = {}
        for file in files:
            text = self._text(channel, file, context)
            texts[file] = _tidy(text) if file.endswith(".txt") else text
            _require_mark(texts[file], context["mark"], f"{channel}/{context['kind']}/{file}")
        if channel in TO_OFFICIALS and "withheld" in context:
            _require_link(texts.values(), context["link"], f"{channel}/{context['kind']}")
        return texts

    def _text(self, channel: str, file: str, context: Context) -> str:
        """Render a template; one that asks for what must not enter leads to the page instead."""
        language, kind = context["language"], context["kind"]
        try:
            return self.templates.render(language, channel, kind, file, context)
        except Unset as error:
            if error.name not in context.get("withheld", ()):
                raise
        link = f"link.{file.rpartition('.')[2]}"
        return self.templates.render(language, "outward", kind, link, context)

    def _cap(self, subject: Subject, contexts: Sequence[Context]) -> Rendition:
        """Give the CAP document of one message, every language in it."""
        first = contexts[0]
        envelope = capdoc.Envelope(
            kind=first["kind"],
            identifier=first["identifier"],
            alert_id=subject.alert_id,
            sender=self.sender,
            web=first["page_url"],
            photos=tuple((photo.url(self.public_url), photo.linked) for photo in subject.photos),
        )
        texts = [
            capdoc.Texts(
                event=context["kind_title"],
                note=context["mark_line"],
                **{name: context[name] for name in ("language", *_CAP_TEXTS, "area")},
            )
            for context in contexts
        ]
        document = capdoc.from_alert(subject.alert, subject.rules, envelope, texts)
        return Rendition(
            kind=first["kind"],
            variant=first["variant"],
            channel=CAP_CHANNEL,
            language=ALL_LANGUAGES,
            form="cap",
            media_type=MEDIA_TYPE,
            body=_checked(to_xml(document)),
        )


def _preview(subject: Subject, context: Context, wording: Wording) -> dict[str, str]:
    """Say what others copy and keep when the link is shared: no name or photo without a rule."""
    if context["kind"] not in {Kind.ALERT, Kind.UPDATE}:
        return {"title": context["headline"], "text": context["description"], "photo": ""}
    allowed = subject.rules.allow_preview
    neutral = f"{context['prefix']}{context['kind_title']}: {context['area']}"
    photos = [child["photo"]["url"] for child in context["children"] if child.get("photo")]
    return {
        "title": context["headline"] if allowed else neutral,
        "text": wording.gettext("Open the page for the description and the telephone numbers."),
        "photo": photos[0] if photos and allowed else "",
    }


def _changes(subject: Subject, alert: ChildAlert, wording: Wording) -> list[str]:
    if subject.previous is None:
        return []
    previous = facts.allowed(subject.previous, subject.rules, wording.catalogue.language)
    return facts.changes(previous, alert, wording)


def _exercise(wording: Wording, status: str) -> tuple[str, str]:
    """Give the word and the sentence that mark what is not real; both empty when it is."""
    if status == "actual":
        return "", ""
    word = wording.gettext("EXERCISE") if status == "exercise" else wording.gettext("TEST")
    return word, wording.gettext("%(mark)s - this is not a real alert") % {"mark": word}


def _require_mark(text: str, word: str, where: str) -> None:
    """Hold every template, an operator's too, to beginning with the mark of an exercise."""
    visible = _UNSEEN.sub(" ", text) if where.endswith(".html") else text
    if not visible.lstrip().startswith((word, fit_greek(word))):
        raise ConfigError(f"templates {where}: must begin with {{{{ mark }}}} or {{{{ prefix }}}}")


def _require_link(texts: Iterable[str], link: str, where: str) -> None:
    """Hold what people are sent to leading to the page, which has the rest and can be revoked."""
    if not any(link in text for text in texts):
        raise ConfigError(f"templates {where}: one of them must hold {{{{ link }}}}")


def _tidy(text: str) -> str:
    """Give the lines without the blanks that template statements leave behind."""
    lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines)


def _shortened(text: str, length: int) -> str:
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    return text[: length - 1].rsplit(" ", 1)[0].rstrip(" ,;-") + "…"


def _checked(body: bytes) -> bytes:
    split(body)  # raises on a marker outside the closed list of slots
    return body
