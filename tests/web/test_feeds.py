"""What is public, since when and until when."""

from __future__ import annotations

from typing import Any

import feedparser
import pytest
from aiohttp.test_utils import TestClient
from lxml import etree
from sqlalchemy import Update, update

from alertd import views
from alertd.core.delivery import State
from alertd.publishing.press import FEEDS
from alertd.store.schema import alerts, dispatches
from alertd.tools import Tools
from tests.conftest import FakeClock
from tests.web.conftest import PUBLIC_URL, Activate, Deliver, Person, Submit, both_databases
from tests.web.test_problems import problem

Client = TestClient[Any, Any]
CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"


async def entries(public: Client, path: str = "/feeds/rss.xml") -> list[Any]:
    answer = await public.get(path)
    assert answer.status == 200, await answer.text()
    parsed = feedparser.parse(await answer.read())
    assert not parsed.bozo
    return list(parsed.entries)


def versions_of(entries: list[Any]) -> list[str]:
    """Give the identifier of each entry's CAP document."""
    return [each.enclosures[0]["href"].rpartition("/")[2].removesuffix(".xml") for each in entries]


async def version(public: Client) -> str:
    """Give the identifier of the one entry that stands in the feed."""
    (identifier,) = versions_of(await entries(public))
    return identifier


async def end(people: dict[str, Person], alert_id: str, code: str = "found") -> None:
    form = {"reason_code": code, "why": "An example.", "confirm": True}
    answer = await people["police"].post(f"/api/v1/alerts/{alert_id}/end", form)
    assert answer.status == 200, await answer.text()


@both_databases
async def test_a_live_alert_stands_in_the_feed(public: Client, live: Any) -> None:
    alert_id = await live()
    (entry,) = await entries(public)
    assert entry.id == f"{PUBLIC_URL}/a/{alert_id}"
    assert entry.title
    assert entry.published_parsed[:5] == (2026, 11, 24, 2, 0)
    (cap,) = entry.enclosures
    assert cap["type"] == "application/cap+xml"
    assert cap["href"] == f"{PUBLIC_URL}/cap/example.{alert_id}.1.xml"
    document = await public.get(f"/cap/example.{alert_id}.1.xml")
    assert int(cap["length"]) == len(await document.read())


async def test_nothing_is_public_before_its_feed_delivery_is_done(
    public: Client, submit: Submit, activate: Activate, deliver: Deliver
) -> None:
    alert_id = await submit(status="actual")
    assert await entries(public) == []
    await activate(alert_id)
    assert await entries(public) == []
    await problem(await public.get(f"/cap/example.{alert_id}.1.xml"), 404)
    await deliver()
    assert len(await entries(public)) == 1
    assert (await public.get(f"/cap/example.{alert_id}.1.xml")).status == 200


async def test_a_dead_feed_delivery_publishes_nothing(
    public: Client, submit: Submit, activate: Activate, deliver: Deliver
) -> None:
    await activate(await submit(status="actual"))
    await deliver("feed", State.DEAD)
    assert await entries(public) == []


@pytest.mark.parametrize("status", ["exercise", "test"])
@both_databases
async def test_exercises_have_a_feed_of_their_own(public: Client, live: Any, status: str) -> None:
    await live(status=status)
    assert await entries(public) == []
    assert await entries(public, "/feeds/en/rss.xml") == []
    for path in ("/feeds/exercise/rss.xml", "/feeds/exercise/en/rss.xml"):
        (entry,) = await entries(public, path)
    assert "EXERCISE" in entry.title or "TEST" in entry.title


async def test_a_real_alert_is_not_in_the_exercise_feed(public: Client, live: Any) -> None:
    await live()
    assert await entries(public, "/feeds/exercise/rss.xml") == []


async def test_each_language_has_its_feed(public: Client, live: Any) -> None:
    await live()
    (greek,) = await entries(public, "/feeds/el/rss.xml")
    (english,) = await entries(public, "/feeds/en/rss.xml")
    assert greek.title != english.title
    assert greek.id == english.id


async def test_an_alert_in_one_language_stands_in_every_feed(public: Client, live: Any) -> None:
    await live(languages=["el"])
    (entry,) = await entries(public, "/feeds/en/rss.xml")
    assert "Παραδειγματίδου" in entry.title + entry.summary


@pytest.mark.parametrize(
    "path", ["/feeds/xx/rss.xml", "/feeds/../rss.xml", "/feeds/el/GR-I/", "/feeds/el/FR/rss.xml"]
)
async def test_an_unknown_feed_is_not_found(public: Client, path: str) -> None:
    await problem(await public.get(path), 404)


