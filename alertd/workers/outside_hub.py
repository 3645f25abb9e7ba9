"""Tells a WebSub hub of somebody else that our Atom feeds have changed."""

import asyncio
import contextlib
from typing import NoReturn

import aiohttp
import structlog

from alertd.core.errors import AlertdError
from alertd.pipeline.dispatch import DISPATCHES
from alertd.publishing.press import Press
from alertd.publishing.selection import Selection
from alertd.store.store import Store

log = structlog.get_logger(__name__)

LOOK_S = 1.0  # between two looks at the sequence
LONGEST_S = 60.0  # between two tries of a hub that does not answer
TIMEOUT = aiohttp.ClientTimeout(total=10)


class OutsideHub:
    """Says once at start, and after each public change, which topics are new."""

    def __init__(self, store: Store, press: Press, url: str) -> None:
        self._store = store
        self._press = press
        self._url = url
        self._told = -1  # the sequence that the hub knows of

    async def run(self) -> NoReturn:
        woken = self._store.listen(DISPATCHES, watch=True)
        pause = LOOK_S
        while True:
            woken.clear()
            try:
                await self._tell()
                pause = LOOK_S
            except (AlertdError, aiohttp.ClientError, OSError) as error:
                log.warning("websub.outside_hub", why=type(error).__name__)
                pause = min(2 * pause, LONGEST_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await woken.wait()

    async def _tell(self) -> None:
        sequence = await self._press.sequence()
        if sequence == self._told:
            return
        form = [("hub.mode", "publish"), *(("hub.url", topic) for topic in self._topics())]
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.post(self._url, data=form, allow_redirects=False) as answer,
        ):
            answer.raise_for_status()
        self._told = sequence

    def _topics(self) -> list[str]:
        site = self._press.site
        languages = (None, *site.languages)
        paths = [Selection(language=language).path("atom.xml") for language in languages]
        return [site.public_url + path for path in paths]
