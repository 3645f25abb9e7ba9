"""Every page of the console and of the public side, and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.benchmarks.scene import REGIONAL, Scene

PUBLIC = "public"

GROUPS = {
    "start page, list of alerts": ("start", "alerts"),
    "an alert: record, bars, end": ("alert,", "alert: its", "alert: end"),
    "approval": ("approval",),
    "an alert's previews, page and mail in a frame": ("alert: ",),
    "form of an update: last step": ("form of",),
    "form: last step, page in a frame": ("form: check", "form: page"),
    "form: start and steps, a photo": ("submit", "form: "),
    "board, a channel": ("board",),
    "dispatch log, whatever is asked; a delivery": ("log", "a delivery"),
    "dead letters, a hundred before their requeue": ("dead",),
    "recipients, whatever is asked; one, a new one": ("recipients", "a recipient"),
    "audit log, whatever is asked": ("audit",),
    "report of an alert, release": ("report", "release"),
    "whoever is bound to two regions: all of these": ("regional",),
    "people, rules, account": ("people", "rules", "account"),
    "public pages, feeds, state, newsroom, banner": ("public",),
}
"""How pages are told together: by how their names begin; the first that fits."""


def group_of(page: str) -> str:
    return next(group for group, begins in GROUPS.items() if page.startswith(begins))


@dataclass(frozen=True, slots=True)
class Look:
    """One page as one person asks for it."""

    who: str  # a role, or PUBLIC
    path: str
    name: str  # of the page in the report: without ids
    sent: tuple[tuple[str, str], ...] = ()  # of a form


def looks(scene: Scene) -> list[Look]:
    """Give every page, the worst questions among them."""
    return [
        *_officials(scene),
        *_operators(scene),
        *_regional(scene),
        *_administrators(),
        *_public(scene),
    ]


def _officials(scene: Scene) -> Iterator[Look]:
    live, waiting, form = scene.live, scene.waiting, scene.form
    yield Look("submitter", "/", "start, author")
    yield Look("police", "/", "start, approver")
    yield Look("operator", "/", "start, operator")
    yield Look("submitter", "/alerts", "alerts")
    yield Look("submitter", "/alerts?state=ended", "alerts: long over")
    yield Look("submitter", "/alerts?state=returned", "alerts: a state of none")
    yield Look("police", live, "alert, an official")
    yield Look("operator", f"{live}/live", "alert, an operator")
    yield Look("operator", f"{live}/progress", "alert: its bars")
    yield Look("police", f"{live}/preview", "alert: previews")
    yield Look("police", f"{live}/frames/feed.el.page", "alert: page in a frame")
    yield Look("police", f"{live}/frames/email.el.message", "alert: mail in a frame")
    yield Look("police", f"{live}/end", "alert: end")
    yield Look("activation", f"{waiting}/approve/activation", "approval of an alert")
    yield Look("submitter", "/submit", "submit: start")
    yield Look("submitter", "/submit/templates", "submit: templates")
    yield Look("submitter", f"{live}/template", "alert, as a template")
    yield Look("submitter", f"{form}/template", "form: as a template")
    for step in ("who", "seen", "with", "area", "criteria"):
        yield Look("submitter", f"{form}/{step}", f"form: {step}")
    yield Look("submitter", f"{form}/check", "form: check")
    yield Look("submitter", f"{scene.update_form}/check", "form of an update: check")
    yield Look("submitter", f"{form}/frames/feed.el.page", "form: page in a frame")
    yield Look("submitter", f"{form}/photo/{scene.photo}", "form: photo")


def _operators(scene: Scene) -> Iterator[Look]:
    def ask(path: str, name: str, *sent: tuple[str, str]) -> Look:
        return Look("operator", path, name, sent)

    yield ask("/board", "board")
    yield ask("/board/now", "board: now")
    yield ask("/board/channel?lane=sms", "board: a channel")
    yield ask("/log", "log")
    yield ask("/log?state=delivered&channel=sms", "log: a state of many")
    yield ask("/log?state=queued", "log: waiting")
    yield ask("/log?state=dead&reason=dns", "log: dead for a reason of none")
    yield ask("/log?reason=throttled", "log: a reason of none")
    yield ask("/log?case=EX-2026-0001&state=sent", "log: a case and a state of none")
    yield ask("/log?address=7", "log: an address")
    yield ask("/log/4711", "a delivery")
    yield ask("/log/address", "log: find an address", ("address_text", "reader7@example.org"))
    yield ask("/dead-letters", "dead letters")
    chosen = [("chosen", str(n)) for n in range(7, 10_000, 100)]
    yield ask("/dead-letters/preview", "dead letters: 100 before requeue", *chosen)
    yield ask("/recipients", "recipients")
    yield ask("/recipients?region=GR-B&language=en", "recipients: a region, a language of none")
    yield ask("/recipients?state=ended", "recipients: who left")
    yield ask("/recipients?channel=webhook", "recipients: a channel of none")
    yield ask("/recipients/new", "recipients: new")
    yield ask("/recipients/1711", "a recipient")
    yield ask("/audit", "audit")
    yield ask("/audit?action=person.", "audit: acts of few")
    yield ask("/audit?actor=person:1", "audit: a person of none")
    yield ask(f"{scene.live}/report", "report")
    yield ask("/release", "release")


def _regional(scene: Scene) -> Iterator[Look]:
    """Give the pages that choose, for whoever is bound to regions, what they may see."""

    def ask(path: str, name: str) -> Look:
        return Look(REGIONAL, path, f"regional: {name}")

    yield ask("/", "start")
    yield ask("/alerts", "alerts")
    yield ask("/alerts?state=ended", "alerts long over")
    yield ask(f"{scene.live}/live", "alert")
    yield ask(f"{scene.live}/report", "report")
    yield ask("/board", "board")
    yield ask("/board/channel?lane=sms", "a channel")
    yield ask("/log", "log")
    yield ask("/log?state=delivered&channel=sms", "log, a state of many")
    yield ask("/log?state=queued", "log, waiting")
    yield ask("/log?state=dead&reason=dns", "log, dead for a reason of none")
    yield ask("/log?reason=throttled", "log, a reason of none")
    yield ask("/log?case=EX-2026-0001&state=sent", "log, a case and a state of none")
    yield ask("/log?address=7", "log, an address")
    yield ask("/log/4711", "a delivery")
    yield ask("/dead-letters", "dead letters")
    yield ask("/recipients", "recipients")
    yield ask("/recipients?region=GR-B&language=en", "recipients, a language of none")
    yield ask("/recipients?channel=webhook", "recipients, a channel of none")
    yield ask("/recipients/1711", "a recipient")
    yield ask("/audit", "audit")
    yield ask("/audit?actor=person:1", "audit, a person of none")


def _administrators() -> Iterator[Look]:
    for path in ("/people", "/people/new", "/people/changes", "/people/2", "/rules", "/account"):
        yield Look("administrator", path, path[1:].replace("/", ": "))
    yield Look("administrator", "/account/second-factor", "account: second factor")


def _public(scene: Scene) -> Iterator[Look]:
    alert = scene.live.rpartition("/")[2]

    def see(path: str, name: str) -> Look:
        return Look(PUBLIC, path, f"public: {name}")

    yield see("/", "list")
    yield see(f"/a/{alert}/el", "alert")
    yield see("/newsroom", "newsroom")
    yield see("/banner", "banner")
    for file in ("rss.xml", "atom.xml", "feed.json", "alerts.geojson"):
        yield see(f"/feeds/exercise/{file}", file)
    yield see("/state.json", "state")
