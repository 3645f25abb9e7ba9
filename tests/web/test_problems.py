"""Every refusal is a problem document that says what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from alertd.core.errors import ConfigError, Conflict, InvalidAlert, Problem, StaleVersion, StoreBusy
from alertd.web import bodies
from alertd.web.hardening import harden
from alertd.web.problems import catalogue, kind_of
from tests.web.conftest import Person

Facts = Callable[..., dict[str, Any]]
SECRET = "Μαρία Παραδειγματίδου"


async def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status == status, await answer.text()
    assert answer.content_type == "application/problem+json"
    said: dict[str, Any] = await answer.json(content_type=None)
    assert said["status"] == status
    assert said["type"].startswith("/api/v1/docs#")
    assert said["title"]
    return said


def named(said: dict[str, Any]) -> set[str]:
    return {error["field"] for error in said["errors"]}


async def test_every_bad_field_is_named_at_once(people: dict[str, Person], facts: Facts) -> None:
    body = facts(status="serious", case_reference="", surprise=1)
    del body["last_seen"]
    answer = await people["submitter"].post("/api/v1/alerts", body)
    said = await problem(answer, 422)
    assert named(said) >= {"status", "case_reference", "surprise", "last_seen"}


async def test_rules_beyond_shape_are_refused_with_the_field(
    people: dict[str, Person], facts: Facts
) -> None:
    body = facts(area={"regions": ["GR-ZZ"]}, languages=["xx"])
    answer = await people["submitter"].post("/api/v1/alerts", body)
    assert named(await problem(answer, 422)) >= {"area.regions.0", "languages.0"}


async def test_a_refused_alert_leaves_nothing_behind(
    people: dict[str, Person], facts: Facts
) -> None:
    await people["submitter"].post("/api/v1/alerts", facts(programme="unknown-programme"))
    listed = await (await people["submitter"].get("/api/v1/alerts")).json()
    assert listed == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"name": "\xff"}', "UTF-8"),
        (b'{"name": ', "JSON"),
        (b'{"name": "\\ud800"}', ""),
        (b"[" * 5000, ""),
        (b"", ""),
    ],
)
async def test_a_broken_body_is_refused(people: dict[str, Person], body: bytes, said: str) -> None:
    answer = await people["submitter"].ask(
        "POST", "/api/v1/alerts", data=body, headers={"Content-Type": "application/json"}
    )
    assert said in (await problem(answer, 400))["detail"]


async def test_a_list_is_no_alert(people: dict[str, Person]) -> None:
    answer = await people["submitter"].post("/api/v1/alerts", [])
    assert named(await problem(answer, 422)) == {"body"}


@pytest.mark.parametrize("media", ["text/plain", "application/json; charset=utf-16", "text/xml"])
async def test_another_media_type_is_refused(people: dict[str, Person], media: str) -> None:
    answer = await people["submitter"].ask(
        "POST", "/api/v1/alerts", data=b"{}", headers={"Content-Type": media}
    )
    await problem(answer, 415)


async def test_ten_megabytes_are_refused_before_they_are_sent(
    api: TestClient[Any, Any], people: dict[str, Person]
) -> None:
    reader, writer = await asyncio.open_connection(api.host, api.port)
    writer.write(
        b"POST /api/v1/alerts HTTP/1.1\r\nHost: example.org\r\n"
        b"Authorization: Bearer " + people["submitter"].token.encode() + b"\r\n"
        b"Content-Type: application/json\r\nContent-Length: 10485760\r\n\r\n"
    )
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"application/problem+json" in answer
    writer.close()


async def test_a_body_of_unknown_length_is_cut_off_at_the_limit(people: dict[str, Person]) -> None:
    read = 0

    async def endless() -> Any:
        nonlocal read
        for _ in range(200):
            read += 64 * 1024
            yield b" " * 64 * 1024

    answer = await people["submitter"].ask(
        "POST", "/api/v1/alerts", data=endless(), headers={"Content-Type": "application/json"}
    )
    await problem(answer, 413)


async def test_a_body_that_does_not_come_is_not_waited_for(
    api: TestClient[Any, Any], people: dict[str, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "_PATIENCE_S", 0.05)
    _, writer = connection = await asyncio.open_connection(api.host, api.port)
    writer.write(
        b"POST /api/v1/alerts HTTP/1.1\r\nHost: example.org\r\n"
        b"Authorization: Bearer " + people["submitter"].token.encode() + b"\r\n"
        b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    answer = await asyncio.wait_for(connection[0].readuntil(b"\r\n\r\n"), 5)
    assert answer.startswith(b"HTTP/1.1 408")
    writer.close()


async def test_an_unknown_parameter_is_named(people: dict[str, Person]) -> None:
    answer = await people["reader"].get("/api/v1/alerts?colour=red")
    assert named(await problem(answer, 422)) == {"colour"}


async def test_a_repeated_parameter_is_named(people: dict[str, Person]) -> None:
    answer = await people["reader"].get("/api/v1/alerts?limit=1&limit=2")
    assert named(await problem(answer, 422)) == {"limit"}


@pytest.mark.parametrize("path", ["/api/v1/alerts?cursor=%00", "/api/v1/audit?cursor=1.2"])
async def test_a_made_up_cursor_is_refused(people: dict[str, Person], path: str) -> None:
    assert named(await problem(await people["reader"].get(path), 422)) == {"cursor"}


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/nothing", "/api/v1/alerts/../../etc/passwd", "/api/v1/alerts/%00"]
)
async def test_an_unknown_path_is_a_problem_document(people: dict[str, Person], path: str) -> None:
    await problem(await people["reader"].get(path), 404)


async def test_a_wrong_method_names_the_right_ones(people: dict[str, Person]) -> None:
    answer = await people["reader"].ask("PATCH", "/api/v1/alerts")
    await problem(answer, 405)
    assert set(answer.headers["Allow"].split(",")) >= {"GET", "POST"}


async def test_answers_carry_security_headers(people: dict[str, Person]) -> None:
    answer = await people["reader"].get("/api/v1/alerts")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Server"] == "alertd"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "max-age" in answer.headers["Strict-Transport-Security"]


def failing(error: Exception) -> web.Application:
    async def fail(request: web.Request) -> web.Response:
        raise error

    app = web.Application()
    harden(app, https=False)
    app.router.add_get("/secret/{token}", fail)
    return app


async def ask(error: Exception) -> tuple[Any, list[Any]]:
    with capture_logs() as lines:
        async with TestClient(TestServer(failing(error))) as client:
            answer = await client.get("/secret/hush?name=Maria", headers={"Authorization": "x"})
            await answer.read()
            return answer, lines


async def test_a_defect_tells_the_caller_nothing_and_the_log_no_data() -> None:
    answer, lines = await ask(RuntimeError(f"cannot parse {SECRET}"))
    said = await problem(answer, 500)
    assert set(said) == {"type", "title", "status"}
    logged = repr(lines)
    assert SECRET not in logged
    assert "RuntimeError" in logged
    assert "test_problems.py" in logged


async def test_the_access_log_names_the_template_alone() -> None:
    _, lines = await ask(Conflict("no"))
    (line,) = [line for line in lines if line["event"] == "http.request"]
    assert line["path"] == "/secret/{token}"
    assert line["status"] == 409
    assert "hush" not in repr(lines)
    assert "Maria" not in repr(lines)


async def test_a_conflict_names_the_other_alert() -> None:
    answer, _ = await ask(Conflict("it is a duplicate", other="abc"))
    said = await problem(answer, 409)
    assert said["other"] == "abc"
    assert said["detail"] == "it is a duplicate"


async def test_a_busy_store_asks_to_come_again() -> None:
    answer, _ = await ask(StoreBusy("the disk of host db1 is full"))
    said = await problem(answer, 503)
    assert "db1" not in repr(said)
    assert answer.headers["Retry-After"]


async def test_fields_are_listed_in_order() -> None:
    answer, _ = await ask(InvalidAlert([Problem("a", "is bad"), Problem("b", "is worse")]))
    said = await problem(answer, 422)
    assert said["errors"] == [
        {"field": "a", "message": "is bad"},
        {"field": "b", "message": "is worse"},
    ]


async def test_our_own_defects_say_in_the_log_what_they_are_about() -> None:
    answer, lines = await ask(ConfigError("templates/sms/alert/text.txt.j2: no such word"))
    assert "templates" not in repr(await problem(answer, 500))
    assert "text.txt.j2" in repr(lines)


def test_the_nearest_class_decides() -> None:
    assert kind_of(StaleVersion("x")).status == 412
    assert kind_of(Conflict("x")).status == 409
    assert kind_of(KeyError()).status == 500


def test_every_kind_has_a_name_of_its_own() -> None:
    names = [kind.name for kind in catalogue()]
    assert len(names) == len(set(names))
