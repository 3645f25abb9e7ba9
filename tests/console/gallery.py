"""Every page that people see: the table of its pictures, and what each page is held to.

A page without a picture fails a test (test_gallery.py); whoever declares a picture has to take it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from playwright.async_api import Page

from tests.console.chromium import SCREENS, faults

ROOMS: Mapping[str, Mapping[str, str]] = {
    "entry": {
        "sign-in": "/sign-in",
        "sign-in-refused": "/sign-in",
        "second": "/sign-in/second",
        "again": "/again",
        "invitation": "/invitation/{code}",
        "invitation-over": "/invitation/{code}",
        "recovery": "/account/second-factor/totp",
        "nothing-here": "/no-such-page",
        "not-yours": "/people",
    },
    "own": {
        "start": "/",
        "start-quiet": "/",
        "alerts": "/alerts",
        "alerts-none": "/alerts",
        "preview": "/alerts/{id}/preview",
        "actual": "/alerts/{id}",
        "approve-actual": "/alerts/{id}/approve/{code}",
        "live": "/alerts/{id}/live",
        "end-actual": "/alerts/{id}/end",
        "account": "/account",
        "second-factor": "/account/second-factor",
        "style": "/style",
        "style-actual": "/style",
    },
    "administration": {
        "people": "/people",
        "person": "/people/{number}",
        "person-new": "/people/new",
        "person-wrong": "/people/new",
        "changes": "/people/changes",
        "changes-none": "/people/changes",
        "changes-done": "/people/changes/{number}",
        "rules": "/rules",
        "rules-settled": "/rules",
    },
    "officials": {
        "start": "/submit",
        "start-wrong": "/submit",
        "who": "/submit/{id}/{name}",
        "seen": "/submit/{id}/{name}",
        "with": "/submit/{id}/{name}",
        "area": "/submit/{id}/{name}",
        "criteria": "/submit/{id}/{name}",
        "check-gaps": "/submit/{id}/check",
        "check": "/submit/{id}/check",
        "sent": "/alerts/{id}",
        "alert-police": "/alerts/{id}",
        "alert-prosecutor": "/alerts/{id}",
        "alert-activation": "/alerts/{id}",
        "approve-police": "/alerts/{id}/approve/{code}",
        "approve-prosecutor": "/alerts/{id}/approve/{code}",
        "approve-activation": "/alerts/{id}/approve/{code}",
        "live": "/alerts/{id}",
        "end-reasons": "/alerts/{id}/end",
        "end": "/alerts/{id}/end",
        "ended": "/alerts/{id}",
        "template-alert": "/alerts/{id}/template",
        "template-taken": "/submit/{id}/template",
        "templates": "/submit/templates",
        "template": "/submit/templates/{number}",
    },
    "operators": {
        "board": "/board",
        "channel": "/board/channel",
        "log": "/log",
        "log-nothing": "/log",
        "delivery": "/log/{number}",
        "failed": "/dead-letters",
        "requeue": "/dead-letters/preview",
        "recipients": "/recipients",
        "recipient": "/recipients/{number}",
        "recipient-new": "/recipients/new",
        "audit": "/audit",
        "report": "/alerts/{id}/report",
        "release": "/release",
        "board-late": "/board",
        "release-held": "/release",
        "audit-changed": "/audit",
    },
    "public": {
        "list": "/{language}",
        "alert": "/a/{alert}/{language}",
        "alert-exercise": "/a/{alert}/{language}",
        "alert-over": "/a/{alert}/{language}",
        "newsroom": "/newsroom/{language}",
        "banner": "/banner/{language}",
        "subscription": "/s/{token}",
        "subscription-ended": "/s/{token}",
    },
    "api": {
        "docs": "/api/v1/docs",
        "takedown": "/api/v1/alerts/{id}/takedown.html",
    },
}
"""By room and name of the picture: the path of its page, as the tables of routes write it."""

NO_PAGES: Mapping[str, str] = {
    "/sign-in/provider": "sends on to the identity provider",
    "/sign-in/provider/callback": "sends on to where the visitor wanted to go",
    "/alerts/{id}/approve": "sends on to the approval that is this person's",
    "/board/now": "a part of the board, which renews itself by it",
    "/log.csv": "a file",
    "/audit.csv": "a file",
    "/submit/{id}/frames/{name}": "stands in a frame of the check",
    "/alerts/{id}/frames/{name}": "stands in a frame of the preview",
    "/submit/{id}/photo/{code}": "a photo",
    "/alerts/{id}/photo/{code}": "a photo",
    "/alerts/{id}/counted": "parts of pages that waited for the audience's count",
    "/submit/{id}/check/counted": "the same of the form's last step",
    "/alerts/{id}/events": "a stream of events",
    "/alerts/{id}/progress": "a part of the live page, which renews itself by it",
    "/": "the list in the authority's first language",
    "/a/{alert}": "the alert in its first language",
    "/newsroom": "the same in the authority's first language",
    "/banner": "the same in the authority's first language",
}
"""What is got and is no page of its own, and why; files for programs are told by their names."""

_CUT_OFF = """() => {
  const held = (e) => { for (let p = e; p; p = p.parentElement)
    if (/auto|scroll/.test(getComputedStyle(p).overflowX)) return true; return false; };
  const unseen = (e) => e.closest(".unseen, .skip, thead, svg, iframe, option");
  const says = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  const cut = [...document.body.querySelectorAll("*")].filter((e) => {
    const box = e.getBoundingClientRect();
    if (box.width <= 1 || unseen(e) || !says(e)) return false;
    const hides = /hidden|clip/.test(getComputedStyle(e).overflowX);
    if (hides && e.scrollWidth > e.clientWidth + 1) return true;
    return (box.right > innerWidth + 1 || box.left < -1) && !held(e);
  }).map((e) => e.outerHTML.slice(0, 160));
  const wide = document.documentElement.scrollWidth;
  return wide > innerWidth + 1 ? [`${wide} px wide`, ...cut] : cut;
}"""
CUT_TABLES = """[...document.querySelectorAll(".table-frame")].filter(
  (e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.getAttribute("aria-label"))"""
# No value of HTML is written like one of Python's.
_MISWRITTEN = """[...document.querySelectorAll("*")].filter((e) => [...e.attributes].some(
  (a) => /^(True|False|None)$/.test(a.value))).map((e) => e.outerHTML.slice(0, 160))"""
_UNSTICK = """() => { const sheet = new CSSStyleSheet();
  sheet.replaceSync(".actions, aside, thead th { position: static !important }");
  document.adoptedStyleSheets = [sheet]; }"""
_MOVING = "document.getAnimations().map((each) => String(each.animationName))"
# What is dark has the same marks; its colours are reckoned in test_contrast.py, and seen here.
_SCHEMES: Sequence[tuple[Literal["light", "dark"], Sequence[str]]] = (
    ("light", ()),
    *((("dark", ("color-contrast",)),) if SCREENS else ()),
)
ZOOMED = (640, 400)  # what a window of 1280 by 800 holds at 200 %
_WINDOWS = (ZOOMED, (1024, 768), (1280, 800))  # that officials and operators have besides


@dataclass
class Gallery:
    """The pictures of one room, in one language and size."""

    room: str
    language: str
    size: tuple[int, int]
    taken: set[str] = field(default_factory=set)
    found: dict[str, list[str]] = field(default_factory=dict)

    @property
    def pages(self) -> Mapping[str, str]:
        return ROOMS[self.room]

    async def visit(self, page: Page, name: str, path: str) -> None:
        """Go to a page that there is, and look at it."""
        answer = await page.goto(path)
        assert answer is not None
        assert answer.status == 200, (name, answer.status)
        await self.look(page, name)

    async def look(self, page: Page, name: str) -> None:
        """Hold a page to what all of them must be, and keep its pictures where they are wanted."""
        path = urlsplit(page.url).path
        assert _pattern(self.pages[name]).fullmatch(path), f"{name} shows {path}"
        for scheme, only in _SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            await self._shoot(page, f"{name}-{self.language}-{self.size[0]}-{scheme}")
            self._note(name, f"axe, {scheme}", await faults(page, only))
        await page.emulate_media(color_scheme="light")
        self._note(name, "moves", await page.evaluate(_MOVING))
        self._note(name, "miswritten", await page.evaluate(_MISWRITTEN))
        for size in (*_WINDOWS, self.size):
            await page.set_viewport_size({"width": size[0], "height": size[1]})
            self._note(name, f"cut off at {size[0]} px", await page.evaluate(_CUT_OFF))
            self._note(name, f"tables cut at {size[0]} px", await page.evaluate(CUT_TABLES))
        self.taken.add(name)

    def _note(self, name: str, what: str, found: list[str]) -> None:
        if found:
            self.found[f"{name}: {what}"] = found

    def finish(self) -> None:
        """Whatever the table declares was looked at, and nothing was found."""
        assert self.found == {}, json.dumps(self.found, indent=1, ensure_ascii=False)
        assert self.taken == set(self.pages)

    async def _shoot(self, page: Page, name: str) -> None:
        if SCREENS:  # playwright makes the folder
            file = Path(SCREENS) / f"{self.room}-{name}.png"
            await page.evaluate(_UNSTICK)  # on a picture of a whole page nothing lies over it
            await page.screenshot(path=file, full_page=True)
            await page.evaluate("document.adoptedStyleSheets = []")


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
