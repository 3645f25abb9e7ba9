"""Who may call what: one table, tried against every route."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from alertd.pipeline import persons
from alertd.resources import home
from alertd.rulebook import Rulebook
from alertd.tools import CONSOLE, Tools
from alertd.web.api import routes
from tests.conftest import FakeClock
from tests.web.conftest import PEOPLE, Person
from tests.web.test_problems import problem

APPROVERS = "police prosecutor activation"
EVERYONE = f"submitter {APPROVERS} operator reader"
MAY = {
    "list_alerts": EVERYONE,
    "submit_alert": "submitter",
    "show_alert": EVERYONE,
    "edit_alert": "submitter",
    "submit_draft": "submitter",
    "approve_alert": APPROVERS,
    "return_alert": APPROVERS,
    "reject_alert": f"submitter {APPROVERS}",
    "update_alert": "submitter",
    "extend_alert": "submitter",
    "end_alert": APPROVERS,
    "upload_photo": "submitter",
    "show_photo": f"submitter {APPROVERS}",
    "revoke_photo": APPROVERS,
    "show_takedown": EVERYONE,
    "print_takedown": EVERYONE,
    "show_renditions": f"submitter {APPROVERS}",
    "list_deliveries": EVERYONE,
    "show_progress": EVERYONE,
    "show_forecast": EVERYONE,
    "requeue_of_alert": "operator",
    "requeue": "operator",
    "list_dead_letters": "operator reader",
    "list_audit": f"operator reader {APPROVERS}",
    "list_deletions": f"operator reader {APPROVERS}",
    "show_statistics": f"operator reader {APPROVERS}",
    "list_recipients": "operator",
    "add_recipient": "operator",
    "erase_recipient": "operator",
}
TABLE = routes(Rulebook.load(home("config") / "rulesets"))


def test_the_table_names_every_route() -> None:
    assert MAY.keys() == {route.name for route in TABLE}


@pytest.mark.parametrize("person", list(PEOPLE))
async def test_every_route_is_open_to_its_roles_alone(
    people: dict[str, Person], person: str
) -> None:
    for route in TABLE:
        path = route.path.replace("{id}", "0000000000000000000a").replace("{number}", "1")
        path = path.replace("{digest}", "0" * 64)
        answer = await people[person].ask(route.method, path)
        allowed = person in MAY[route.name].split()
        assert (answer.status != 403) is allowed, (person, route.name, answer.status)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer alertd_unknown"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "Bearer \u00e9"},
        {"Authorization": "Bearer " + "x" * 300},
    ],
)
async def test_an_unknown_token_is_asked_for_a_valid_one(
    api: TestClient[Any, Any], header: dict[str, str]
) -> None:
    for route in TABLE:
        path = route.path.replace("{id}", "0").replace("{number}", "1")
        path = path.replace("{digest}", "0" * 64)
        answer = await api.request(route.method, path, headers=header)
        await problem(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_token_ends_with_its_time(people: dict[str, Person], clock: FakeClock) -> None:
    assert (await people["reader"].get("/api/v1/alerts")).status == 200
    clock.tick(hours=8)
    await problem(await people["reader"].get("/api/v1/alerts"), 401)


async def test_a_disabled_person_is_out_at_once(tools: Tools, api: TestClient[Any, Any]) -> None:
    official = persons.NewPerson(name="Example leaver", language="en", roles={"reader": False})
    number = await persons.create(tools, CONSOLE, official)
    minted = await persons.mint(tools, CONSOLE, number, label="x", lifetime=timedelta(hours=1))
    leaver = Person(api, minted.token)
    assert (await leaver.get("/api/v1/alerts")).status == 200
    await persons.disable(tools, CONSOLE, number)
    await problem(await leaver.get("/api/v1/alerts"), 401)
