"""What an alert must satisfy beyond its shape: each fault named, all at once, nothing repeated."""

from datetime import timedelta
from typing import Any

import pytest

from alertd.atlas import load_atlas
from alertd.core.errors import InvalidAlert
from alertd.core.regions import Atlas
from alertd.core.ruleset import RuleSet
from alertd.pipeline.validate import CLOCK_SKEW, check
from alertd.resources import home
from alertd.rulebook import Rulebook
from tests.factories import CRITERIA, NOW, alert_facts, child_facts, make_alert, make_rules, words

RULES = make_rules()
SQUARE = [[37.9, 23.6], [37.9, 23.9], [38.1, 23.9], [38.1, 23.6], [37.9, 23.6]]
LATER = (NOW + CLOCK_SKEW + timedelta(seconds=1)).isoformat()


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return load_atlas(home("config") / "regions")


@pytest.fixture
def refused(atlas: Atlas):
    """Give field and message of every problem of an alert with these changes."""

    def problems(rules: RuleSet = RULES, **changes: Any) -> dict[str, str]:
        with pytest.raises(InvalidAlert) as caught:
            check(make_alert(**changes), rules, atlas, now=NOW)
        return {problem.field: problem.message for problem in caught.value.problems}

    return problems


def area(**changes: Any) -> dict[str, Any]:
    return {"regions": ["GR-I"]} | changes


def seen(**changes: Any) -> dict[str, Any]:
    return alert_facts()["last_seen"] | changes


def answers(**met: bool) -> list[dict[str, Any]]:
    return [{"criterion": name, "met": yes, "reason": "Fictional."} for name, yes in met.items()]


@pytest.mark.parametrize("kind", ["amber", "missing"])
def test_sound_alert_is_given_back_as_it_is(atlas: Atlas, kind: str) -> None:
    rules = Rulebook.load(home("config") / "rulesets").current("amber-alert-hellas")
    criteria = [name for name in CRITERIA if kind == "amber" or name != "immediate_danger"]
    alert = make_alert(
        kind=kind,
        criteria=answers(**dict.fromkeys(criteria, True)),
        area=area(polygon=SQUARE, circle={"centre": [38, 23.7], "radius_km": 20}),
        phone_lines=[],
    )
    assert check(alert, rules, atlas, now=NOW) is alert


def test_kind_that_the_rules_do_not_know_is_answered_by_those_they_do(refused) -> None:
    assert refused(kind="silver") == {
        "kind": "is not one of this programme's; choose of: amber, missing"
    }


def test_alert_of_another_programme_is_refused(refused) -> None:
    assert refused(programme="single-approval") == {"programme": "must be amber-alert-hellas"}


def test_all_criteria_without_an_answer_are_named(refused) -> None:
    problems = refused(criteria=answers(minor=True, immediate_danger=True))
    assert problems == {
        "criteria": "must also answer, each with a written reason:"
        " disappearance_or_abduction, enough_information, no_added_risk"
    }


def test_criterion_that_is_not_met_is_refused(refused) -> None:
    met = dict.fromkeys(CRITERIA, True) | {"immediate_danger": False}
    assert list(refused(criteria=answers(**met))) == ["criteria.2.met"]


def test_criterion_that_is_not_asked_is_refused(refused) -> None:
    met = dict.fromkeys((*CRITERIA, "full_moon"), True)
    assert "asked are: minor" in refused(criteria=answers(**met))["criteria.5.criterion"]


def test_criterion_answered_twice_is_refused(refused) -> None:
    met = dict.fromkeys(CRITERIA, True)
    problems = refused(criteria=[*answers(**met), *answers(minor=True)])
    assert problems == {"criteria.5.criterion": "is answered twice; answer it once"}


@pytest.mark.parametrize("age", [18, 40])
def test_child_of_18_and_over_is_refused_with_the_remedy(refused, age: int) -> None:
    assert refused(children=[child_facts(age=age)]) == {
        "children.0.age": "must be under 18: 'amber' is for those only;"
        " correct it, or use a programme for adults"
    }


