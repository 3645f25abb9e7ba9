"""The same documents as files, for a web server or a CDN that serves them without alertd.

What an alert's end takes away is taken away before anybody is told of the end.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import ParamSpec

import structlog
from sqlalchemy import Connection

from alertd.core.errors import AlertdError, Busy, Gone, NotFound
from alertd.core.photo import Photo
from alertd.folder import Folder
from alertd.pipeline.photos import read_photo
from alertd.pipeline.record import Entry, record
from alertd.publishing.document import Document
from alertd.publishing.edition import Edition, Incident
from alertd.publishing.ledger import read_documents
from alertd.publishing.newsroom import (
    BANNER,
    NEWSROOM,
    SCHEMAS,
    path_of,
    schema_path,
    write_banner,
    write_newsroom,
)
from alertd.publishing.pages import write_list, write_over
from alertd.publishing.press import FEEDS, KEY, STATE, Press
from alertd.publishing.purges import Purges
from alertd.publishing.selection import selections
from alertd.tools import ALERTD, Tools

log = structlog.get_logger(__name__)

WITHDRAW_S = 5.0  # how long an end waits for the files; then it goes on, and operators are told
BEHIND = "mirror.behind"
CAUGHT_UP = "mirror.caught_up"

P = ParamSpec("P")
General = Callable[[str | None], Awaitable[Document]]  # a page of no alert, by language


class Mirror:
    """Keeps a folder as the press has it."""

    def __init__(self, tools: Tools, press: Press, folder: Path, purges: Purges) -> None:
        self.purges = purges
        self.changed = asyncio.Event()  # the folder may have to follow
        self._tools = tools
        self._press = press
        self._folder = Folder(folder)
        self._one_at_a_time = asyncio.Lock()
        self._written: dict[str, bytes] = {}  # name to the digest of what stands there
        self._complete = False  # what was public before the start has been looked at
        self._failing: set[str] = set()
        self._missed: OSError | None = None

    async def follow(self) -> None:
        """Make the folder what the press has: what goes first, then what comes, the state last."""
        async with self._one_at_a_time:
            edition = await self._press.edition()
            await self._follow_documents(edition)
            for selection in selections(self._press.site):
                for file in FEEDS:
                    document = await self._press.feed(selection, file)
                    await self._put(selection.path(file), document.body)
            await self._put_general(self._press.listing, "")
            await self._put_general(self._press.banner, BANNER)
            await self._put_general(self._press.newsroom, NEWSROOM)
            for schema in SCHEMAS:
                await self._put(schema_path(schema), (await self._press.schema(schema)).body)
            await self._put(KEY, (await self._press.key()).body)
            await self._put(STATE, (await self._press.state()).body)
            self._settle()
            self._complete = True

    async def follow_time(self) -> None:
        """Write what tells the time, where it was made anew: the manifest, pages for newsrooms."""
        async with self._one_at_a_time:
            await self._put_general(self._press.newsroom, NEWSROOM)
            await self._put(STATE, (await self._press.state()).body)
            self._settle()

    @asynccontextmanager
    async def withdraw(self, alert_id: str) -> AsyncIterator[None]:
        """Take an alert out of the folder, and keep it out until what is done within is done."""
        held = False
        try:
            async with asyncio.timeout(WITHDRAW_S):
                held = await self._one_at_a_time.acquire()
                await self._take_out(alert_id)
        except (OSError, TimeoutError, AlertdError) as error:
            await self.fail("takedown", error)  # an end must not wait for a broken disk
        try:
            yield
        finally:
            if held:
                self._one_at_a_time.release()
            self.changed.set()

    async def fail(self, what: str, error: Exception) -> None:
        """Raise the alarm: something may stand where nothing should. It is recorded once."""
        log.critical(BEHIND, what=what, error=type(error).__name__)
        if what not in self._failing:
            self._failing.add(what)
            await self._record(BEHIND, {"what": what, "error": type(error).__name__})

    async def succeed(self, *whats: str) -> None:
        for what in self._failing.intersection(whats):
            self._failing.remove(what)
            log.info(CAUGHT_UP, what=what)
            await self._record(CAUGHT_UP, {"what": what})

    async def _record(self, action: str, data: dict[str, str]) -> None:
        entry = Entry(ALERTD, action, None, data)
        await self._tools.store.write(_record, entry, self._tools)

    async def _follow_documents(self, edition: Edition) -> None:
        documents = await self._tools.store.read(read_documents)
        if self._complete:  # an alert that left the edition has been neutral since
            known = {incident.alert_id for incident in edition.incidents}
            documents = {alert: names for alert, names in documents.items() if alert in known}
        standing = {
            f"/cap/{name}.xml": body
            for names in documents.values()
            for name in names
            if (body := await self._cap(name)) is not None
        }
        for path in await self._paths("cap"):
            if path not in standing and not (self._complete and _alert_of(path) not in documents):
                await self._take(path)
        await self._follow_photos(edition)
        for alert_id in documents:
            await self._put_pages(alert_id)
        for path, body in standing.items():
            await self._put(path, body)

    async def _follow_photos(self, edition: Edition) -> None:
        photos = [photo for incident in edition.incidents for photo in incident.photos]
        standing = {path: spot for photo in photos for path, spot in _spots(photo)}
        for path in await self._paths("p"):
            if path not in standing:
                await self._take(path)
        for path, (token, size) in standing.items():
            if path[1:] not in self._written:  # what stands at an address never changes
                with suppress(Gone, NotFound):
                    await self._put(path, await read_photo(self._tools, token, size))

    async def _cap(self, identifier: str) -> bytes | None:
        try:
            return (await self._press.cap(identifier)).body
        except (Busy, Gone, NotFound):
            return None

    async def _put_pages(self, alert_id: str) -> None:
        for language in (None, *self._press.site.languages):
            try:
                page = await self._press.page(alert_id, language)
            except NotFound:  # not in this language
                continue
            await self._put_page(_page(alert_id, language), page.body)

    async def _take_out(self, alert_id: str) -> None:
        """Neutralise everything that names the child, the pages first."""
        edition = await self._press.edition()
        incident = next((each for each in edition.incidents if each.alert_id == alert_id), None)
        if incident is None:
            return
        await self._neutralise_pages(incident)
        for photo in incident.photos:
            for path, _ in _spots(photo):
                await self._take(path)
        for path in await self._paths("cap"):
            if _alert_of(path) == alert_id:
                await self._take(path)
        site, rest = self._press.site, edition.without(alert_id)
        for selection in selections(site):
            if incident in selection.shown(edition):
                for file, (_, write) in FEEDS.items():
                    await self._put(selection.path(file), write(rest, selection, site))
        now = self._tools.clock()
        for language in (None, *site.languages):
            await self._put_page(path_of("", language), write_list(rest, site, language))
            await self._put_page(path_of(BANNER, language), write_banner(rest, site, language))
            newsroom = write_newsroom(rest, site, language, now)
            await self._put_page(path_of(NEWSROOM, language), newsroom)
        self._settle()

    async def _neutralise_pages(self, incident: Incident) -> None:
        site = self._press.site
        for language in (None, *site.languages):
            path = _page(incident.alert_id, language)
            if await asyncio.to_thread(self._folder.has, _file(path)):
                over = language or incident.languages[0]
                await self._put_page(path, write_over(site, over, real=incident.real))

    async def _paths(self, below: str) -> list[str]:
        names = await asyncio.to_thread(lambda: list(self._folder.names(below)))
        return [f"/{name}" for name in names]

    async def _put_general(self, page: General, place: str) -> None:
        for language in (None, *self._press.site.languages):
            await self._put_page(path_of(place, language), (await page(language)).body)

    async def _put_page(self, path: str, body: bytes) -> None:
        await self._put(path, body, name=_file(path))

    async def _put(self, path: str, body: bytes, *, name: str | None = None) -> None:
        name, digest = name or path[1:], hashlib.sha256(body).digest()
        known = self._written.get(name)
        if known == digest:
            return
        if known is None and await asyncio.to_thread(self._folder.holds, name, body):
            self._written[name] = digest
            return
        await self.purges.note([path])
        self._written.pop(name, None)
        if await self._tried(self._folder.write, name, body):
            self._written[name] = digest

    async def _take(self, path: str) -> None:
        await self.purges.note([path])
        self._written.pop(path[1:], None)
        await self._tried(self._folder.remove, path[1:])

    async def _tried(self, change: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> bool:
        """Change one file; where that fails, the others come first and the error after them."""
        try:
            await asyncio.to_thread(change, *args, **kwargs)
        except OSError as error:
            self._missed = error
            return False
        return True

    def _settle(self) -> None:
        """Raise what failed since the last time."""
        missed, self._missed = self._missed, None
        if missed is not None:
            raise missed


def _record(conn: Connection, entry: Entry, tools: Tools) -> None:
    record(conn, entry, at=tools.clock())


def _page(alert_id: str, language: str | None) -> str:
    return path_of(f"/a/{alert_id}", language)


def _spots(photo: Photo) -> Iterator[tuple[str, tuple[str, int]]]:
    """Give every path of a photo, with the token and size that it stands for."""
    for each in photo.sizes:
        yield photo.path(each.size), (photo.token, each.size)


def _file(path: str) -> str:
    """Name the file that a web server gives for a page's path."""
    return f"{path}/index.html".lstrip("/")


def _alert_of(path: str) -> str:
    """Give the alert of `/cap/{install}.{alert}.{number}...xml`."""
    parts = path.rpartition("/")[2].split(".")
    return parts[1] if len(parts) > 2 else ""
