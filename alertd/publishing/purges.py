"""Tells a CDN which of its copies are old, and forgets none of them, whatever happens."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path

import aiohttp

from alertd.core.errors import AlertdError
from alertd.folder import Folder

_TIMEOUT_S = 10.0


class HookFailed(AlertdError):
    """The purge hook did not answer 2xx."""


class Purges:
    """The paths that have changed and of which the hook does not know yet; kept in a file."""

    def __init__(self, hook: str | None, journal: Path, *, public_url: str) -> None:
        self._hook = hook
        self._folder, self._name = Folder(journal.parent), journal.name
        self._public_url = public_url
        self._kept: set[str] | None = None
        self.waiting = asyncio.Event()  # there is something to tell

    async def note(self, paths: Iterable[str]) -> None:
        """Remember, before anything is changed: a crash after it must not hide the change."""
        if self._hook is None:
            return
        kept = await self._load()
        if new := set(paths) - kept:
            kept |= new
            await self._save(kept)
        self.waiting.set()

    async def send(self) -> None:
        """Tell the hook all that it does not know; raises HookFailed, and keeps it for later."""
        if self._hook is None:
            return
        self.waiting.clear()
        if told := sorted(await self._load()):
            await self._post(self._hook, told)
            kept = await self._load()
            kept.difference_update(told)
            await self._save(kept)

    async def _post(self, hook: str, paths: list[str]) -> None:
        said = {"paths": paths, "urls": [self._public_url + path for path in paths]}
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(hook, json=said, allow_redirects=False) as answer,
            ):
                if not 200 <= answer.status < 300:
                    raise HookFailed(f"the purge hook answered {answer.status}")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise HookFailed(f"the purge hook cannot be asked: {type(error).__name__}") from None

    async def _load(self) -> set[str]:
        if self._kept is None:
            self._kept = set(json.loads(await asyncio.to_thread(self._read)))
        return self._kept

    def _read(self) -> str:
        try:
            return (self._folder.root / self._name).read_text()
        except FileNotFoundError:
            return "[]"

    async def _save(self, kept: set[str]) -> None:
        await asyncio.to_thread(self._folder.write, self._name, json.dumps(sorted(kept)).encode())
