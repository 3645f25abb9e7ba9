"""Feeds, pages and the manifest as readers see them that we did not write."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import fastfeedparser
import feedparser
import feedparser_rs
import html5lib
import pytest
from aiohttp.test_utils import TestClient
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from geojson_pydantic import FeatureCollection
from lxml import etree
from sqlalchemy import update
from structlog.testing import capture_logs

from alertd import views
from alertd.core.delivery import State
from alertd.publishing.jsonfeed import geometry
from alertd.publishing.ledger import REMEMBERED
from alertd.publishing.press import FEEDS
from alertd.store.schema import alerts
from alertd.tools import Tools
from tests.conftest import FakeClock
from tests.web.conftest import PUBLIC_URL, Activate, Deliver, Person, Submit, both_databases
from tests.web.test_problems import problem

Client = TestClient[Any, Any]
NAMES = ("Παραδειγματίδου", "Μαρία", "red jacket", "XXX-0000")
ATOM = "{http://www.w3.org/2005/Atom}"
DELETED = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"
FORMATS = sorted(FEEDS)
PAGE_BYTES = 30_000


@pytest.fixture
def live(submit: Submit, activate: Activate, deliver: Deliver) -> Callable[..., Any]:
    """Bring a real alert before the public; gives its id."""

    async def run(**changes: Any) -> str:
        alert_id = await submit(**{"status": "actual", **changes})
        await activate(alert_id)
        await deliver()
        return alert_id

    return run


@pytest.fixture
def amend(
    people: dict[str, Person], activate: Activate, deliver: Deliver, facts: Any
) -> Callable[..., Any]:
    """Bring an update of an alert before the public."""

    async def run(alert_id: str, **changes: Any) -> None:
        answer = await people["submitter"].post(
            f"/api/v1/alerts/{alert_id}/updates", facts(status="actual", **changes)
        )
        assert answer.status == 201, await answer.text()
        await activate(alert_id)
        await deliver()

    return run


@pytest.fixture
def end(people: dict[str, Person]) -> Callable[..., Any]:
    async def run(alert_id: str, code: str = "found") -> None:
        form = {"reason_code": code, "why": "An example.", "confirm": True}
        answer = await people["police"].post(f"/api/v1/alerts/{alert_id}/end", form)
        assert answer.status == 200, await answer.text()

    return run


async def get(public: Client, path: str) -> str:
    answer = await public.get(path)
    assert answer.status == 200, f"{path}: {await answer.text()}"
    return await answer.text()


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


@pytest.mark.parametrize("file", READERS)
async def test_two_readers_see_one_entry_from_the_alert_to_its_end(
    public: Client,
    live: Any,
    *,
    amend: Any,
    end: Any,
    deliver: Deliver,
    clock: FakeClock,
    file: str,
) -> None:
    assert await seen(public, file) == []
    alert_id = await live()
    ((identity, title, link),) = await seen(public, file)
    assert identity == f"{PUBLIC_URL}/a/{alert_id}"
    assert link == f"{identity}/en"
    assert "Παραδειγματίδου" in title
    clock.tick(minutes=5)
    await amend(alert_id, circumstances="Fictional example: seen at the harbour.")
    ((again, updated, _),) = await seen(public, file)
    assert again == identity
    assert "new information" in updated
    await end(alert_id)
    assert await seen(public, file) == []
    await deliver()
    ((still, ended, _),) = await seen(public, file)
    assert still == identity
    assert ended == "AMBER Alert, Attica: the search is over"
    clock.tick(hours=25)
    assert await seen(public, file) == []


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


# --- pages


def check_page(text: str) -> Any:
    """Hold a page to the HTML standard, and to carry no script and nothing from elsewhere."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    parser.parse(text)
    root = etree.HTML(text)
    assert not root.xpath(
        "//script | //iframe | //form | //@style | //*[starts-with(name(@*),'on')]"
    )
    assert root.xpath("string(//html/@lang)")
    assert len(root.xpath("//h1")) == len(root.xpath("//main")) == 1
    assert root.xpath("string(//meta[@name='robots']/@content)") == "noindex, noarchive"
    assert "url(" not in text
    assert "@import" not in text
    assert len(text.encode()) < PAGE_BYTES
    return root


