"""The shape of an alert: everything wrong is named at once, and nothing wrong is repeated."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from alertd.core.alert import MAX_BYTES, ChildAlert, parse_alert
from alertd.core.errors import InvalidAlert
from alertd.core.problems import field_path
from alertd.core.ruleset import RuleSet
from alertd.core.text import SHAPES
from alertd.web.forms import ApprovalForm, AuditQuery, DeliveriesQuery
from tests.factories import alert_facts, child_facts, make_alert

LAST_SEEN = alert_facts()["last_seen"]


def read(**changes: Any) -> ChildAlert:
    return parse_alert(json.dumps(alert_facts(**changes)).encode())


def refused(data: bytes | dict[str, Any]) -> dict[str, str]:
    """Give field and message of every problem."""
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    with pytest.raises(InvalidAlert) as caught:
        parse_alert(body)
    assert caught.value.__cause__ is None
    return {problem.field: problem.message for problem in caught.value.problems}


def without(*path: str | int) -> dict[str, Any]:
    facts = json.loads(json.dumps(alert_facts()))
    inner = facts
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return facts


def test_facts_survive_the_way_through_json() -> None:
    alert = make_alert()
    assert parse_alert(alert.model_dump_json().encode()) == alert


@pytest.mark.parametrize(
    "path",
    [
        ("programme",),
        ("kind",),
        ("status",),
        ("case_reference",),
        ("authority",),
        ("reported_at",),
        ("children",),
        ("children", 0, "name"),
        ("children", 0, "sex"),
        ("last_seen",),
        ("last_seen", "at"),
        ("last_seen", "place"),
        ("circumstances",),
        ("area",),
        ("area", "regions"),
        ("languages",),
        ("expires_at",),
        ("criteria", 0, "met"),
        ("criteria", 0, "reason"),
        ("phone_lines", 0, "number"),
    ],
)
def test_each_missing_field_is_named(path: tuple[str | int, ...]) -> None:
    assert refused(without(*path)) == {".".join(map(str, path)): "is required: add it"}


def test_all_missing_fields_are_named_at_once() -> None:
    assert len(refused(b"{}")) == 12


def test_unknown_field_is_refused() -> None:
    assert refused(alert_facts(colour="red")) == {
        "colour": "is no known field: remove it, or correct its name"
    }


def test_key_that_is_no_plain_name_is_not_repeated() -> None:
    facts = alert_facts(children=[child_facts(**{"Μαρία Παραδειγματίδου": 1})])
    assert list(refused(facts)) == ["children.0.(unknown)"]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"status": "real"}, "status", "must be 'actual', 'exercise' or 'test'"),
        ({"case_reference": "a b"}, "case_reference", "at most 40"),
        ({"programme": "Amber Alert"}, "programme", "small letters"),
        ({"children": []}, "children", "needs at least 1"),
        ({"children": [child_facts(sex="girl")]}, "children.0.sex", "'unknown'"),
        ({"children": [child_facts(age=-1)]}, "children.0.age", "at least 0"),
        ({"children": [child_facts(age=300)]}, "children.0.age", "at most 120"),
        ({"children": [child_facts(age="9")]}, "children.0.age", "whole number"),
        ({"children": [child_facts(age=True)]}, "children.0.age", "whole number"),
        ({"children": [child_facts(age=9.5)]}, "children.0.age", "whole number"),
        (
            {"children": [child_facts(age=None)]},
            "children.0.age",
            "give either age or birth_date, and only one",
        ),
        (
            {"children": [child_facts(birth_date="2017-02-03")]},
            "children.0.age",
            "give either age or birth_date, and only one",
        ),
        (
            {"children": [child_facts(age=None, birth_date="2017-02-30")]},
            "children.0.birth_date",
            "such as 2015-03-31",
        ),
        (
            {"children": [child_facts(age=None, birth_date=1_486_000_000)]},
            "children.0.birth_date",
            "such as 2015-03-31",
        ),
        (
            {"children": [child_facts(age=None, birth_date="2017-02-03T00:00:00Z")]},
            "children.0.birth_date",
            "such as 2015-03-31",
        ),
        (
            {"children": [child_facts(height_cm=900)]},
            "children.0.height_cm",
            "must be at most 250, or must be 'unknown'",
        ),
        ({"children": [child_facts(hair="")]}, "children.0.hair", "must not be empty"),
        ({"children": [child_facts(hair=None)]}, "children.0.hair", "text in quotes"),
        ({"children": [child_facts(name="12345")]}, "children.0.name", "name in letters"),
        ({"circumstances": "x" * 2001}, "circumstances", "at most 2000 characters"),
        ({"vehicle": {"plate": "AB_1"}}, "vehicle.plate", "letters, digits"),
        ({"vehicle": {"country": "Greece"}}, "vehicle.country", "such as GR"),
        ({"area": {"regions": []}}, "area.regions", "needs at least 1"),
        ({"area": {"regions": ["Attica"]}}, "area.regions.0", "such as GR-I"),
        (
            {"area": {"regions": ["GR-I"], "polygon": [[1, 2], [1, 2]]}},
            "area.polygon",
            "needs at least 4",
        ),
        (
            {"area": {"regions": ["GR-I"], "circle": {"centre": [38, 24], "radius_km": 0}}},
            "area.circle.radius_km",
            "more than 0",
        ),
        ({"languages": []}, "languages", "needs at least 1"),
        ({"languages": ["greek!"]}, "languages.0", "language tag"),
        ({"phone_lines": [{"label": "x", "number": "call us"}]}, "phone_lines.0.number", "digits"),
        ({"last_seen": LAST_SEEN | {"coordinates": [91, 0]}}, "last_seen.coordinates.0", "90"),
        ({"last_seen": LAST_SEEN | {"coordinates": [0, 181]}}, "last_seen.coordinates.1", "180"),
        ({"last_seen": LAST_SEEN | {"coordinates": [38]}}, "last_seen.coordinates.1", "required"),
        ({"last_seen": [1]}, "last_seen", "object"),
        (
            {"criteria": [{"criterion": "minor", "met": "yes", "reason": "x"}]},
            "criteria.0.met",
            "t",
        ),
    ],
)
def test_impossible_field_is_named_with_the_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    problems = refused(alert_facts(**changes))
    assert list(problems) == [field]
    assert words in problems[field]


@pytest.mark.parametrize(
    "moment",
    [
        1_790_000_000,
        "1790000000",
        "2026-03-14",
        "2026-03-14T18:00:00",
        "2026-02-30T18:00:00Z",
        "yesterday",
        None,
    ],
)
def test_time_without_day_hour_and_offset_is_refused(moment: object) -> None:
    wanted = "must be a date and time with its offset, such as 2026-01-31T18:30:00+02:00"
    assert refused(alert_facts(reported_at=moment)) == {"reported_at": wanted}


@pytest.mark.parametrize("year", ["1066", "9999"])
def test_time_out_of_all_bounds_is_refused(year: str) -> None:
    moment = f"{year}-12-31T23:59:59-14:00"
    assert "between 1900 and 2200" in refused(alert_facts(reported_at=moment))["reported_at"]


def test_times_are_kept_in_utc_and_whole_seconds() -> None:
    alert = read(reported_at="2026-03-14T20:00:00.999+02:00")
    assert alert.reported_at == datetime(2026, 3, 14, 18, 0, tzinfo=UTC)
    assert alert.reported_at.utcoffset() == datetime.now(UTC).utcoffset()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<b>Μαρία</b>", "markup"),
        ("Μαρία > Άννα", "markup"),
        ("Μαρία &lt;b&gt;", "markup"),
        ("Μαρία &#60;", "markup"),
        ("Μαρία\x00", "control character (U+0000, character 6)"),
        ("Μαρία\nBcc: x@example.org", "control character (U+000A"),
        ("Μαρία\x1b[2J", "control character"),
        ("Μαρία\x85x", "control character"),
        ("Μαρία\ue000sent\ue001", "private-use"),
        ("Μαρία\U000f0000", "private-use"),
        ("Μαρία\U00100000", "private-use"),
        ("Μαρία\u202egro", "invisible formatting"),
        ("Μαρία\u2066x", "invisible formatting"),
        ("Μαρία\u200bx", "invisible formatting"),
        ("Μαρία\ufeffx", "invisible formatting"),
        ("Μαρία\uffff", "unassigned"),
        ("...", "must hold words"),
    ],
)
def test_name_with_what_no_name_holds_is_refused(text: str, words: str) -> None:
    problems = refused(alert_facts(children=[child_facts(name=text)]))
    assert words in problems["children.0.name"]


@pytest.mark.parametrize(
    "field", ["build", "hair", "eyes", "clothing", "distinguishing_marks", "health"]
)
def test_every_text_of_a_child_refuses_markup_and_control_characters(field: str) -> None:
    for text in ("<script>x</script>", "a\x07b", "a\ue000b"):
        assert list(refused(alert_facts(children=[child_facts(**{field: text})]))) == [
            f"children.0.{field}"
        ]


def test_names_of_many_scripts_pass() -> None:
    for name in ("Μαρία-Άννα Ο' Παράδειγμα", "Ђорђе Пример", "Şule Örnek", "نمونه‌ای", "Ana M."):
        assert read(children=[child_facts(name=name)]).children[0].name == name


def test_space_is_normalised_and_letters_are_composed() -> None:
    alert = read(
        children=[child_facts(name="  Μαρι\u0301α \u00a0 Παραδείγματος ")],
        circumstances="one\r\n\r\n\r\n\r\ntwo\t\tthree  \n",
    )
    assert alert.children[0].name == "Μαρία Παραδείγματος"
    assert alert.circumstances == "one\n\ntwo three"


def test_plates_languages_are_written_one_way() -> None:
    alert = read(vehicle={"plate": " xxx - 0000"}, languages=["EL", "sr-latn-rs"])
    assert alert.vehicle is not None
    assert alert.vehicle.plate == "XXX - 0000"
    assert alert.languages == ("el", "sr-Latn-RS")
    unknown = read(vehicle={"plate": "Unknown"}).vehicle
    assert unknown is not None
    assert unknown.plate == "unknown"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is not valid JSON: EOF"),
        (b"{", "is not valid JSON"),
        (b"[]", "must be an object"),
        (b'"text"', "must be an object"),
        (b'{"authority": "\xff\xfe"}', "must be UTF-8; byte 16 is not"),
        (b'{"authority": "\xed\xa0\x80"}', "must be UTF-8"),
        (b'{"authority": "\\ud800"}', "is not valid JSON"),
        (b'{"age": 7, "age": 8}', "same key twice"),
        (b'{"age": NaN}', "is not valid JSON"),
        (b'{"age": -Infinity}', "is not valid JSON"),
        (b'{"age": ' + b"9" * 5000 + b"}", "is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "is not valid JSON"),
        (b" " * (MAX_BYTES + 1), "too large"),
    ],
)
def test_body_that_cannot_be_read_is_refused(data: bytes, words: str) -> None:
    problems = refused(data)
    assert list(problems) == ["body"]
    assert words in problems["body"]


def test_fullest_alert_fits_the_bound_on_size() -> None:
    ring = [[37 + n / 1e7, 23 + n / 1e7] for n in range(500)]
    long = "ψ" * 2000
    child = child_facts(
        name="ψ" * 200, build="ψ" * 200, hair="ψ" * 200, eyes="ψ" * 200, clothing="ψ" * 200
    )
    criterion = {"criterion": "x" * 40, "met": True, "reason": long}
    facts = alert_facts(
        children=[child] * 10,
        circumstances=long,
        area={"regions": ["GR-I"] * 100, "polygon": ring},
        criteria=[criterion] * 40,
    )
    parse_alert(json.dumps(facts).encode())  # six bytes for each ψ


def patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "pattern" in schema:
            yield schema["pattern"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            yield from patterns(inner)


@pytest.mark.parametrize("model", [ChildAlert, RuleSet, ApprovalForm, DeliveriesQuery, AuditQuery])
def test_every_pattern_of_a_model_is_put_in_words(model: type[BaseModel]) -> None:
    found = set(patterns(model.model_json_schema()))
    assert found
    assert found <= SHAPES.keys()


def test_key_is_repeated_only_when_it_is_a_plain_name() -> None:
    assert field_path(("children", 0, "age")) == "children.0.age"
    assert field_path(("title", "no tag", "[key]")) == "title.(unknown)"
    assert field_path(("name\n",)) == "(unknown)"
    assert field_path(()) == "body"


def test_no_error_repeats_what_it_is_about() -> None:
    secret = "Zzyzx"
    child = child_facts(
        name=f"{secret}<",
        sex=secret,
        height_cm=secret,
        birth_date=secret,
        hair=f"{secret}\x00",
        photo=secret,
        **{f"{secret} {secret}": secret},
    )
    facts = alert_facts(
        status=secret,
        case_reference=f"{secret} {secret}",
        children=[child],
        reported_at=secret,
        last_seen={"at": secret, "place": f"<{secret}>", "coordinates": [secret, secret]},
        vehicle={"plate": f"{secret}_", "country": secret},
        languages=[f"{secret}{secret}"],
    )
    problems = refused(facts)
    assert len(problems) >= 15
    assert secret not in str(problems)
    with pytest.raises(ValueError, match="validation errors") as caught:
        ChildAlert.model_validate(facts)
    assert secret not in str(caught.value).replace(f"{secret} {secret}", "")
