"""The report of a takedown for print, in the reader's language."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web

from alertd.core.ruleset import RuleSet, say
from alertd.pipeline.surfaces import What
from alertd.shapes import EndpointAnswer, TakedownView, TakenDown, Told
from alertd.templating import Catalogue
from alertd.web.pages import page, table, tag


def N_(message: str) -> str:  # noqa: N802 - gettext's own name
    """Mark a message for the catalogue."""
    return message


_WORDS: Mapping[str, str] = {
    "title": N_("Takedown: %(case)s"),
    "case": N_("Case"),
    "number": N_("Number of the alert"),
    "real": N_("Real or exercise"),
    "actual": N_("ACTUAL"),
    "exercise": N_("EXERCISE"),
    "test": N_("TEST"),
    "state": N_("State"),
    "state.draft": N_("Draft"),
    "state.submitted": N_("Waits for approval"),
    "state.returned": N_("Returned for a change"),
    "state.rejected": N_("Rejected"),
    "state.active": N_("Live"),
    "state.superseded": N_("Replaced by a newer version"),
    "state.ended": N_("Ended"),
    "state.cancelled": N_("Withdrawn by a correction"),
    "state.expired": N_("Expired"),
    "as_of": N_("As of"),
    "public": N_("What was public"),
    f"what.{What.FEED}": N_("Entry in the feeds"),
    f"what.{What.PAGE}": N_("Public page"),
    f"what.{What.CAP}": N_("CAP document"),
    f"what.{What.PHOTO}": N_("Photo"),
    "gone": N_("seen to be gone: %(at)s"),
    "not_gone": N_("taken down, not yet seen to be gone"),
    "live": N_("still public"),
    "told": N_("Who was told of the end"),
    "channel.sms": N_("SMS"),
    "channel.email": N_("Mail"),
    "channel.webhook": N_("Webhook"),
    "channel.feed": N_("Feed"),
    "channel.websub": N_("Feed hub"),
    "reached": N_("the alert reached %(n)s"),
    "end": N_("the end: %(counts)s"),
    "recalled": N_("recalled: %(n)s"),
    "end.none": N_("not sent"),
    "end.queued": N_("waiting"),
    "end.leased": N_("being sent"),
    "end.uncertain": N_("unclear"),
    "end.sent": N_("sent"),
    "end.delivered": N_("delivered"),
    "end.dead": N_("failed"),
    "end.expired": N_("too late"),
    "end.cancelled": N_("withdrawn"),
    "partners": N_("Who confirmed the deletion"),
    "asked": N_("not yet; asked: %(n)s"),
    "stays": N_("What cannot be recalled"),
    "stays.sms": N_("Text messages stay on the phones that got them: %(n)s."),
    "stays.email": N_("Mails stay in the mailboxes that got them: %(n)s."),
    "stays.webhook": N_("Partners have what they were sent until they delete it: %(n)s."),
    "steps": N_("Steps"),
    "step.alert.activated": N_("Activated: sending began"),
    "step.alert.ended": N_("Ended"),
    "step.alert.corrected": N_("Corrected"),
    "step.alert.expired": N_("Expired"),
    "step.alert.cancelled": N_("Withdrawn by a correction"),
    "step.alert.superseded": N_("Replaced by a newer version"),
    "step.deliveries.recalled": N_("Messages recalled"),
    "step.recall.failed": N_("Recall failed"),
    "step.photo.revoked": N_("Photo withdrawn"),
    "step.takedown.seen": N_("Seen to be gone"),
    "step.takedown.chased": N_("Deletion asked for again"),
    "step.takedown.acknowledged": N_("Deletion confirmed"),
    "step.alert.purged": N_("Forgotten: the key was destroyed"),
    "none": N_("None."),
}


@dataclass(frozen=True, slots=True)
class Printed:
    """One report in one language; times are those of the programme's authority."""

    view: TakedownView
    rules: RuleSet
    catalogue: Catalogue

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
        return page(title, "".join(parts), language=self.catalogue.language)

    def _say(self, word: str, **values: object) -> str:
        """Give a word; what there is none for stands as it is."""
        if word not in _WORDS:
            return word.partition(".")[2] or word
        return self.catalogue.gettext.gettext(_WORDS[word]) % values

    def _section(self, title: str, rows: Iterable[tuple[str, str]]) -> tuple[str, str]:
        given = list(rows)
        return tag("h2", self._say(title)), table(given) if given else tag("p", self._say("none"))

    def _at(self, at: datetime) -> str:
        return self.catalogue.moment(at, ZoneInfo(self.rules.authority_timezone))

    def _state(self) -> str:
        state = self._say(f"state.{self.view.state}")
        reason = self.rules.end_reason(self.view.reason or "")
        if reason is None:
            return state
        return f"{state}: {say(reason.title, self.catalogue.language)}"

    def _surface(self, each: TakenDown) -> tuple[str, str]:
        where = "" if each.what == What.PHOTO else f" {each.address}"
        name = self._say(f"what.{each.what}") + where
        if each.over_at is None:
            return name, self._say("live")
        if each.gone_at is None:
            return name, self._say("not_gone")
        return name, self._say("gone", at=self._at(each.gone_at))

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
