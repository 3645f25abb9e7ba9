"""What became of an alert, as operators and readers see it, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from alertd.core.delivery import State
from tests.web.conftest import Activate, Deliver, Person, Submit, both_databases
from tests.web.test_problems import named, problem

People = dict[str, Person]


pytestmark = both_databases


@pytest.fixture
async def alert_id(submit: Submit, activate: Activate) -> str:
    made = await submit()
    await activate(made)
    return made


async def read(people: People, path: str, name: str = "operator") -> Any:
    answer = await people[name].get(path)
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def test_deliveries_go_page_by_page_and_each_comes_once(
    people: People, alert_id: str
) -> None:
    path = f"/api/v1/alerts/{alert_id}/deliveries"
    whole = await read(people, path)
    assert whole["next_cursor"] is None
    found: list[Any] = []
    cursor = ""
    while True:
        page = await read(people, f"{path}?limit=1{cursor}")
        found += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == whole["items"]
    assert len(found) == 2  # the feed in Greek and in English


async def test_deliveries_are_filtered_by_channel_and_state(
    people: People, alert_id: str, deliver: Deliver
) -> None:
    path = f"/api/v1/alerts/{alert_id}/deliveries"
    await deliver("feed", State.DEAD)
    dead = await read(people, f"{path}?channel=feed&state=dead")
    assert len(dead["items"]) == 2
    assert all(each["reason"] == "rejected" for each in dead["items"])
    assert (await read(people, f"{path}?state=delivered"))["items"] == []
    assert (await read(people, f"{path}?channel=sms"))["items"] == []
    answer = await people["operator"].get(f"{path}?state=lost")
    assert named(await problem(answer, 422)) == {"state"}


async def test_progress_tells_counts_and_times_per_channel(
    people: People, alert_id: str, deliver: Deliver, clock: Any
) -> None:
    path = f"/api/v1/alerts/{alert_id}/progress"
    before = await read(people, path, "reader")
    dispatch = next(each for each in before["dispatches"] if each["kind"] == "alert")
    (feed,) = dispatch["channels"]
    assert (feed["channel"], feed["planned"]) == ("feed", 2)
    assert feed["states"]["queued"]["count"] == 2
    clock.tick(seconds=3)
    await deliver()
    after = await read(people, path, "reader")
    dispatch = next(each for each in after["dispatches"] if each["kind"] == "alert")
    (feed,) = dispatch["channels"]
    assert feed["planned"] == 2
    assert feed["states"]["queued"]["count"] == 0
    assert feed["states"]["delivered"] == {
        "count": 2,
        "first_at": "2026-11-24T02:00:03Z",
        "last_at": "2026-11-24T02:00:03Z",
    }
    assert dispatch["identifier"] == f"example.{alert_id}.1"
    assert dispatch["exercise"] is True


async def test_a_dead_letter_is_listed_and_can_be_requeued(
    people: People, alert_id: str, deliver: Deliver
) -> None:
    await deliver("feed", State.DEAD)
    first, second = (await read(people, "/api/v1/dead-letters"))["items"]
    assert (first["alert_id"], first["case_reference"]) == (alert_id, "EX-2026-0001")
    assert first["id"] > second["id"]
    operator = people["operator"]
    answer = await operator.post(f"/api/v1/deliveries/{first['id']}/requeue")
    assert (answer.status, await answer.json()) == (200, {"id": first["id"], "state": "queued"})
    nested = f"/api/v1/alerts/{alert_id}/deliveries/{second['id']}/requeue"
    assert (await operator.post(nested)).status == 200
    await problem(await operator.post(nested), 409)
    assert (await read(people, "/api/v1/dead-letters"))["items"] == []


async def test_another_alerts_delivery_is_not_found(
    people: People, alert_id: str, deliver: Deliver
) -> None:
    await deliver("feed", State.DEAD)
    letter = (await read(people, "/api/v1/dead-letters"))["items"][0]
    path = f"/api/v1/alerts/0000000000000000000a/deliveries/{letter['id']}/requeue"
    await problem(await people["operator"].post(path), 404)
    await problem(await people["operator"].post("/api/v1/deliveries/999999/requeue"), 404)


async def test_a_requeue_reads_no_body(people: People) -> None:
    answer = await people["operator"].post("/api/v1/deliveries/1/requeue", {"now": True})
    assert named(await problem(answer, 422)) == {"now"}


async def test_the_record_is_read_from_its_beginning(people: People, alert_id: str) -> None:
    page = await read(people, "/api/v1/audit?limit=2", "reader")
    assert [each["seq"] for each in page["items"]] == [1, 2]
    rest = await read(people, f"/api/v1/audit?limit=1000&cursor={page['next_cursor']}")
    assert rest["items"][0]["seq"] == 3
    assert rest["items"][0]["previous"] == page["items"][1]["hash"]
    mine = await read(people, f"/api/v1/audit?alert_id={alert_id}&limit=1000")
    actions = [each["action"] for each in mine["items"]]
    assert actions.index("alert.submitted") < actions.index("alert.activated")
    assert "Παραδειγματίδου" not in repr([page, rest])


async def test_recipients_are_entered_listed_and_erased(people: People, facts: Any) -> None:
    operator = people["operator"]
    form = {
        "label": "Example newsroom",
        "recipient_class": "media",
        "channel": "email",
        "address": "alerts@news.example.org",
        "language": "el",
        "regions": ["GR-I", "GR-A"],
        "exercise": True,
        "consent": "Example contract 7",
        "consent_at": "2026-01-31T10:00:00+02:00",
    }
    answer = await operator.post("/api/v1/recipients", form)
    made = await answer.json()
    assert (answer.status, made["secret"]) == (201, None)
    (shown,) = (await read(people, "/api/v1/recipients"))["items"]
    assert shown["address"] == "a***@news.example.org"
    assert shown["regions"] == ["GR-A", "GR-I"]
    gone = await operator.ask("DELETE", f"/api/v1/recipients/{made['id']}")
    assert (gone.status, await gone.read()) == (204, b"")
    left = await read(people, "/api/v1/recipients")
    assert "news" not in repr(left)
    await problem(await operator.ask("DELETE", "/api/v1/recipients/424242"), 404)


async def test_a_webhooks_secret_is_shown_once(people: People) -> None:
    operator = people["operator"]
    form = {
        "label": "Example partner",
        "recipient_class": "partner",
        "channel": "webhook",
        "address": "https://partner.example.org/hooks/alerts?key=hush",
        "language": "en",
        "regions": ["GR"],
        "consent": "Example contract 8",
        "consent_at": "2026-01-31T10:00:00+02:00",
    }
    first = await (await operator.post("/api/v1/recipients", form)).json()
    assert first["secret"].startswith("whsec_")
    again = await (await operator.post("/api/v1/recipients", form)).json()
    assert again["secret"] is None
    listed = await read(people, "/api/v1/recipients")
    assert listed["items"][0]["address"] == "https://partner.example.org"
    assert "hush" not in repr(listed)
    assert "whsec" not in repr(listed)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"channel": "pigeon"}, "channel"),
        ({"address": "not an address"}, "address"),
        ({"regions": ["GR-ZZ"]}, "regions.0"),
        ({"consent_at": "2030-01-01T00:00:00Z"}, "consent_at"),
        ({"label": "<b>Example</b>"}, "label"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_recipient_is_refused_by_field(
    people: People, change: dict[str, Any], field: str
) -> None:
    form = {
        "label": "Example",
        "recipient_class": "citizen",
        "channel": "email",
        "address": "a@example.org",
        "language": "en",
        "regions": ["GR"],
        "consent": "Example contract 9",
        "consent_at": "2026-01-31T10:00:00+02:00",
    }
    answer = await people["operator"].post("/api/v1/recipients", form | change)
    assert named(await problem(answer, 422)) == {field}
