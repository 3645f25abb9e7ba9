"""Feeds and CAP documents: built when something changed, never per request."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from aiohttp import web
from feedgen.feed import FeedGenerator

from alertd.core.cap import MEDIA_TYPE as CAP_MEDIA_TYPE
from alertd.core.errors import NotFound
from alertd.tools import Tools
from alertd.web.documents import Document, respond
from alertd.web.problems import Gone
from alertd.web.publication import (
    FeedEntry,
    Revision,
    open_body,
    open_entries,
    read_cap,
    read_entries,
    read_revision,
)
from alertd.web.words import words

RSS = "application/rss+xml; charset=utf-8"
_TTL_MIN = "1"

Build = Callable[[datetime], Awaitable[bytes]]
Serve = Callable[[web.Request], Awaitable[web.Response]]


class Shelf:
    """Keeps built documents until the ledger says that something public changed."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._revision: Revision | None = None
        self._kept: dict[str, Document] = {}
        self._before: dict[str, Document] = {}
        self._building = asyncio.Lock()

    async def get(self, path: str, media_type: str, build: Build) -> Document:
        now = self._tools.clock()
        revision = await self._tools.store.read(read_revision, now)
        if (kept := self._at(revision).get(path)) is not None:
            return kept
        async with self._building:  # one builds, the others take what it built
            if (kept := self._at(revision).get(path)) is not None:
                return kept
            body = await build(now)
            document = Document(body, media_type, self._since(path, body, now))
            if revision == self._revision:
                self._kept[path] = document
            return document

    def _at(self, revision: Revision) -> dict[str, Document]:
        if revision != self._revision:
            self._revision = revision
            self._before, self._kept = self._kept, {}
        return self._kept

    def _since(self, path: str, body: bytes, now: datetime) -> datetime:
        """Give when these bytes came to stand here; later by a second than what stood before."""
        before = self._before.get(path)
        if before is None:
            return now
        if before.body == body:
            return before.modified_at
        return max(now, before.modified_at + timedelta(seconds=1))


def add_feeds(app: web.Application, tools: Tools) -> None:
    """Serve the feeds, public and exercise, and the CAP documents."""
    shelf = Shelf(tools)

    async def cap(request: web.Request) -> web.Response:
        async def build(now: datetime) -> bytes:
            identifier = request.match_info["identifier"]
            found = await tools.store.read(read_cap, identifier, now)
            body = await open_body(tools, found)
            if body is None:
                raise Gone("this document was deleted for good")
            return body

        return respond(request, await shelf.get(request.path, CAP_MEDIA_TYPE, build))

    language = "{language:[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*}"
    for folder, exercise in (("/feeds", False), ("/feeds/exercise", True)):
        feed = _feed(tools, shelf, exercise=exercise)
        app.router.add_get(f"{folder}/rss.xml", feed)
        app.router.add_get(f"{folder}/{language}/rss.xml", feed)
    app.router.add_get("/cap/{identifier:[A-Za-z0-9._-]{1,120}}.xml", cap)


def _feed(tools: Tools, shelf: Shelf, *, exercise: bool) -> Serve:
    known = {
        language for rules in tools.rulebook.rule_sets.values() for language in rules.languages
    }

    async def feed(request: web.Request) -> web.Response:
        language = request.match_info.get("language")
        if language is not None and language not in known:
            raise NotFound(f"there is no feed in this language; there are: {_listed(known)}")

        async def build(now: datetime) -> bytes:
            found = await tools.store.read(read_entries, now, exercise=exercise)
            entries = await open_entries(tools, found, language)
            link = tools.public_url + request.path
            return await asyncio.to_thread(
                write_rss, entries, link=link, language=language, exercise=exercise
            )

        return respond(request, await shelf.get(request.path, RSS, build))

    return feed


def _listed(languages: set[str]) -> str:
    return ", ".join(sorted(languages))


def write_rss(
    entries: list[FeedEntry], *, link: str, language: str | None, exercise: bool
) -> bytes:
    """Give RSS 2.0; the same entries give the same bytes, whenever and wherever it is built."""
    title = words(language)["exercise_feed" if exercise else "feed"]
    feed: Any = FeedGenerator()
    feed.title(title)
    feed.description(title)
    feed.link(href=link, rel="self")
    feed.link(href=link, rel="alternate")
    feed.ttl(_TTL_MIN)
    feed.generator("alertd")
    if language:
        feed.language(language)
    dates = [parsedate_to_datetime(entry.published) for entry in entries]
    # Feedgen would put the hour of building here, and every build would look new.
    feed.lastBuildDate(max(dates, default=_NEVER))
    for entry in entries:
        item = feed.add_entry(order="append")
        item.guid(entry.identifier, permalink=False)
        item.title(entry.title)
        item.description(entry.summary)
        item.link(href=entry.link)
        item.category(term=entry.category)
        item.published(entry.published)
        item.enclosure(entry.cap_url, "0", CAP_MEDIA_TYPE)  # RSS 2.0 wants a length; unknown is 0
    body: bytes = feed.rss_str(pretty=True)
    return body


_NEVER = parsedate_to_datetime("Thu, 01 Jan 1970 00:00:00 +0000")