async def test_an_update_takes_the_place_of_what_it_updates(
    public: Client,
    live: Any,
    people: dict[str, Person],
    activate: Activate,
    deliver: Deliver,
    facts: Any,
) -> None:
    alert_id = await live()
    changed = facts(status="actual", circumstances="Fictional example: seen at the harbour.")
    await people["submitter"].post(f"/api/v1/alerts/{alert_id}/updates", changed)
    await activate(alert_id)
    (before,) = await entries(public)
    first = await version(public)
    assert first.endswith(".1"), "the first version stands until the second is out"
    await deliver()
    (after,) = await entries(public)
    second = await version(public)
    assert second.endswith(".2")
    assert after.id == before.id
    root = etree.fromstring(await (await public.get(f"/cap/{second}.xml")).read())
    assert root.findtext(f"{CAP}references", "").split(",")[1] == f"example.{alert_id}.1"
    assert (await public.get(f"/cap/example.{alert_id}.1.xml")).status == 200


async def test_an_ended_alert_leaves_at_once_and_its_notice_follows(
    public: Client, live: Any, people: dict[str, Person], deliver: Deliver
) -> None:
    alert_id = await live()
    await end(people, alert_id)
    assert await entries(public) == []
    await problem(await public.get(f"/cap/example.{alert_id}.1.xml"), 410)
    await deliver()
    (entry,) = await entries(public)
    assert entry.id == f"{PUBLIC_URL}/a/{alert_id}"
    assert "Παραδειγματίδου" not in entry.title + entry.summary
    assert await version(public) == f"example.{alert_id}.1.end"
    assert (await public.get(f"/cap/example.{alert_id}.1.end.xml")).status == 200


async def test_a_superseded_version_does_not_come_back_with_the_end(
    public: Client,
    live: Any,
    people: dict[str, Person],
    activate: Activate,
    deliver: Deliver,
    facts: Any,
) -> None:
    alert_id = await live()
    await people["submitter"].post(f"/api/v1/alerts/{alert_id}/updates", facts(status="actual"))
    await activate(alert_id)
    await deliver("feed", State.DEAD)
    assert len(await entries(public)) == 1
    await end(people, alert_id)
    assert await entries(public) == []
    await problem(await public.get(f"/cap/example.{alert_id}.1.xml"), 410)


@pytest.mark.parametrize(
    "slip",
    [
        update(dispatches).values(exercise=False),
        update(alerts).values(status="actual"),
    ],
)
async def test_one_slip_makes_no_exercise_public(
    public: Client, live: Any, tools: Tools, slip: Update
) -> None:
    await live(status="exercise")
    await tools.store.write(lambda conn: conn.execute(slip))
    assert await entries(public) == []


async def test_an_end_notice_leaves_when_its_time_is_over(
    public: Client, live: Any, people: dict[str, Person], deliver: Deliver, clock: FakeClock
) -> None:
    alert_id = await live()
    await end(people, alert_id)
    await deliver()
    clock.tick(hours=25)
    assert await entries(public) == []
    assert (await public.get(f"/cap/example.{alert_id}.1.end.xml")).status == 200


@both_databases
async def test_a_wrong_end_is_undone_by_a_new_version(
    public: Client,
    live: Any,
    people: dict[str, Person],
    activate: Activate,
    deliver: Deliver,
    facts: Any,
) -> None:
    alert_id = await live()
    await end(people, alert_id)
    await deliver()
    answer = await people["submitter"].post(
        f"/api/v1/alerts/{alert_id}/updates", facts(status="actual")
    )
    assert answer.status == 201, await answer.text()
    await activate(alert_id)
    await deliver()
    assert await version(public) == f"example.{alert_id}.2"
    assert (await public.get(f"/cap/example.{alert_id}.2.xml")).status == 200
    await problem(await public.get(f"/cap/example.{alert_id}.1.xml"), 410)


async def test_an_expired_alert_leaves_by_itself(
    public: Client, live: Any, clock: FakeClock
) -> None:
    alert_id = await live()
    assert len(await entries(public)) == 1
    clock.tick(hours=12)
    assert await entries(public) == []
    await problem(await public.get(f"/cap/example.{alert_id}.1.xml"), 410)


