"""How public documents travel, and that none names a child once its alert has ended."""

from __future__ import annotations

import re
from typing import Any

from aiohttp.test_utils import TestClient
from structlog.testing import capture_logs

from alertd.publishing.press import FEEDS
from tests.web.conftest import NAMES, Deliver
from tests.web.test_problems import problem

Client = TestClient[Any, Any]
FORMATS = sorted(FEEDS)


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


async def test_after_the_end_no_public_address_and_no_log_line_names_the_child(
    public: Client, live: Any, amend: Any, end: Any, deliver: Deliver
) -> None:
    alert_id = await live()
    await amend(alert_id, circumstances="Fictional example: Μαρία was seen at the harbour.")
    addresses = [
        f"/feeds{side}{place}/{file}"
        for side in ("", "/exercise")
        for place in ("", "/el", "/en", "/el/GR", "/en/GR-I")
        for file in FORMATS
    ]
    addresses += [f"{page}{place}" for page in ("/banner", "/newsroom") for place in ("", "/en")]
    addresses += ["/", "/el", "/en", "/state.json", f"/a/{alert_id}", f"/a/{alert_id}/el"]
    addresses += [f"/a/{alert_id}/en", *(f"/cap/example.{alert_id}.{n}.xml" for n in (1, 2))]
    addresses += [f"/cap/example.{alert_id}.2.end.xml"]

    async def named() -> list[str]:
        found = []
        for address in addresses:
            answer = await public.get(address)
            text = str(answer.headers) + await answer.text()
            found += [address] * any(name in text for name in NAMES)
        return found

    assert len(await named()) == 4 * 5 + 2 + 3 + 3 + 2
    with capture_logs() as lines:
        await end(alert_id)
        assert await named() == []
        await deliver()
        assert await named() == []
    assert lines
    assert not [name for name in NAMES if name in repr(lines)]
    for number in (1, 2):
        await problem(await public.get(f"/cap/example.{alert_id}.{number}.xml"), 410)
    assert (await public.get(f"/cap/example.{alert_id}.2.end.xml")).status == 200
