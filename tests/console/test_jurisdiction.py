"""A person decides in their regions and programmes alone, by whatever door they come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from alertd.console.app import PAGES
from alertd.console.permissions import permitted
from alertd.core.errors import InvalidAlert
from alertd.core.jurisdiction import Jurisdiction
from alertd.core.regions import Atlas
from alertd.pipeline import persons
from alertd.pipeline.jurisdiction import require_area
from alertd.store.schema import audit
from alertd.store.schema.accounts import person_programmes, person_regions
from alertd.tools import CONSOLE, Actor, Tools
from alertd.web.api import routes
from tests.console.conftest import STAFF, SignIn
from tests.console.test_pages import STREAMS
from tests.factories import make_alert
from tests.web.conftest import Person, Submit

ATTICA, CRETE = "GR-I", "GR-M"
HERE = "amber-alert-hellas"
ROLES = ("submitter", "police", "operator", "reader")


@pytest.mark.parametrize(
    ("mine", "area", "covers", "touches"),
    [
        ((), ("GR",), True, True),
        ((ATTICA,), (ATTICA,), True, True),
        ((ATTICA,), (CRETE,), False, False),
        ((ATTICA,), (ATTICA, CRETE), False, True),
        ((ATTICA, CRETE), (ATTICA, CRETE), True, True),
        ((ATTICA,), ("GR",), False, True),
        (("GR",), (ATTICA,), True, True),
        ((ATTICA,), ("CY",), False, False),
        ((ATTICA,), (), True, True),  # a draft that names no area yet
    ],
)
def test_what_lies_inside_is_decided_on_and_what_touches_it_is_seen(
    atlas: Atlas, mine: Sequence[str], area: Sequence[str], covers: bool, touches: bool
) -> None:
    jurisdiction = Jurisdiction(frozenset(mine))
    reached = atlas.reaches(area)
    assert jurisdiction.covers(HERE, reached, atlas) is covers
    assert jurisdiction.touches(HERE, reached, atlas) is touches
    elsewhere = Jurisdiction(frozenset(mine), frozenset({"other"}))
    assert not elsewhere.covers(HERE, reached, atlas)
    assert not elsewhere.touches(HERE, reached, atlas)


async def place(
    tools: Tools, number: int, regions: Sequence[str] = (), programmes: Sequence[str] = ()
) -> None:
    def work(conn: Connection) -> None:
        for region in regions:
            conn.execute(insert(person_regions).values(person_id=number, region=region))
        for each in programmes:
            conn.execute(insert(person_programmes).values(person_id=number, programme=each))

    await tools.store.write(work)


async def place_all(tools: Tools, people: dict[str, Person], *regions: str) -> None:
    for person in people.values():
        number = (await persons.authenticate(tools, person.token)).person_id
        await place(tools, number, regions)


def path_of(pattern: str, alert_id: str) -> str:
    found = pattern.replace("{id}", alert_id).replace("{number}", "1").replace("{name}", "sms")
    return found.replace("{digest}", "0" * 64).replace("{code}", "police")


async def test_no_route_opens_an_alert_elsewhere(
    tools: Tools, people: dict[str, Person], submit: Submit
) -> None:
    alert_id = await submit()  # in Attica
    await place_all(tools, people, CRETE)
    tried = 0
    for route in routes(tools.rulebook):
        for role in ROLES:
            if not route.of_alert or role not in route.roles:
                continue
            tried += 1
            answer = await people[role].ask(route.method, path_of(route.path, alert_id))
            assert answer.status == 403, (role, route.name, answer.status)
            assert "outside your regions" in (await answer.json())["detail"]
    assert tried > 30
    assert (await (await people["reader"].get("/api/v1/alerts")).json())["items"] == []


async def test_what_reaches_beyond_is_seen_and_not_decided_on(
    tools: Tools, people: dict[str, Person], submit: Submit, facts: Any
) -> None:
    wide = await submit(area={"regions": [ATTICA, CRETE]})
    await place_all(tools, people, ATTICA)
    for route in routes(tools.rulebook):
        for role in ROLES:
            if not route.of_alert or role not in route.roles:
                continue
            answer = await people[role].ask(route.method, path_of(route.path, wide))
            assert (answer.status == 403) is (route.method != "GET"), (role, route.name)
    listed = await (await people["reader"].get("/api/v1/alerts")).json()
    assert [each["id"] for each in listed["items"]] == [wide]


@pytest.mark.parametrize("role", ROLES)
async def test_no_page_opens_an_alert_elsewhere(
    tools: Tools, signed_in: SignIn, submit: Submit, role: str
) -> None:
    alert_id = await submit()
    browser = await signed_in(role)
    await place(tools, browser.person_id, [CRETE])
    may = permitted(STAFF[role], tools.rulebook)
    for page in PAGES:
        if not page.of_alert or page.needs not in may or page.path.endswith(STREAMS):
            continue
        at = path_of(page.path, alert_id)
        answer = await (browser.get(at) if page.method == "GET" else browser.post(at))
        assert answer.status == 403, (page.name, answer.status)
    assert alert_id not in await browser.read("/alerts")


async def test_of_an_alert_that_reaches_beyond_no_button_is_shown(
    tools: Tools, signed_in: SignIn, submit: Submit
) -> None:
    wide = await submit(area={"regions": [ATTICA, CRETE]})
    police = await signed_in("police")
    assert f"/alerts/{wide}/approve" in await police.read(f"/alerts/{wide}")
    await place(tools, police.person_id, [ATTICA])
    assert f"/alerts/{wide}/approve" not in await police.read(f"/alerts/{wide}")
    assert (await police.get(f"/alerts/{wide}/approve/police")).status == 403


async def test_nobody_is_asked_who_could_not_decide(tools: Tools, submit: Submit) -> None:
    numbers = {}
    for region in (ATTICA, CRETE):
        official = persons.NewPerson(
            name=f"Example {region}",
            language="en",
            roles={"police": False},
            addresses=[("email", f"{region.lower()}@example.org")],
        )
        numbers[region] = await persons.create(tools, CONSOLE, official)
        await place(tools, numbers[region], [region])
    await submit()
    query = select(audit.c.body).where(audit.c.action == "approval.asked")
    said = [json.loads(body)["data"] for body in await tools.store.read(rows_of, query)]
    (asked,) = [each["persons"] for each in said if each["role"] == "police"]
    assert asked == [numbers[ATTICA]]


def rows_of(conn: Connection, query: Any) -> list[str]:
    return list(conn.scalars(query))


async def test_nobody_alerts_where_they_do_not_act(
    tools: Tools, people: dict[str, Person], facts: Any
) -> None:
    await place_all(tools, people, CRETE)
    answer = await people["submitter"].post("/api/v1/alerts", facts())
    assert answer.status == 422
    errors = (await answer.json())["errors"]
    assert errors[0]["field"] == "area.regions"
    assert CRETE in errors[0]["message"]
    other = Actor(1, "Example", frozenset(), Jurisdiction(programmes=frozenset({"other"})))
    with pytest.raises(InvalidAlert) as caught:
        require_area(tools, other, make_alert())
    assert [each.field for each in caught.value.problems] == ["programme"]


async def test_an_update_cannot_carry_an_alert_beyond(
    tools: Tools, people: dict[str, Person], submit: Submit, activate: Any, facts: Any
) -> None:
    alert_id = await submit()
    await activate(alert_id)
    await place_all(tools, people, ATTICA)
    wider = facts(area={"regions": [ATTICA, CRETE]})
    answer = await people["submitter"].post(f"/api/v1/alerts/{alert_id}/updates", wider)
    assert answer.status == 422