async def test_the_newest_stands_first(public: Client, live: Any, clock: FakeClock) -> None:
    made = []
    for number in range(3):
        clock.tick(minutes=1)
        children = [{"name": f"Example {'ABC'[number]}", "age": 9, "sex": "female"}]
        vehicle = {"plate": f"XXX-000{number}"}
        alert_id = await live(case_reference=f"E-{number}", children=children, vehicle=vehicle)
        made.append(f"example.{alert_id}.1")
    assert versions_of(await entries(public)) == made[::-1]


async def test_the_cap_document_is_what_was_approved_with_its_slots_filled(
    public: Client, live: Any, people: dict[str, Person]
) -> None:
    alert_id = await live()
    answer = await public.get(f"/cap/example.{alert_id}.1.xml")
    assert answer.content_type == "application/cap+xml"
    body = (await answer.read()).decode()
    shown = await (await people["police"].get(f"/api/v1/alerts/{alert_id}/renditions")).json()
    approved = next(
        each["text"]
        for each in shown["renditions"]
        if each["form"] == "cap" and each["kind"] == "alert"
    )
    assert body == approved.replace("{{sent}}", "2026-11-24T04:00:00+02:00").replace(
        "{{references}}", ""
    )


@pytest.mark.parametrize("name", ["%2e%2e%2fetc%2fpasswd", "a%00b", "nothing.here", "x" * 200])
async def test_no_other_document_is_served(public: Client, name: str) -> None:
    await problem(await public.get(f"/cap/{name}.xml"), 404)


async def test_a_reader_who_has_it_gets_304(public: Client, live: Any) -> None:
    alert_id = await live()
    for path in ("/feeds/rss.xml", f"/cap/example.{alert_id}.1.xml"):
        first = await public.get(path)
        tag, since = first.headers["ETag"], first.headers["Last-Modified"]
        assert not tag.startswith("W/")
        said = first.headers["Cache-Control"].split(", ")
        assert "must-revalidate" in said
        assert 0 < int(next(s for s in said if "max-age" in s).removeprefix("max-age=")) <= 60
        for headers in ({"If-None-Match": tag}, {"If-Modified-Since": since}):
            again = await public.get(path, headers=headers)
            assert (again.status, await again.read()) == (304, b"")
            assert again.headers["ETag"] == tag
        other = await public.get(path, headers={"If-None-Match": '"other"'})
        assert other.status == 200


async def test_every_copy_of_a_feed_is_dressed_like_any_answer(public: Client, live: Any) -> None:
    await live()
    first = await public.get("/feeds/rss.xml")
    again = await public.get("/feeds/rss.xml", headers={"If-None-Match": first.headers["ETag"]})
    for answer in (first, again):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Server"] == "alertd"
        assert answer.headers["Cache-Control"].startswith("public")


async def test_head_answers_without_a_body(public: Client, live: Any) -> None:
    await live()
    plain = {"Accept-Encoding": "identity"}
    answer = await public.head("/feeds/rss.xml", headers=plain)
    full = await public.get("/feeds/rss.xml", headers=plain)
    assert (answer.status, await answer.read()) == (200, b"")
    assert answer.headers["ETag"] == full.headers["ETag"]
    assert answer.headers["Content-Length"] == str(len(await full.read()))


async def test_a_feed_that_lost_an_entry_is_newer_than_before(
    public: Client, live: Any, people: dict[str, Person]
) -> None:
    alert_id = await live()
    since = (await public.get("/feeds/rss.xml")).headers["Last-Modified"]
    await end(people, alert_id)
    answer = await public.get("/feeds/rss.xml", headers={"If-Modified-Since": since})
    assert answer.status == 200


async def test_a_feed_is_built_only_when_something_changed(
    public: Client, live: Any, people: dict[str, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    media_type, write = FEEDS["rss.xml"]

    def counted(*args: Any) -> bytes:
        built.append(1)
        return write(*args)

    monkeypatch.setitem(FEEDS, "rss.xml", (media_type, counted))
    alert_id = await live()
    for _ in range(5):
        await public.get("/feeds/rss.xml")
    assert len(built) == 1
    await end(people, alert_id)
    for _ in range(5):
        await public.get("/feeds/rss.xml")
    assert len(built) == 2


async def test_a_destroyed_key_takes_the_document_down(
    public: Client, live: Any, tools: Tools
) -> None:
    alert_id = await live()
    key_id = await tools.store.read(views.key_id, alert_id)
    await tools.vault.destroy(key_id)
    assert await entries(public) == []
    await problem(await public.get(f"/cap/example.{alert_id}.1.xml"), 410)
