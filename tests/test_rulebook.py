"""The shipped rule sets, and every way a rule set can be wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from alertd.core.errors import ConfigError, InvalidAlert, NotFound
from alertd.core.ruleset import RuleSet
from alertd.resources import home
from alertd.rulebook import Rulebook
from tests.factories import make_alert, make_rules, rule_facts, words


@pytest.fixture(scope="module")
def shipped() -> Rulebook:
    return Rulebook.load(home("config") / "rulesets")


def toml(value: Any) -> str:
    """Write a value as TOML: JSON but for its inline tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def write(folder: Path, name: str = "one.toml", **changes: Any) -> None:
    lines = [f"{key} = {toml(value)}" for key, value in rule_facts(**changes).items()]
    (folder / name).write_text("\n".join(lines), "utf-8")


def faults(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Rulebook.load(folder)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def test_hellas_needs_police_prosecutor_and_activation(shipped: Rulebook) -> None:
    rules = shipped.current("amber-alert-hellas")
    assert [role.name for role in rules.approvals] == ["police", "prosecutor", "activation"]
    assert [role.name for role in rules.approvals if role.reference_required] == ["prosecutor"]
    assert rules.update_approvals == ("police", "activation")
    assert {"amber", "missing"} == {kind.name for kind in rules.kinds}
    assert rules.authority_timezone == "Europe/Athens"


def test_hellas_says_that_the_official_list_is_not_published(shipped: Rulebook) -> None:
    assert "not published" in shipped.current("amber-alert-hellas").source


def test_danger_is_asked_for_amber_and_not_for_the_lower_tier(shipped: Rulebook) -> None:
    rules = shipped.current("amber-alert-hellas")
    asked = {
        kind.name: {criterion.name for criterion in rules.criteria_for(kind)}
        for kind in rules.kinds
    }
    assert asked["amber"] - asked["missing"] == {"immediate_danger"}


def test_every_shipped_rule_set_is_for_minors_and_can_be_corrected(shipped: Rulebook) -> None:
    assert shipped.programmes() == ("amber-alert-hellas", "single-approval")
    for programme in shipped.programmes():
        rules = shipped.current(programme)
        assert {kind.max_age for kind in rules.kinds} == {17}
        assert any(reason.correction for reason in rules.end_reasons)
        assert rules.end_reason("found") is not None
        assert not rules.allow_companion
        assert not rules.allow_health


def test_programme_lines_are_printed_when_the_alert_has_none(shipped: Rulebook) -> None:
    rules = shipped.current("amber-alert-hellas")
    assert [line.number for line in rules.lines((), "el")] == ["1056", "116000", "112"]
    assert rules.lines((), "el")[1].label == "Ευρωπαϊκή Γραμμή για τα Εξαφανισμένα Παιδιά"
    assert rules.lines((), "en-GB")[1].label == "European Hotline for Missing Children"
    own = make_alert().phone_lines
    assert rules.lines(own, "el") == own


def test_current_is_the_highest_version_and_the_old_one_stays(tmp_path: Path) -> None:
    for name, version in (("a", 2), ("b", 10), ("c", 9)):
        write(tmp_path, f"{name}.toml", version=version)
    book = Rulebook.load(tmp_path)
    assert book.current("amber-alert-hellas").version == 10
    assert book.get("amber-alert-hellas", 2).version == 2
    with pytest.raises(NotFound):
        book.get("amber-alert-hellas", 3)


def test_unknown_programme_is_answered_by_those_that_are_known(shipped: Rulebook) -> None:
    with pytest.raises(InvalidAlert) as caught:
        shipped.current("nope")
    (problem,) = caught.value.problems
    assert problem.field == "programme"
    assert "choose of: amber-alert-hellas, single-approval" in problem.message


def test_digest_is_of_what_the_rules_say_and_not_of_how_they_are_written(tmp_path: Path) -> None:
    rules = make_rules()
    write(tmp_path)
    path = tmp_path / "one.toml"
    path.write_text("# a comment\n" + "\n".join(reversed(path.read_text("utf-8").splitlines())))
    read = Rulebook.load(tmp_path).current(rules.programme)
    assert Rulebook.digest(read) == Rulebook.digest(rules)
    assert Rulebook.digest(make_rules(max_hours=47)) != Rulebook.digest(rules)
    turned = dict(reversed(rules.title.items()))
    assert Rulebook.digest(make_rules(title=turned)) == Rulebook.digest(rules)
    again = RuleSet.model_validate_json(rules.model_dump_json())
    assert Rulebook.digest(again) == Rulebook.digest(rules)


def test_same_version_twice_is_refused_naming_both_files(tmp_path: Path) -> None:
    write(tmp_path, "a.toml")
    write(tmp_path, "b.toml", max_hours=12)
    (fault,) = faults(tmp_path)
    assert fault.startswith("a.toml, b.toml: version: amber-alert-hellas 1")


@pytest.mark.parametrize("zone", ["Europe/Sparta", "Europe", "", "/etc/passwd", "Europe/../x"])
def test_a_zone_that_nobody_knows_is_refused(tmp_path: Path, zone: str) -> None:
    write(tmp_path, authority_timezone=zone)
    (fault,) = faults(tmp_path)
    assert fault.startswith("one.toml: authority_timezone: ")


def test_every_fault_of_every_file_is_named_at_once(tmp_path: Path) -> None:
    write(tmp_path, "a.toml", version=0, country="Greece", colour="red")
    write(tmp_path, "b.toml", authority_timezone="Europe/Sparta")
    (tmp_path / "c.toml").write_text("programme = [")
    (tmp_path / "d.toml").write_bytes(b'programme = "\xff"')
    found = faults(tmp_path)
    assert len(found) == 6
    for start in (
        "a.toml: version: must be at least 1",
        "a.toml: country: must be a country code",
        "a.toml: colour: is no known field",
        "b.toml: authority_timezone: is no IANA zone",
        "c.toml: is not valid TOML",
        "d.toml: must be UTF-8; byte 14 is not",
    ):
        assert any(fault.startswith(start) for fault in found)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"update_approvals": ["coast-guard"]}, "update_approvals: 'coast-guard' is not defined"),
        ({"update_approvals": []}, "update_approvals: needs at least 1"),
        ({"end_roles": ["nobody"]}, "end_roles: 'nobody' is not defined; defined are: police,"),
        ({"approvals": []}, "approvals: needs at least 1"),
        ({"languages": ["el", "el"]}, "languages: names something twice"),
        ({"title": {"el": "Τίτλος"}}, "title: has no text in: en"),
        (
            {"kinds": [{"name": "amber", "title": words("x"), "min_age": 5, "max_age": 4}]},
            "kinds.0.max_age: must be at least min_age (5)",
        ),
        (
            {"kinds": [{"name": "amber", "title": words("x"), "criteria": ["luck"]}]},
            "kinds.0.criteria: 'luck' is not defined",
        ),
        (
            {"end_reasons": [{"name": "found", "title": words("Found")}]},
            "end_reasons: needs at least one reason with correction = true",
        ),
        ({"deputy_after_min": 10}, "deputy_after_min: must be more than remind_after_min"),
        ({"max_hours": 0}, "max_hours: must be at least 1"),
        ({"phone_lines": [{"label": {}, "number": "x"}]}, "phone_lines.0.number: must be a phone"),
    ],
)
def test_incoherent_rule_set_is_refused_naming_the_key(
    tmp_path: Path, changes: dict[str, Any], fault: str
) -> None:
    write(tmp_path, **changes)
    (found,) = faults(tmp_path)
    assert found.startswith(f"one.toml: {fault}")


def test_directory_without_rule_sets_is_refused(tmp_path: Path) -> None:
    assert "holds no rule set" in faults(tmp_path)[0]
    assert "no such directory" in faults(tmp_path / "away")[0]
