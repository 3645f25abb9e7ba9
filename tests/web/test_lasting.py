"""What lasts: the list of deletions, and statistics that tell of nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from alertd.core.retention import Ground
from alertd.pipeline.purge import purge
from alertd.shapes import Count
from alertd.store.schema import alerts, versions
from alertd.tools import Tools
from alertd.watch.statistics import SMALL, count_alerts
from tests.conftest import FakeClock
from tests.web.conftest import Activate, Deliver, Person, Submit, both_databases
from tests.web.test_forgotten import settle
from tests.web.test_problems import named, problem

STATISTICS = "/api/v1/statistics"


@pytest.fixture
def over(
    submit: Submit, activate: Activate, deliver: Deliver, end: Any, clock: FakeClock, tools: Tools
) -> Callable[..., Any]:
    """Let an alert go its whole way; gives its id."""

    async def run(**changes: Any) -> str:
        alert_id = await submit(**{"status": "actual", **changes})
        clock.tick(minutes=10)
        await activate(alert_id)
        clock.tick(seconds=30)
        await deliver()
        clock.tick(hours=2)
        await end(alert_id)
        await deliver()
        await tools.store.write(settle, clock())
        return alert_id

    return run


async def asked(person: Person, **query: str) -> dict[str, Any]:
    answer = await person.get(STATISTICS, params=query)
    said: dict[str, Any] = await answer.json()
    assert answer.status == 200, said
    return said


@both_databases
async def test_an_alert_is_counted_the_same_before_and_after_a_purge(
    people: dict[str, Person], over: Callable[..., Any], tools: Tools
) -> None:
    alert_id = await over()
    before = await asked(people["reader"])
    assert before["alerts"] == 1
    assert before["months"] == [{"name": "2026-11", "count": 1}]
    assert before["programmes"] == [{"name": "amber-alert-hellas", "count": 1}]
    assert before["kinds"] == [{"name": "amber", "count": 1}]
    assert before["outcomes"] == [{"name": "found", "count": None}]
    assert {each["count"] for each in before["regions"]} == {None}
    feed = next(each for each in before["reach"] if each["channel"] == "feed")
    assert feed == {"channel": "feed", "alerts": 1, "planned": 2, "reached": 2}
    await purge(tools, alert_id, by="person:1", ground=Ground.REQUEST)
    assert await asked(people["reader"]) == before


async def test_statistics_tell_nothing_of_the_child_the_case_or_a_person(
    people: dict[str, Person], over: Callable[..., Any]
) -> None:
    alert_id = await over()
    text = await (await people["reader"].get(STATISTICS)).text()
    for word in ("Παραδειγματίδου", "EX-2026-0001", "Example", alert_id, "red jacket"):
        assert word not in text


async def test_exercises_are_counted_apart(
    people: dict[str, Person], over: Callable[..., Any]
) -> None:
    await over(status="exercise")
    assert (await asked(people["reader"]))["alerts"] == 0
    assert (await asked(people["reader"], status="exercise"))["alerts"] == 1


@pytest.mark.parametrize(
    ("since", "until", "count"),
    [
        ("2026-11-24", "2026-11-25", 1),
        ("2026-11-25", "2026-11-26", 0),
        ("2026-11-23", "2026-11-24", 0),
    ],
)
async def test_only_the_days_that_are_asked_for_count(
    people: dict[str, Person], over: Callable[..., Any], since: str, until: str, count: int
) -> None:
    await over()
    assert (await asked(people["reader"], since=since, until=until))["alerts"] == count


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "2026-11-24", "until": "2026-11-24"}, "until"),
        ({"since": "yesterday"}, "since"),
        ({"status": "real"}, "status"),
    ],
)
async def test_a_wrong_question_is_refused_naming_the_field(
    people: dict[str, Person], query: dict[str, str], field: str
) -> None:
    said = await problem(await people["reader"].get(STATISTICS, params=query), 422)
    assert named(said) == {field}


def _enter(conn: Connection, clock: FakeClock, outcomes: list[str]) -> None:
    for number, outcome in enumerate(outcomes):
        at = clock() + timedelta(minutes=number)
        conn.execute(
            insert(alerts).values(
                id=f"a{number}",
                programme="example",
                status="actual",
                case_reference=f"EX-{number}",
                key_id="none",
                created_by=1,
                created_at=at,
                kind="amber",
                reported_at=at - timedelta(minutes=number),
            )
        )
        conn.execute(
            insert(versions).values(
                alert_id=f"a{number}",
                number=1,
                kind="alert",
                state="ended",
                revision=1,
                rule_set_version=1,
                regions=["GR-I"],
                languages=["el"],
                created_by=1,
                created_at=at,
                submitted_at=at,
                sent_at=at + timedelta(minutes=5),
                expires_at=at + timedelta(hours=12),
                closed_at=at + timedelta(hours=1),
                closed_reason=outcome,
            )
        )


async def counted(tools: Tools, clock: FakeClock, outcomes: list[str]) -> Any:
    await tools.store.write(_enter, clock, outcomes)
    day = timedelta(days=1)
    return await tools.store.read(
        count_alerts, status="actual", since=clock() - day, until=clock() + day, now=clock()
    )


async def test_a_small_count_is_kept_back_and_the_next_smallest_hides_it(
    people: dict[str, Person], tools: Tools, clock: FakeClock
) -> None:
    view = await counted(tools, clock, ["found"] * 9 + ["withdrawn"] * 6 + ["hoax"])
    assert view.outcomes == [
        Count(name="found", count=9),
        Count(name="hoax", count=None),
        Count(name="withdrawn", count=None),
    ]
    assert view.regions == [Count(name="GR-I", count=16)]


@pytest.mark.parametrize(("alerts_", "told"), [(SMALL - 1, False), (SMALL, True)])
async def test_a_median_is_told_of_enough_alerts_only(
    people: dict[str, Person], tools: Tools, clock: FakeClock, alerts_: int, told: bool
) -> None:
    view = await counted(tools, clock, ["found"] * alerts_)
    stages = {each.stage: each for each in view.stages}
    report = stages["report_to_submission"]
    assert report.alerts == alerts_
    assert (report.median_s, report.longest_s) == ((120, 240) if told else (None, None))
    assert stages["activation_to_end"].median_s == (3300 if told else None)
    assert stages["activation_to_first_delivery"].alerts == 0


async def test_deletions_are_listed_by_page_and_by_alert(
    people: dict[str, Person], over: Callable[..., Any], tools: Tools
) -> None:
    apart = "Fictional reason."
    ids = [await over(case_reference=f"EX-{n}", not_a_duplicate_because=apart) for n in (1, 2)]
    for alert_id in ids:
        await purge(tools, alert_id, by="person:1", ground=Ground.ORDER)
    first = await (await people["operator"].get("/api/v1/deletions?limit=1")).json()
    assert [each["alert_id"] for each in first["items"]] == ids[:1]
    assert (first["items"][0]["what"], first["items"][0]["ground"]) == ("alert", "order")
    cursor = first["next_cursor"]
    rest = await (await people["operator"].get(f"/api/v1/deletions?cursor={cursor}")).json()
    assert [each["alert_id"] for each in rest["items"]] == ids[1:]
    assert rest["next_cursor"] is None
    own = await (await people["operator"].get(f"/api/v1/deletions?alert_id={ids[1]}")).json()
    assert own["items"] == rest["items"]