@pytest.mark.parametrize("status", ["actual", "exercise"])
async def test_an_alert_has_a_page_in_each_language(public: Client, live: Any, status: str) -> None:
    alert_id = await live(status=status)
    for language in ("el", "en"):
        answer = await public.get(f"/a/{alert_id}/{language}")
        root = check_page(await answer.text())
        assert root.get("lang") == language
        said = root.xpath("string(//body)")
        assert "Παραδειγματίδου" in said
        assert root.xpath("//a[starts-with(@href, 'tel:')]/@href") == ["tel:+306900000000"]
        assert answer.headers["X-Robots-Tag"] == "noindex, noarchive"
        policy = answer.headers["Content-Security-Policy"]
        style = root.xpath("string(//style)")
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in policy
        assert "default-src 'none'" in policy
        assert f"'sha256-{digest}'" in root.xpath("string(//meta[@http-equiv]/@content)")
        hatched = bool(root.xpath("//*[contains(@class, 'hatched')]"))
        assert hatched is (status != "actual")
        assert ("EXERCISE" in said or "ΑΣΚΗΣΗ" in said) is hatched
    assert await get(public, f"/a/{alert_id}") == await get(public, f"/a/{alert_id}/el")
    await problem(await public.get(f"/a/{alert_id}/fr"), 404)


async def test_what_others_show_of_a_shared_link_names_nobody(public: Client, live: Any) -> None:
    alert_id = await live()
    root = check_page(await get(public, f"/a/{alert_id}/en"))
    heads = root.xpath("//title/text() | //meta/@content")
    assert not [text for text in heads if any(name in text for name in NAMES)]
    assert root.xpath("string(//meta[@property='og:title']/@content)") == "AMBER Alert: Attica"
    assert not root.xpath("//meta[@property='og:image']")


async def test_a_page_is_there_once_it_is_public(
    public: Client, submit: Submit, activate: Activate, deliver: Deliver
) -> None:
    alert_id = await submit(status="actual")
    await problem(await public.get(f"/a/{alert_id}"), 404)
    await activate(alert_id)
    await deliver("feed", State.DEAD)
    await problem(await public.get(f"/a/{alert_id}"), 404)


@pytest.mark.parametrize("code", ["found", "issued_in_error", "search_continues"])
@both_databases
async def test_after_the_end_the_page_says_so_for_good(
    public: Client,
    live: Any,
    *,
    end: Any,
    deliver: Deliver,
    clock: FakeClock,
    tools: Tools,
    code: str,
) -> None:
    alert_id = await live()
    key_id = await tools.store.read(views.key_id, alert_id)

    async def said() -> str:
        root = check_page(await get(public, f"/a/{alert_id}/en"))
        text: str = root.xpath("string(//body)")
        assert not [name for name in NAMES if name in etree.tostring(root, encoding="unicode")]
        return text

    await end(alert_id, code)
    assert "This alert has ended" in await said()
    await deliver()
    notice = await said()
    assert "AMBER Alert, Attica" in notice
    clock.tick(days=400)
    assert await said() == notice
    await tools.vault.destroy(key_id)
    await tools.store.write(lambda conn: conn.execute(update(alerts).values(purged_at=clock())))
    assert "This alert has ended" in await said()


async def test_an_expired_page_says_so(public: Client, live: Any, clock: FakeClock) -> None:
    alert_id = await live()
    clock.tick(hours=12)
    text = await get(public, f"/a/{alert_id}/el")
    assert "Αυτή η ειδοποίηση έχει λήξει" in text
    check_page(text)
    assert "Παραδειγματίδου" not in text


async def test_a_page_lists_what_is_in_force(
    public: Client, live: Any, end: Any, deliver: Deliver
) -> None:
    root = check_page(await get(public, "/en"))
    assert "No alert is in force" in root.xpath("string(//main)")
    alert_id = await live()
    await live(status="exercise")
    root = check_page(await get(public, "/en"))
    assert root.xpath("//main//a/@href") == [f"{PUBLIC_URL}/a/{alert_id}/en"]
    assert check_page(await get(public, "/")).get("lang") == "el"
    await end(alert_id)
    await deliver()
    assert "No alert is in force" in await get(public, "/en")


