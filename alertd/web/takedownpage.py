# ruff: noqa: RUF001 - Greek letters that look like Latin ones
"""The report of a takedown for print, in the reader's language."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web
from babel.dates import format_datetime, get_timezone_location

from alertd.core.language import best_language
from alertd.core.ruleset import RuleSet
from alertd.pipeline.surfaces import What
from alertd.shapes import EndpointAnswer, TakedownView, TakenDown, Told
from alertd.web.pages import page, table, tag

_WORDS: Mapping[str, tuple[str, str]] = {  # English and Greek
    "title": ("Takedown: {case}", "Απόσυρση: {case}"),
    "case": ("Case", "Υπόθεση"),
    "number": ("Number of the alert", "Αριθμός ειδοποίησης"),
    "real": ("Real or exercise", "Πραγματική ή άσκηση"),
    "actual": ("ACTUAL", "ΠΡΑΓΜΑΤΙΚΗ"),
    "exercise": ("EXERCISE", "ΑΣΚΗΣΗ"),
    "test": ("TEST", "ΔΟΚΙΜΗ"),
    "state": ("State", "Κατάσταση"),
    "state.draft": ("Draft", "Πρόχειρη"),
    "state.submitted": ("Waits for approval", "Αναμένει έγκριση"),
    "state.returned": ("Returned for a change", "Επιστράφηκε για αλλαγή"),
    "state.rejected": ("Rejected", "Απορρίφθηκε"),
    "state.active": ("Live", "Σε ισχύ"),
    "state.superseded": ("Replaced by a newer version", "Αντικαταστάθηκε από νεότερη έκδοση"),
    "state.ended": ("Ended", "Έληξε με απόφαση"),
    "state.cancelled": ("Withdrawn by a correction", "Ανακλήθηκε με διόρθωση"),
    "state.expired": ("Expired", "Έληξε ο χρόνος της"),
    "as_of": ("As of", "Στοιχεία"),
    "public": ("What was public", "Τι ήταν δημόσιο"),
    f"what.{What.FEED}": ("Entry in the feeds", "Εγγραφή στις ροές"),
    f"what.{What.PAGE}": ("Public page", "Δημόσια σελίδα"),
    f"what.{What.CAP}": ("CAP document", "Έγγραφο CAP"),
    f"what.{What.PHOTO}": ("Photo", "Φωτογραφία"),
    "gone": ("seen to be gone: {at}", "διαπιστώθηκε η απόσυρση: {at}"),
    "not_gone": ("taken down, not yet seen to be gone", "αποσύρθηκε, δεν διαπιστώθηκε ακόμη"),
    "live": ("still public", "ακόμη δημόσιο"),
    "told": ("Who was told of the end", "Ποιοι ενημερώθηκαν για τη λήξη"),
    "channel.sms": ("SMS", "SMS"),
    "channel.email": ("Mail", "Ηλ. ταχυδρομείο"),
    "channel.webhook": ("Webhook", "Webhook"),
    "channel.feed": ("Feed", "Ροή"),
    "channel.websub": ("Feed hub", "Κόμβος ροών"),
    "reached": ("the alert reached {n}", "η ειδοποίηση έφτασε σε {n}"),
    "end": ("the end: {counts}", "η λήξη: {counts}"),
    "recalled": ("recalled: {n}", "ανακλήθηκαν: {n}"),
    "end.none": ("not sent", "δεν στάλθηκε"),
    "end.queued": ("waiting", "σε αναμονή"),
    "end.leased": ("being sent", "στέλνεται"),
    "end.uncertain": ("unclear", "αβέβαιο"),
    "end.sent": ("sent", "στάλθηκε"),
    "end.delivered": ("delivered", "παραδόθηκε"),
    "end.dead": ("failed", "απέτυχε"),
    "end.expired": ("too late", "πολύ αργά"),
    "end.cancelled": ("withdrawn", "αποσύρθηκε"),
    "partners": ("Who confirmed the deletion", "Ποιοι επιβεβαίωσαν τη διαγραφή"),
    "asked": ("not yet; asked: {n}", "όχι ακόμη· ζητήθηκε: {n}"),
    "stays": ("What cannot be recalled", "Τι δεν μπορεί να ανακληθεί"),
    "stays.sms": (
        "Text messages stay on the phones that got them: {n}.",
        "Μηνύματα SMS που μένουν στα τηλέφωνα που τα έλαβαν: {n}.",
    ),
    "stays.email": (
        "Mails stay in the mailboxes that got them: {n}.",
        "Ηλεκτρονικά μηνύματα που μένουν στα γραμματοκιβώτια που τα έλαβαν: {n}.",
    ),
    "stays.webhook": (
        "Partners have what they were sent until they delete it: {n}.",
        "Συνεργάτες που έχουν ό,τι τους στάλθηκε ώσπου να το διαγράψουν: {n}.",
    ),
    "steps": ("Steps", "Βήματα"),
    "step.alert.activated": ("Activated: sending began", "Ενεργοποιήθηκε: άρχισε η αποστολή"),
    "step.alert.ended": ("Ended", "Έληξε με απόφαση"),
    "step.alert.corrected": ("Corrected", "Διορθώθηκε"),
    "step.alert.expired": ("Expired", "Έληξε ο χρόνος της"),
    "step.alert.cancelled": ("Withdrawn by a correction", "Ανακλήθηκε με διόρθωση"),
    "step.alert.superseded": (
        "Replaced by a newer version",
        "Αντικαταστάθηκε από νεότερη έκδοση",
    ),
    "step.deliveries.recalled": ("Messages recalled", "Ανακλήθηκαν μηνύματα"),
    "step.recall.failed": ("Recall failed", "Απέτυχε ανάκληση"),
    "step.photo.revoked": ("Photo withdrawn", "Αποσύρθηκε φωτογραφία"),
    "step.takedown.seen": ("Seen to be gone", "Διαπιστώθηκε η απόσυρση"),
    "step.takedown.chased": ("Deletion asked for again", "Ζητήθηκε ξανά διαγραφή"),
    "step.takedown.acknowledged": ("Deletion confirmed", "Επιβεβαιώθηκε διαγραφή"),
    "step.alert.purged": (
        "Forgotten: the key was destroyed",
        "Διαγράφηκε: το κλειδί καταστράφηκε",
    ),
    "none": ("None.", "Δεν υπάρχει."),
}
LANGUAGES = ("en", "el")


def asked_for(header: str) -> str:
    """Give the first language of an Accept-Language that there is; else English."""
    for part in header.split(","):
        wanted = part.partition(";")[0].strip()
        found = best_language(wanted, LANGUAGES)
        if wanted.lower().partition("-")[0] == found:
            return found
    return LANGUAGES[0]


@dataclass(frozen=True, slots=True)
class Printed:
    """One report in one language; times are those of the programme's authority."""

    view: TakedownView
    rules: RuleSet
    language: str

    def page(self) -> web.Response:
        view = self.view
        parts = [
            table(
                [
                    (self._say("case"), view.case_reference),
                    (self._say("number"), view.alert_id),
                    (self._say("real"), self._say(view.status)),
                    (self._say("state"), self._state()),
                    (self._say("as_of"), self._at(view.as_of)),
                ]
            ),
            *self._section("public", map(self._surface, view.taken_down)),
            *self._section("told", map(self._told, view.told)),
            *self._section("partners", map(self._partner, view.endpoints)),
            tag("h2", self._say("stays")),
            *(tag("p", each) for each in self._stays() or [self._say("none")]),
            *self._section(
                "steps",
                (
                    (self._at(each.at), self._say(f"step.{each.action}"))
                    for each in view.timeline
                    if f"step.{each.action}" in _WORDS
                ),
            ),
        ]
        title = self._say("title", case=view.case_reference)
        return page(title, "".join(parts), language=self.language)

    def _say(self, word: str, **values: object) -> str:
        """Give a word; what there is none for stands as it is."""
        said = _WORDS.get(word, (word.partition(".")[2] or word,) * len(LANGUAGES))
        return said[LANGUAGES.index(self.language)].format(**values)

    def _section(self, title: str, rows: Iterable[tuple[str, str]]) -> tuple[str, str]:
        given = list(rows)
        return tag("h2", self._say(title)), table(given) if given else tag("p", self._say("none"))

    def _at(self, at: datetime) -> str:
        zone = ZoneInfo(self.rules.authority_timezone)
        said = format_datetime(at, "d MMMM y, HH:mm:ss", tzinfo=zone, locale=self.language)
        return f"{said} ({get_timezone_location(zone, locale=self.language, return_city=True)})"

    def _state(self) -> str:
        state = self._say(f"state.{self.view.state}")
        reason = self.rules.end_reason(self.view.reason or "")
        if reason is None:
            return state
        return f"{state}: {reason.title[best_language(self.language, tuple(reason.title))]}"

    def _surface(self, each: TakenDown) -> tuple[str, str]:
        where = "" if each.what == What.PHOTO else f" {each.address}"
        name = self._say(f"what.{each.what}") + where
        if each.over_at is None:
            return name, self._say("live")
        return name, self._say("gone", at=self._at(each.gone_at)) if each.gone_at else self._say(
            "not_gone"
        )

    def _told(self, each: Told) -> tuple[str, str]:
        counts = [f"{self._say(f'end.{state}')} {n}" for state, n in each.end.items()]
        said = [
            self._say("reached", n=each.reached),
            self._say("end", counts=", ".join(counts) or self._say("end.none")),
        ]
        if each.recalled:
            said.append(self._say("recalled", n=each.recalled))
        return self._say(f"channel.{each.channel}"), "; ".join(said)

    def _partner(self, each: EndpointAnswer) -> tuple[str, str]:
        at = each.acknowledged_at
        return each.address, self._at(at) if at else self._say("asked", n=each.asked)

    def _stays(self) -> list[str]:
        return [
            self._say(f"stays.{each.channel}", n=each.reached - each.recalled)
            for each in self.view.told
            if f"stays.{each.channel}" in _WORDS and each.reached > each.recalled
        ]