def test_age_is_counted_to_the_day_in_the_authority_s_zone(refused, atlas: Atlas) -> None:
    """NOW is 02:00 UTC on 24 November: 04:00 in Athens, still the 23rd in New York."""
    child = child_facts(age=None, birth_date="2008-11-24")
    assert "under 18" in refused(children=[child])["children.0.birth_date"]
    check(
        make_alert(children=[child]),
        make_rules(authority_timezone="America/New_York"),
        atlas,
        now=NOW,
    )
    younger = child_facts(age=None, birth_date="2008-11-25")
    check(make_alert(children=[younger]), RULES, atlas, now=NOW)


def test_child_born_tomorrow_is_refused(refused) -> None:
    child = child_facts(age=None, birth_date="2026-11-25")
    assert "lies in the future" in refused(children=[child])["children.0.birth_date"]


def test_child_too_young_for_the_kind_is_refused(refused) -> None:
    rules = make_rules(kinds=[{"name": "amber", "title": words("x"), "min_age": 12}])
    assert refused(rules, children=[child_facts(age=11)]) == {
        "children.0.age": "must be at least 12 for 'amber'; correct it"
    }


def test_every_child_is_checked(refused) -> None:
    children = [child_facts(), child_facts(name="Άννα", age=18), child_facts(name="Εύα", age=30)]
    assert list(refused(children=children)) == ["children.1.age", "children.2.age"]


def test_child_listed_twice_is_refused(refused) -> None:
    children = [child_facts(name="Άννα"), child_facts(name="ΆΝΝΑ")]
    assert list(refused(children=children)) == ["children.1.name"]


def test_children_of_unknown_name_may_be_several(atlas: Atlas) -> None:
    alert = make_alert(children=[child_facts(name="unknown"), child_facts(name="unknown")])
    check(alert, RULES, atlas, now=NOW)


def test_health_and_companion_are_refused_unless_the_policy_allows_them(
    refused, atlas: Atlas
) -> None:
    changes = {
        "children": [child_facts(health="needs insulin (fictional)")],
        "companions": [{"sex": "male"}],
    }
    assert list(refused(**changes)) == ["children.0.health", "companions"]
    lenient = make_rules(allow_health=True, allow_companion=True)
    check(make_alert(**changes), lenient, atlas, now=NOW)


def test_reported_in_the_future_is_refused(refused) -> None:
    assert list(refused(reported_at=LATER)) == ["reported_at"]


def test_seen_in_the_future_is_refused(refused) -> None:
    assert "lies in the future" in refused(last_seen=seen(at=LATER))["last_seen.at"]


def test_clock_a_little_ahead_is_forgiven(atlas: Atlas) -> None:
    check(make_alert(reported_at=(NOW + CLOCK_SKEW).isoformat()), RULES, atlas, now=NOW)


def test_seen_after_it_was_reported_is_refused(refused) -> None:
    at = (NOW - timedelta(minutes=29)).isoformat()
    assert refused(last_seen=seen(at=at)) == {
        "last_seen.at": "is later than reported_at; correct one of them"
    }


def test_expiry_before_start_is_refused(refused) -> None:
    at = (NOW - timedelta(hours=1)).isoformat()
    assert "must be after reported_at" in refused(expires_at=at)["expires_at"]


def test_expiry_that_has_passed_is_refused(refused) -> None:
    assert "has passed" in refused(expires_at=NOW.isoformat())["expires_at"]


def test_expiry_later_than_the_rules_allow_is_refused(refused, atlas: Atlas) -> None:
    longest = NOW + timedelta(hours=RULES.max_hours)
    check(make_alert(expires_at=longest.isoformat()), RULES, atlas, now=NOW)
    late = (longest + timedelta(seconds=1)).isoformat()
    assert refused(expires_at=late) == {"expires_at": "is too late: at most 48 hours from now"}


