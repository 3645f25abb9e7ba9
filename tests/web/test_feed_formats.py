"""Feeds in each format, as readers see them that we did not write."""

from __future__ import annotations

import json
from typing import Any

import fastfeedparser
import feedparser
import feedparser_rs
import pytest
from aiohttp.test_utils import TestClient
from geojson_pydantic import FeatureCollection
from lxml import etree

from alertd.core.photo import MEDIA_TYPE as JPEG
from alertd.publishing.jsonfeed import geometry
from alertd.publishing.ledger import REMEMBERED
from alertd.publishing.press import FEEDS
from tests.conftest import FakeClock
from tests.factories import child_facts
from tests.web.conftest import PUBLIC_URL, Deliver, Live, Person, both_databases, get

Client = TestClient[Any, Any]
DELETED = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"


def by_feedparser(text: str) -> list[tuple[str, str, str]]:
    parsed = feedparser.parse(text.encode())
    assert not parsed.bozo
    return [(each.id, each.title, each.link) for each in parsed.entries]


def by_fastfeedparser(text: str) -> list[tuple[str, str, str]]:
    parsed = fastfeedparser.parse(text.encode())
    return [(each["id"], each["title"], each["link"]) for each in parsed.entries]


def by_feedparser_rs(text: str) -> list[tuple[str, str, str]]:
    parsed = feedparser_rs.parse(text.encode())
    assert not parsed.bozo
    return [(each.id, each.title, each.link) for each in parsed.entries]


READERS = {
    "rss.xml": (by_feedparser, by_fastfeedparser),
    "atom.xml": (by_feedparser, by_fastfeedparser),
    "feed.json": (by_feedparser_rs, by_fastfeedparser),
}


async def seen(public: Client, file: str, place: str = "/feeds/en") -> list[tuple[str, str, str]]:
    """Give what every reader makes of a feed, and hold them to one opinion."""
    text = await get(public, f"{place}/{file}")
    opinions = [read(text) for read in READERS[file]]
    assert opinions[0] == opinions[1]
    return opinions[0]


async def test_two_readers_see_one_entry_from_the_alert_to_its_end(
    public: Client,
    live: Any,
    *,
    amend: Any,
    end: Any,
    deliver: Deliver,
    clock: FakeClock,
) -> None:
    async def all_see(count: int) -> list[tuple[str, str, str]]:
        found = [await seen(public, file) for file in READERS]
        assert [len(entries) for entries in found] == [count] * len(READERS)
        return [entry for entries in found for entry in entries]

    await all_see(0)
    alert_id = await live()
    identity = f"{PUBLIC_URL}/a/{alert_id}"
    for each, title, link in await all_see(1):
        assert (each, link) == (identity, f"{identity}/en")
        assert "Παραδειγματίδου" in title
    clock.tick(minutes=5)
    await amend(alert_id, circumstances="Fictional example: seen at the harbour.")
    for each, title, _ in await all_see(1):
        assert each == identity
        assert "new information" in title
    await end(alert_id)
    await all_see(0)
    await deliver()
    for each, title, _ in await all_see(1):
        assert (each, title) == (identity, "AMBER Alert, Attica: the search is over")
    clock.tick(hours=25)
    await all_see(0)


async def test_an_update_keeps_when_it_began_and_moves_when_it_changed(
    public: Client, live: Any, amend: Any, clock: FakeClock
) -> None:
    alert_id = await live()
    clock.tick(minutes=5)
    await amend(alert_id)
    (atom,) = feedparser.parse(await get(public, "/feeds/en/atom.xml")).entries
    assert (atom.published, atom.updated) == (
        "2026-11-24T02:00:00Z",
        "2026-11-24T02:05:00Z",
    )
    (rss,) = feedparser.parse(await get(public, "/feeds/en/rss.xml")).entries
    assert rss.published_parsed[:5] == (2026, 11, 24, 2, 5)
    (item,) = json.loads(await get(public, "/feeds/en/feed.json"))["items"]
    assert (item["date_published"], item["date_modified"]) == (
        "2026-11-24T02:00:00Z",
        "2026-11-24T02:05:00Z",
    )


async def test_the_cap_document_is_linked_with_its_media_type(public: Client, live: Any) -> None:
    alert_id = await live()
    address = f"{PUBLIC_URL}/cap/example.{alert_id}.1.xml"
    (rss,) = feedparser.parse(await get(public, "/feeds/en/rss.xml")).entries
    (atom,) = feedparser.parse(await get(public, "/feeds/en/atom.xml")).entries
    (item,) = json.loads(await get(public, "/feeds/en/feed.json"))["items"]
    kind = "application/cap+xml"
    assert [(each.href, each.type) for each in rss.enclosures] == [(address, kind)]
    assert (address, kind) in [(each.href, each.get("type")) for each in atom.links]
    assert [(each["url"], each["mime_type"]) for each in item["attachments"]] == [(address, kind)]


Linked = tuple[str, str | None, int]  # address, media type, bytes


async def linked(public: Client) -> dict[str, list[Linked]]:
    """Give the photos that each format's entry links, as a reader of it finds them."""
    (rss,) = feedparser.parse(await get(public, "/feeds/en/rss.xml")).entries
    (atom,) = feedparser.parse(await get(public, "/feeds/en/atom.xml")).entries
    (item,) = feedparser_rs.parse((await get(public, "/feeds/en/feed.json")).encode()).entries
    media = rss.get("media_content", ())
    found = {
        "rss": [(each["url"], each["type"], each["filesize"]) for each in media],
        "atom": [(each.href, each.type, each.length) for each in atom.enclosures],
        "json": [(each.href, each.type, each.length) for each in item.enclosures],
    }
    return {
        name: [(url, kind, int(size)) for url, kind, size in entries if kind == JPEG]
        for name, entries in found.items()
    }


