"""What a form says becomes an alert, and the other way round; what is missing is said at once."""

from datetime import UTC, datetime

import pytest

from alertd.atlas import load_atlas
from alertd.console.officials import labels
from alertd.console.officials.fields import Form, Step, fields, step_of
from alertd.console.officials.filling import carried, filled, fresh
from alertd.console.officials.reading import Frame, Reading, read
from alertd.core.regions import Atlas
from alertd.resources import home
from tests.factories import NOW, child_facts, make_alert, make_rules

RULES = make_rules(phone_lines=[{"label": {"el": "Γραμμή", "en": "Line"}, "number": "116000"}])


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return load_atlas(home("config") / "regions")


def reading(form: Form, atlas: Atlas, now: datetime = NOW) -> Reading:
    frame = Frame(programme=RULES.programme, status="exercise", rules=RULES, atlas=atlas, now=now)
    return read(form, frame)


def test_a_form_filled_from_an_alert_reads_as_that_alert(atlas: Atlas) -> None:
    alert = make_alert(
        children=[child_facts(clothing="unknown"), child_facts(name="Example Two", age=4)],
        abduction=True,
        area={
            "regions": ["GR-I", "GR-B"],
            "circle": {"centre": [37.5, 23.5], "radius_km": 12.5},
            "polygon": [[37.5, 23.5], [37.6, 23.5], [37.6, 23.7], [37.5, 23.5]],
        },
    )
    found = reading(filled(alert, RULES), atlas)
    assert not found.problems
    assert found.alert == alert


def test_an_empty_form_names_everything_that_is_missing_and_still_gives_an_alert(
    atlas: Atlas,
) -> None:
    found = reading({}, atlas)
    named = {problem.field for problem in found.problems}
    assert named >= {
        "children.0.name",
        "last_seen.at",
        "last_seen.place",
        "reported_at",
        "circumstances",
        "area.regions",
        "languages",
        "expires_at",
        "case_reference",
        "authority",
        "kind",
        "criteria.minor.met",
    }
    assert found.alert.children[0].name == "unknown"


def test_a_new_form_leaves_only_what_somebody_has_to_say(atlas: Atlas) -> None:
    named = {problem.field for problem in reading(fresh(RULES, NOW), atlas).problems}
    assert named.isdisjoint({"reported_at", "expires_at", "languages", "kind"})


@pytest.mark.parametrize("said", ["?", "unknown", "Άγνωστο"])
def test_unknown_is_said_in_the_field_itself(atlas: Atlas, said: str) -> None:
    form = filled(make_alert(), RULES) | {"children.0.hair": (said,)}
    assert reading(form, atlas).alert.children[0].hair == "unknown"


def test_looks_that_nobody_spoke_of_are_asked_for(atlas: Atlas) -> None:
    form = {k: v for k, v in filled(make_alert(), RULES).items() if not k.endswith(".hair")}
    found = reading(form, atlas)
    assert [problem.field for problem in found.problems] == ["children.0.hair"]


def test_every_problem_is_told_at_once_in_the_order_of_the_form(atlas: Atlas) -> None:
    form = filled(make_alert(), RULES) | {
        "children.0.name": ("<b>",),
        "children.0.age": ("41",),
        "last_seen.at.time": ("25:00",),
        "expires_at.date": ("2020-01-01",),
        "criteria.minor.reason": ("",),
        "criteria.immediate_danger.met": ("no",),
    }
    assert [problem.field for problem in reading(form, atlas).problems] == [
        "children.0.name",
        "children.0.age",
        "last_seen.at",
        "expires_at",
        "criteria.minor.reason",
        "criteria.immediate_danger.met",
    ]


def test_times_are_read_in_the_zone_of_the_authority(atlas: Atlas) -> None:
    form = filled(make_alert(), RULES) | {
        "last_seen.at.date": ("2026-11-24",),
        "last_seen.at.time": ("01:30",),
    }
    assert reading(form, atlas).alert.last_seen.at == datetime(2026, 11, 23, 23, 30, tzinfo=UTC)


def test_a_copy_has_the_area_and_the_lines_and_nobody_of_the_other_alert() -> None:
    alert = make_alert()
    said = carried(filled(alert, RULES), RULES)
    assert said["area.regions"] == ("GR-I",)
    assert said["phone_lines.0.number"] == (alert.phone_lines[0].number,)
    text = str(said)
    assert alert.children[0].name not in text
    assert alert.circumstances not in text
    assert alert.last_seen.place not in text
    assert alert.case_reference not in text
    assert not any(key.startswith(("children", "vehicle", "last_seen", "criteria")) for key in said)


def test_every_field_has_a_step() -> None:
    form = filled(make_alert(), RULES)
    assert {step_of(field.name) for field in fields(form, RULES)} == set(Step)


def test_a_further_child_left_empty_is_none(atlas: Atlas) -> None:
    form = filled(make_alert(), RULES) | {"children.1.name": ("",), "children.1.hair": ("",)}
    found = reading(form, atlas)
    assert not found.problems
    assert len(found.alert.children) == 1


def test_every_field_explains_itself() -> None:
    rules = make_rules(allow_companion=True, allow_health=True)
    said = {"companions.0.name": ("Example",), "phone_lines.0.number": ("1",)}
    asked = {each.key for each in fields(said, rules)}
    question = "criterion.met"  # its legend is the rule set's whole question
    assert asked - labels.HINTS.keys() == {question}
    assert asked == labels.LABELS.keys()