# --- the manifest


async def verified(public: Client) -> dict[str, Any]:
    """Read the manifest as docs/feeds.md tells a newsroom to."""
    envelope = json.loads(await get(public, "/state.json"))
    key: Any = load_pem_public_key((await get(public, "/state.pub")).encode())
    key.verify(base64.b64decode(envelope["signature"]), envelope["state"].encode())
    state: dict[str, Any] = json.loads(envelope["state"])
    return state


async def test_the_state_names_what_is_in_force_by_digests_that_hold(
    public: Client, live: Any, end: Any, deliver: Deliver
) -> None:
    assert (await verified(public))["alerts"] == []
    alert_id = await live()
    await live(status="exercise", case_reference="E-2")
    state = await verified(public)
    assert state["format"] == "alertd-state-1"
    assert len(state["exercises"]) == 1
    (alert,) = state["alerts"]
    assert (alert["identifier"], alert["state"]) == (f"example.{alert_id}.1", "live")
    document = await public.get(alert["cap"]["url"].removeprefix(PUBLIC_URL))
    assert alert["cap"]["sha256"] == hashlib.sha256(await document.read()).hexdigest()
    for language, digest in alert["entries"].items():
        (item,) = json.loads(await get(public, f"/feeds/{language}/feed.json"))["items"]
        text = json.dumps(item, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        assert digest == hashlib.sha256(text.encode()).hexdigest()
    assert not [name for name in NAMES if name in json.dumps(state, ensure_ascii=False)]
    await end(alert_id)
    assert (await verified(public))["alerts"] == []
    await deliver()
    (alert,) = (await verified(public))["alerts"]
    assert alert["state"] == "ended"


@both_databases
async def test_the_sequence_grows_with_every_change_and_with_no_other(
    public: Client,
    submit: Submit,
    *,
    activate: Activate,
    amend: Any,
    end: Any,
    deliver: Deliver,
    clock: FakeClock,
) -> None:
    numbers = [(await verified(public))["sequence"]]
    alert_id = await submit(status="actual")
    assert (await verified(public))["sequence"] == numbers[0], "what waits is nobody's business"
    await activate(alert_id)
    await deliver()
    numbers.append((await verified(public))["sequence"])
    await amend(alert_id)
    numbers.append((await verified(public))["sequence"])
    await deliver("email")
    assert (await verified(public))["sequence"] == numbers[-1]
    await end(alert_id)
    numbers.append((await verified(public))["sequence"])
    await deliver()
    numbers.append((await verified(public))["sequence"])
    clock.tick(hours=25)
    numbers.append((await verified(public))["sequence"])
    assert numbers == sorted(set(numbers))


async def test_the_state_is_signed_anew_with_every_heartbeat(
    public: Client, clock: FakeClock
) -> None:
    first = await verified(public)
    clock.tick(seconds=59)
    assert await verified(public) == first
    clock.tick(seconds=1)
    second = await verified(public)
    assert second["generated_at"] == "2026-11-24T02:01:00Z"
    assert second["good_until"] == "2026-11-24T02:04:00Z"
    assert second["sequence"] == first["sequence"]


# --- the wire


@pytest.mark.parametrize(
    "path",
    [
        "/feeds/rss.xml",
        "/feeds/el/atom.xml",
        "/feeds/feed.json",
        "/a/{}",
        "/cap/{}",
        "/",
        "/state.json",
    ],
)
async def test_every_document_travels_well(public: Client, live: Any, path: str) -> None:
    alert_id = await live()
    path = path.replace("/cap/{}", f"/cap/example.{alert_id}.1.xml").format(alert_id)
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


@pytest.mark.parametrize(
    ("offer", "packed"),
    [("gzip;q=0", False), ("", False), ("br", False), ("br, gzip;q=0.1", True), ("*", True)],
)
async def test_gzip_goes_to_whoever_takes_it(
    public: Client, live: Any, offer: str, packed: bool
) -> None:
    await live()
    answer = await public.get("/feeds/rss.xml", headers={"Accept-Encoding": offer})
    assert ("Content-Encoding" in answer.headers) is packed


# --- the end


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

    assert len(await named()) == 4 * 5 + 3 + 3 + 2
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