@both_databases
async def test_a_live_entry_links_the_photo_and_its_end_does_not(
    public: Client, live: Live, photo: Any, end: Any, deliver: Deliver
) -> None:
    alert_id = await live(children=[child_facts(photo=await photo())])
    ((address, media_type, size),) = (await linked(public))["rss"]
    assert {*map(tuple, (await linked(public)).values())} == {((address, media_type, size),)}
    shown = await public.get(address.removeprefix(PUBLIC_URL))
    assert (shown.content_type, len(await shown.read())) == (media_type, size)
    (item,) = json.loads(await get(public, "/feeds/en/feed.json"))["items"]
    assert item["image"] == address
    (feature,) = json.loads(await get(public, "/feeds/en/alerts.geojson"))["features"]
    assert feature["properties"]["photos"] == [address]
    await end(alert_id)
    await deliver()
    assert {*map(tuple, (await linked(public)).values())} == {()}
    for file in FEEDS:
        assert "/p/" not in await get(public, f"/feeds/en/{file}")
    assert (await public.get(address.removeprefix(PUBLIC_URL))).status == 410


async def test_a_revoked_photo_leaves_the_entry_while_the_alert_lives(
    public: Client, people: dict[str, Person], live: Live, photo: Any
) -> None:
    digest = await photo()
    alert_id = await live(children=[child_facts(photo=digest)])
    assert (await linked(public))["atom"]
    answer = await people["police"].ask("DELETE", f"/api/v1/alerts/{alert_id}/photos/{digest}")
    assert answer.status == 204
    assert {*map(tuple, (await linked(public)).values())} == {()}


async def test_atom_names_what_has_left_it(
    public: Client, live: Any, end: Any, deliver: Deliver, clock: FakeClock
) -> None:
    alert_id = await live()

    async def tombstones(place: str = "/feeds") -> list[tuple[str | None, str | None]]:
        root = etree.fromstring((await get(public, f"{place}/atom.xml")).encode())
        return [(each.get("ref"), each.get("when")) for each in root.findall(DELETED)]

    gone = f"{PUBLIC_URL}/a/{alert_id}"
    assert await tombstones() == []
    clock.tick(minutes=1)
    await end(alert_id)
    assert await tombstones() == [(gone, "2026-11-24T02:01:00Z")]
    assert json.loads(await get(public, "/feeds/feed.json"))["_alertd"]["deleted"] == [
        {"id": gone, "when": "2026-11-24T02:01:00Z"}
    ]
    await deliver()
    assert await tombstones() == [], "the notice stands in its place"
    clock.tick(hours=25)
    assert await tombstones("/feeds/el/GR-I") == [(gone, "2026-11-25T02:01:00Z")]
    assert await tombstones("/feeds/exercise") == []
    clock.tick(days=REMEMBERED.days)
    assert await tombstones() == []


async def test_a_region_hears_of_what_reaches_it_and_of_nothing_else(
    public: Client, live: Any, amend: Any
) -> None:
    alert_id = await live()
    for region, count in (("GR-I", 1), ("GR", 1), ("GR-M", 0)):
        assert len(await seen(public, "rss.xml", f"/feeds/el/{region}")) == count
    title = feedparser.parse(await get(public, "/feeds/el/GR-I/rss.xml")).feed.title
    assert title == "Ειδοποιήσεις για αγνοούμενα παιδιά: Αττική"
    await amend(alert_id, area={"regions": ["GR-M"]})
    assert await seen(public, "rss.xml", "/feeds/el/GR-I") == []
    assert len(await seen(public, "rss.xml", "/feeds/el/GR-M")) == 1
    atom = etree.fromstring((await get(public, "/feeds/el/GR-I/atom.xml")).encode())
    assert [each.get("ref") for each in atom.findall(DELETED)] == [f"{PUBLIC_URL}/a/{alert_id}"]


async def test_maps_get_the_area_or_where_the_child_was_last_seen(
    public: Client, live: Any, end: Any, deliver: Deliver
) -> None:
    alert_id = await live()
    found = FeatureCollection.model_validate_json(await get(public, "/feeds/en/alerts.geojson"))
    (feature,) = found.features
    assert feature.id == f"{PUBLIC_URL}/a/{alert_id}"
    assert feature.geometry.type == "Point"
    assert feature.geometry.coordinates[:2] == (23.7348, 37.9755)
    assert feature.properties["state"] == "live"
    await end(alert_id)
    await deliver()
    found = FeatureCollection.model_validate_json(await get(public, "/feeds/en/alerts.geojson"))
    (feature,) = found.features
    assert feature.geometry is None
    assert feature.properties["state"] == "ended"


def test_outlines_turn_the_way_that_geojson_wants() -> None:
    square = [[37, 23], [38, 23], [38, 24], [37, 24], [37, 23]]
    for ring in (square, square[::-1]):
        made = geometry({"polygon": ring})
        assert made == {
            "type": "Polygon",
            "coordinates": [[(23, 37), (24, 37), (24, 38), (23, 38), (23, 37)]],
        }
    circle = geometry({"circle": {"centre": [37.0, 23.0], "radius_km": 111.195}})
    assert circle is not None
    norths = [north for _, north in circle["coordinates"][0]]
    assert (min(norths), max(norths)) == (pytest.approx(36, abs=1e-3), pytest.approx(38, abs=1e-3))
    assert geometry({}) is None
