"""How public documents travel."""

from __future__ import annotations

import re
from typing import Any

from aiohttp.test_utils import TestClient

Client = TestClient[Any, Any]


async def test_every_document_travels_well(public: Client, live: Any) -> None:
    alert_id = await live()
    for path in ("/", "/state.json", "/feeds/rss.xml", "/feeds/el/atom.xml", "/feeds/feed.json"):
        await check_travelling(public, path)
    await check_travelling(public, f"/a/{alert_id}")
    await check_travelling(public, f"/cap/example.{alert_id}.1.xml")


async def check_travelling(public: Client, path: str) -> None:
    """Hold one document to validators, compression, caching, HEAD and CORS."""
    plain = await public.get(path, headers={"Accept-Encoding": "identity"})
    packed = await public.get(path, headers={"Accept-Encoding": "gzip"}, raise_for_status=True)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"])
    assert await packed.read() == await plain.read()
    assert packed.headers["ETag"] != plain.headers["ETag"]
    for answer in (plain, packed):
        assert "Accept-Encoding" in answer.headers["Vary"]
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["X-Robots-Tag"] == "noindex, noarchive"
        cache = answer.headers["Cache-Control"]
        assert int(re.search(r"max-age=(\d+)", cache)[1]) <= 60  # type: ignore[index]
        assert "immutable" not in cache
        assert "stale" not in cache
        again = await public.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status == 304
    head = await public.head(path, headers={"Accept-Encoding": "identity"})
    assert head.headers["Content-Length"] == plain.headers["Content-Length"]
    asked = await public.options(path, headers={"Origin": "https://news.example.org"})
    assert asked.status == 204
    assert "If-None-Match" in asked.headers["Access-Control-Allow-Headers"]


async def test_gzip_goes_to_whoever_takes_it(public: Client) -> None:
    takes = {"gzip;q=0": False, "": False, "br": False, "br, gzip;q=0.1": True, "*": True}
    for offer, packed in takes.items():
        answer = await public.get("/feeds/rss.xml", headers={"Accept-Encoding": offer})
        assert ("Content-Encoding" in answer.headers) is packed, offer
