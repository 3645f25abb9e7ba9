"""Keeps built documents until the ledger says that something public changed."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from alertd.anchors import Signer
from alertd.core.cap import MEDIA_TYPE as CAP
from alertd.core.errors import Busy, Gone, NotFound
from alertd.publishing.atom import ATOM, write_atom
from alertd.publishing.document import Document
from alertd.publishing.edition import Edition, load_edition
from alertd.publishing.jsonfeed import GEOJSON, JSON_FEED, write_geojson, write_json
from alertd.publishing.ledger import (
    APPEALS,
    Published,
    open_body,
    read_cap,
    read_pages,
    read_sequence,
)
from alertd.publishing.manifest import write_manifest
from alertd.publishing.newsroom import (
    BANNER,
    NEWSROOM,
    path_of,
    read_schema,
    schema_path,
    write_banner,
    write_newsroom,
)
from alertd.publishing.pages import HTML, write_list, write_over
from alertd.publishing.rss import RSS, write_rss
from alertd.publishing.selection import Selection, Site
from alertd.tools import Tools

Build = Callable[[datetime], Awaitable[bytes]]
Write = Callable[[Edition, Selection, Site], bytes]

FEEDS: dict[str, tuple[str, Write]] = {
    "rss.xml": (RSS, write_rss),
    "atom.xml": (ATOM, write_atom),
    "feed.json": (JSON_FEED, write_json),
    "alerts.geojson": (GEOJSON, write_geojson),
}
STATE = "/state.json"
KEY = "/state.pub"


class Press:
    """Gives public documents; one that nothing has changed is built once."""

    def __init__(
        self, tools: Tools, signer: Signer, heartbeat_s: float = 60, fresh_s: float = 0
    ) -> None:
        self.site = Site.of(tools)
        self._tools = tools
        self._signer = signer
        self._heartbeat = timedelta(seconds=heartbeat_s)
        self._fresh_s = fresh_s  # how long an answer of the ledger may serve
        self._asked_at = -math.inf
        self._sequence = -1
        self._edition: Edition | None = None
        self._kept: dict[str, Document] = {}
        self._before: dict[str, Document] = {}
        self._building = asyncio.Lock()
        self._asking: asyncio.Task[int] | None = None
        self._waiting: asyncio.Task[int] | None = None

    async def sequence(self) -> int:
        """Ask the ledger how far it is; whoever comes while it is asked shares the next answer.

        Raises Busy while a restored ledger is held.
        """
        if self._is_fresh():
            return self._sequence
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._ask(self._asking))
        return await asyncio.shield(self._waiting)

    async def _ask(self, earlier: asyncio.Task[int] | None) -> int:
        if earlier is not None:
            await asyncio.wait([earlier])
        self._asking, self._waiting = self._waiting, None
        asked_at = time.monotonic()
        sequence = await self._tools.store.read(read_sequence, self._tools.clock())
        self._turn_to(sequence)
        self._asked_at = asked_at
        return sequence

    def at_hand(self, path: str) -> Document | None:
        """Give what was built for this path, as long as the ledger need not be asked again."""
        return self._good(path) if self._is_fresh() else None

    async def edition(self) -> Edition:
        """Give all that is public now."""
        self._turn_to(await self.sequence())
        async with self._building:
            return await self._load()

    async def feed(self, selection: Selection, file: str) -> Document:
        """Give one feed in one of FEEDS; raises NotFound for a language or region of nobody."""
        selection.check(self.site)
        media_type, write = FEEDS[file]

        async def build(_now: datetime) -> bytes:
            return await asyncio.to_thread(write, await self._load(), selection, self.site)

        return await self._get(selection.path(file), media_type, build)

    async def listing(self, language: str | None) -> Document:
        """Give the page that lists what is in force; raises NotFound for an unknown language."""
        if language is not None:
            self.site.known(language)

        async def build(_now: datetime) -> bytes:
            return write_list(await self._load(), self.site, language)

        return await self._get(path_of("", language), HTML, build)

    async def newsroom(self, language: str | None) -> Document:
        """Give the page for newsrooms; raises NotFound for an unknown language."""
        if language is not None:
            self.site.known(language)

        async def build(now: datetime) -> bytes:
            return write_newsroom(await self._load(), self.site, language, now)

        return await self._get(path_of(NEWSROOM, language), HTML, build, lasting=self._heartbeat)

    async def banner(self, language: str | None) -> Document:
        """Give the banner that other pages may frame; raises NotFound for an unknown language."""
        if language is not None:
            self.site.known(language)

        async def build(_now: datetime) -> bytes:
            return write_banner(await self._load(), self.site, language)

        return await self._get(path_of(BANNER, language), HTML, build, framed=True)

    async def schema(self, name: str) -> Document:
        """Give a JSON Schema of what we say to machines."""

        async def build(_now: datetime) -> bytes:
            return await asyncio.to_thread(read_schema, name)

        return await self._get(schema_path(name), "application/schema+json", build)

    async def page(self, alert_id: str, language: str | None) -> Document:
        """Give an alert's page; once that is over, it says so for good. Raises NotFound."""

        async def build(now: datetime) -> bytes:
            pages = await self._tools.store.read(read_pages, alert_id)
            found = _choose(pages, language)
            body = (
                None if found.is_appeal and found.over(now) else await open_body(self._tools, found)
            )
            if body is None:
                return write_over(self.site, found.language, real=found.is_real)
            return body

        return await self._get(path_of(f"/a/{alert_id}", language), HTML, build)

    async def cap(self, identifier: str) -> Document:
        """Give a CAP document; raises NotFound before it is public, and Gone once it is over."""

        async def build(now: datetime) -> bytes:
            found = await self._tools.store.read(read_cap, identifier)
            if found.kind in APPEALS and found.over(now):
                raise Gone("this alert is over, and its document is no longer published")
            body = await open_body(self._tools, found)
            if body is None and self._tools.signer and self._tools.signer.fault:
                raise Busy("this document waits for its signature")
            if body is None:
                raise Gone("this document was deleted for good")
            return body

        return await self._get(f"/cap/{identifier}.xml", CAP, build)

    async def state(self) -> Document:
        """Give the signed manifest, signed anew with each heartbeat."""

        async def build(now: datetime) -> bytes:
            edition = await self._load()
            return write_manifest(
                edition, self.site, self._signer, at=now, heartbeat=self._heartbeat
            )

        return await self._get(STATE, "application/json", build, lasting=self._heartbeat)

    async def key(self) -> Document:
        """Give the public key that the manifest is signed with."""

        async def build(_now: datetime) -> bytes:
            return self._signer.verifier.pem

        return await self._get(KEY, "application/x-pem-file", build)

    async def _get(
        self,
        path: str,
        media_type: str,
        build: Build,
        *,
        lasting: timedelta | None = None,
        framed: bool = False,
    ) -> Document:
        self._turn_to(await self.sequence())
        if (kept := self._good(path)) is not None:
            return kept
        async with self._building:  # one builds, the others take what it built
            if (kept := self._good(path)) is not None:
                return kept
            sequence, now = self._sequence, self._tools.clock()
            body = await build(now)
            since = self._since(path, body, now)
            document = Document(body, media_type, since, lasting=lasting, framed=framed)
            if sequence == self._sequence:
                self._kept[path] = document
            return document

    async def _load(self) -> Edition:
        if self._edition is None or self._edition.sequence < self._sequence:
            self._edition = await load_edition(self._tools, self._tools.clock())
        return self._edition

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._asked_at < self._fresh_s

    def _turn_to(self, sequence: int) -> None:
        if sequence > self._sequence:
            self._sequence = sequence
            self._before, self._kept = self._kept, {}

    def _good(self, path: str) -> Document | None:
        kept = self._kept.get(path)
        if kept is None or kept.lasting is None:
            return kept
        return kept if self._tools.clock() - kept.modified_at < kept.lasting else None

    def _since(self, path: str, body: bytes, now: datetime) -> datetime:
        """Give when these bytes came to stand here; later by a second than what stood before."""
        before = self._kept.get(path) or self._before.get(path)
        if before is None:
            return now
        if before.body == body:
            return before.modified_at
        return max(now, before.modified_at + timedelta(seconds=1))


def _choose(pages: dict[str, Published], language: str | None) -> Published:
    if language is None:
        first = next(iter(pages.values())).languages
        return min(pages.values(), key=lambda page: (page.language not in first[:1], page.language))
    if language not in pages:
        raise NotFound("there is no such page in this language")
    return pages[language]