def test_area_of_unknown_regions_is_refused_naming_near_ones(refused) -> None:
    problems = refused(area=area(regions=["GR-IA", "GR-Q"]))
    assert list(problems) == ["area.regions.0", "area.regions.1"]
    assert "GR-I (Attica)" in problems["area.regions.0"]


@pytest.mark.parametrize("code", ["CY-01", "CY", "XX-1"])
def test_region_of_another_country_is_refused(refused, code: str) -> None:
    problems = refused(area=area(regions=["GR-I", code]))
    assert problems == {"area.regions.1": "lies outside GR, which is all this programme may alert"}


def test_region_named_twice_is_refused(refused) -> None:
    assert list(refused(area=area(regions=["GR-I", "GR-I"]))) == ["area.regions.1"]


def test_polygon_that_is_not_closed_is_refused(refused) -> None:
    problems = refused(area=area(polygon=SQUARE[:-1]))
    assert problems == {"area.polygon": "is not closed: repeat the first point at the end"}


def test_polygon_that_crosses_itself_is_refused(refused) -> None:
    bow = [SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3], SQUARE[0]]
    assert "crosses or touches itself" in refused(area=area(polygon=bow))["area.polygon"]


def test_longitude_before_latitude_is_recognised(refused) -> None:
    problems = refused(
        last_seen=seen(coordinates=[23.7, 37.9]),
        area=area(circle={"centre": [23.7, 37.9], "radius_km": 5}),
    )
    wanted = "seems to be longitude, latitude: give latitude first"
    assert problems == {"last_seen.coordinates": wanted, "area.circle.centre": wanted}


def test_point_far_from_the_country_is_refused(refused) -> None:
    far = [*SQUARE[:2], [52.5, 13.4], *SQUARE[3:]]
    assert refused(area=area(polygon=far)) == {
        "area.polygon.2": "lies more than 300 km outside GR: correct it"
    }


def test_point_across_the_border_is_let_through(atlas: Atlas) -> None:
    sofia = seen(coordinates=[42.7, 23.3])
    check(make_alert(last_seen=sofia), RULES, atlas, now=NOW)


def test_language_that_the_rules_do_not_offer_is_refused(refused) -> None:
    assert refused(languages=["el", "fr"]) == {"languages.1": "is not offered; choose of: el, en"}


def test_language_without_templates_is_refused(atlas: Atlas) -> None:
    with pytest.raises(InvalidAlert, match=r"languages\.1: is not offered; choose of: el$"):
        check(make_alert(), RULES, atlas, now=NOW, languages=["el", "fr"])


def test_language_named_twice_is_refused(refused) -> None:
    assert list(refused(languages=["el", "en", "el"])) == ["languages.2"]


def test_alert_without_any_phone_line_is_refused(refused) -> None:
    assert list(refused(phone_lines=[])) == ["phone_lines"]


def test_phone_line_given_twice_is_refused(refused) -> None:
    lines = [{"label": "a", "number": "116 000"}, {"label": "b", "number": "116000"}]
    assert list(refused(phone_lines=lines)) == ["phone_lines.1.number"]


def test_everything_wrong_is_named_at_once_and_nothing_repeated(refused) -> None:
    secret = "Zzyzx"
    problems = refused(
        programme="other",
        kind=secret.lower(),
        children=[
            child_facts(name=secret, health=secret),
            child_facts(name=secret, age=None, birth_date="2030-01-01"),
        ],
        companions=[{"sex": "male", "name": secret}],
        reported_at=LATER,
        last_seen=seen(at=LATER, place=secret, coordinates=[0, 0]),
        circumstances=secret,
        area=area(regions=["GR-Q"], polygon=SQUARE[:-1]),
        languages=["fr"],
        expires_at=NOW.isoformat(),
        phone_lines=[],
    )
    assert len(problems) == 14
    assert secret.casefold() not in str(problems).casefold()
