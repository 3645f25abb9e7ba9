"""The document says what the router does, and independent eyes can read it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from alertd.resources import home
from alertd.rulebook import Rulebook
from alertd.web.api import routes
from tests.web.conftest import Person

FIXED = {
    ("POST", "/api/v1/alerts"),
    ("GET", "/api/v1/alerts"),
    ("GET", "/api/v1/alerts/{id}"),
    ("PUT", "/api/v1/alerts/{id}"),
    ("POST", "/api/v1/alerts/{id}/submission"),
    ("POST", "/api/v1/alerts/{id}/approvals"),
    ("POST", "/api/v1/alerts/{id}/returns"),
    ("POST", "/api/v1/alerts/{id}/rejections"),
    ("POST", "/api/v1/alerts/{id}/updates"),
    ("POST", "/api/v1/alerts/{id}/end"),
    ("GET", "/api/v1/alerts/{id}/renditions"),
    ("GET", "/api/v1/alerts/{id}/deliveries"),
    ("GET", "/api/v1/alerts/{id}/progress"),
    ("POST", "/api/v1/alerts/{id}/deliveries/{number}/requeue"),
    ("POST", "/api/v1/alerts/{id}/extensions"),
    ("POST", "/api/v1/photos"),
    ("GET", "/api/v1/alerts/{id}/photos/{digest}"),
    ("DELETE", "/api/v1/alerts/{id}/photos/{digest}"),
    ("GET", "/api/v1/alerts/{id}/takedown"),
    ("GET", "/api/v1/alerts/{id}/takedown.html"),
    ("GET", "/api/v1/recipients"),
    ("POST", "/api/v1/recipients"),
    ("DELETE", "/api/v1/recipients/{number}"),
    ("POST", "/api/v1/deliveries/{number}/requeue"),
    ("GET", "/api/v1/audit"),
}
UNDOCUMENTED = {"/api/v1/openapi.json", "/api/v1/docs", "/healthz", "/readyz"}


@pytest.fixture
async def document(api: TestClient[Any, Any]) -> dict[str, Any]:
    answer = await api.get("/api/v1/openapi.json")
    assert answer.status == 200
    said: dict[str, Any] = await answer.json()
    return said


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


async def test_an_independent_validator_accepts_the_document(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


async def test_every_promised_path_is_there(document: dict[str, Any]) -> None:
    assert operations(document).keys() >= FIXED


async def test_every_route_of_the_router_is_described(
    document: dict[str, Any], api: TestClient[Any, Any]
) -> None:
    served = {
        (route.method, re.sub(r":[^{}]+(\{[^{}]*\})?[^{}]*\}", "}", route.resource.canonical))
        for route in api.server.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    described = set(operations(document))
    assert {each for each in served if each[1] not in UNDOCUMENTED} == described


async def test_every_operation_says_who_may_and_what_may_go_wrong(
    document: dict[str, Any],
) -> None:
    for operation in operations(document).values():
        assert operation["security"] == [{"token": []}]
        assert operation["description"].startswith("Roles: ")
        assert {"401", "403"} <= operation["responses"].keys()
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"]


async def test_operation_names_are_unique(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document).values()]
    assert len(names) == len(set(names))


async def test_the_answers_of_the_server_are_as_described(
    document: dict[str, Any], people: dict[str, Person], submit: Any
) -> None:
    alert_id = await submit()
    for path in ("", "/renditions", "/deliveries", "/progress"):
        operation = document["paths"][f"/api/v1/alerts/{{id}}{path}"]["get"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        answer = await people["police"].get(f"/api/v1/alerts/{alert_id}{path}")
        whole = {**schema, "components": document["components"]}
        OAS31Validator(whole).validate(await answer.json())


class Links(HTMLParser):
    """Collects what a page would load, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.outward: list[str] = []
        self.inward: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"href", "src"} and value:
                (self.inward if value.startswith("#") else self.outward).append(value)
            if name == "id" and value:
                self.ids.add(value)


async def test_the_docs_page_needs_no_script_and_no_other_host(api: TestClient[Any, Any]) -> None:
    answer = await api.get("/api/v1/docs")
    assert answer.status == 200
    assert answer.content_type == "text/html"
    page = Links()
    page.feed(await answer.text())
    assert page.tags.isdisjoint({"script", "link", "img", "iframe"})
    assert page.outward == ["openapi.json"]
    assert {link.removeprefix("#") for link in page.inward} <= page.ids
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


async def test_problem_types_lead_to_the_docs_page(
    api: TestClient[Any, Any], people: dict[str, Person]
) -> None:
    answer = await people["reader"].get("/api/v1/alerts/none")
    kind = (await answer.json(content_type=None))["type"]
    page = Links()
    page.feed(await (await api.get(kind.partition("#")[0])).text())
    assert kind.partition("#")[2] in page.ids


def test_every_route_names_roles_that_can_be_held() -> None:
    rulebook = Rulebook.load(home("config") / "rulesets")
    known = {"submitter", "operator", "reader", "police", "prosecutor", "activation", "approver"}
    for route in routes(rulebook):
        assert route.roles
        assert route.roles <= known


def test_a_path_parameter_without_a_shape_cannot_be_served() -> None:
    rulebook = Rulebook.load(home("config") / "rulesets")
    app = web.Application()
    for route in routes(rulebook):
        app.router.add_route(route.method, route.pattern, _never)
        assert "{" not in re.sub(r"\{\w+:[^{}]*(\{[\d,]+\})?\}", "", route.pattern)


async def _never(request: web.Request) -> web.Response:
    raise AssertionError(request)
