"""Finds what is left of a child in public: in answers, files, messages and log lines."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient

from alertd.publishing.press import FEEDS

SIDES = ("", "/exercise")
PLACES = ("", "/el", "/en", "/el/GR", "/en/GR", "/el/GR-I", "/en/GR-I")


class Traces:
    """The words of a child and the bytes of its photos, with every digest of them."""

    def __init__(
        self, words: Iterable[str], photos: Collection[bytes], *, digests: bool = True
    ) -> None:
        self.traces = [word.encode() for word in words]
        self.traces += [part for photo in photos for part in (photo, photo[len(photo) // 2 :][:64])]
        if digests:
            kinds = (hashlib.sha256, hashlib.sha1)
            self.traces += [kind(each).hexdigest().encode() for each in photos for kind in kinds]

    def within(self, data: bytes | str) -> list[bytes]:
        """Give what can be found in it."""
        raw = data if isinstance(data, bytes) else data.encode()
        return [trace for trace in self.traces if trace in raw]

    async def told_at(self, public: TestClient[Any, Any], addresses: Iterable[str]) -> list[str]:
        """Give the addresses whose answers, headers included, still tell."""
        telling = []
        for address in addresses:
            for packing in ("identity", "gzip"):
                answer = await public.get(address, headers={"Accept-Encoding": packing})
                if self.within(str(answer.headers).encode() + await answer.read()):
                    telling.append(address)
        return sorted({*telling})

    def left_below(self, folder: Path) -> list[str]:
        """Give the files, journals too, that still tell."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return [str(file.relative_to(folder)) for file in files if self.within(file.read_bytes())]


def public_addresses(alert_id: str, versions: Iterable[int] = (1,)) -> list[str]:
    """Give every public address that may tell of an alert, but for its photos'."""
    feeds = [f"/feeds{side}{place}/{file}" for side in SIDES for place in PLACES for file in FEEDS]
    pages = [
        f"{page}{language}"
        for page in ("", "/newsroom", "/banner", f"/a/{alert_id}")
        for language in ("", "/el", "/en")
    ]
    documents = [f"/cap/example.{alert_id}.{number}.xml" for number in versions]
    return [*feeds, *(page or "/" for page in pages), *documents, "/state.json"]
