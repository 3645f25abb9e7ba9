"""Fictional alerts and rule sets: name only the field that the test is about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from alertd.core.alert import ChildAlert
from alertd.core.ruleset import RuleSet

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)  # where the `clock` fixture stands

CRITERIA = (
    "minor",
    "disappearance_or_abduction",
    "immediate_danger",
    "enough_information",
    "no_added_risk",
)


def child_facts(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Μαρία Παραδειγματίδου",
        "age": 9,
        "sex": "female",
        "height_cm": 132,
        "build": "slim",
        "hair": "brown, long",
        "eyes": "brown",
        "clothing": "red jacket, blue jeans",
    } | changes


def alert_facts(now: datetime = NOW, **changes: Any) -> dict[str, Any]:
    """Give the JSON-ready facts of an alert that is valid under amber-alert-hellas at `now`."""
    return {
        "programme": "amber-alert-hellas",
        "kind": "amber",
        "status": "exercise",
        "case_reference": "EX-2026-0001",
        "authority": "Example Police Directorate (fictional)",
        "reported_at": (now - timedelta(minutes=30)).isoformat(),
        "children": [child_facts()],
        "vehicle": {"make": "Example", "colour": "white", "plate": "XXX-0000", "country": "GR"},
        "last_seen": {
            "at": (now - timedelta(hours=2)).isoformat(),
            "place": "Example Square, Athens (fictional)",
            "coordinates": [37.9755, 23.7348],
        },
        "circumstances": "Fictional example: the child did not come home from school.",
        "area": {"regions": ["GR-I"]},
        "languages": ["el", "en"],
        "expires_at": (now + timedelta(hours=12)).isoformat(),
        "phone_lines": [{"label": "Example line (fictional)", "number": "+30 690 000 0000"}],
        "criteria": [
            {"criterion": name, "met": True, "reason": "Fictional reason for an exercise."}
            for name in CRITERIA
        ],
    } | changes


def make_alert(now: datetime = NOW, **changes: Any) -> ChildAlert:
    return ChildAlert.model_validate(alert_facts(now, **changes))


def words(text: str) -> dict[str, str]:
    return {"el": f"{text} (el)", "en": text}


def rule_facts(**changes: Any) -> dict[str, Any]:
    """Give a rule set shaped like amber-alert-hellas: three roles, two for an update."""
    return {
        "programme": "amber-alert-hellas",
        "version": 1,
        "title": words("Example programme"),
        "source": "Made up for tests.",
        "authority_timezone": "Europe/Athens",
        "country": "GR",
        "languages": ["el", "en"],
        "kinds": [
            {"name": "amber", "title": words("AMBER Alert"), "max_age": 17},
            {"name": "missing", "title": words("Missing child"), "max_age": 17},
        ],
        "criteria": [{"name": name, "question": words(f"{name}?")} for name in CRITERIA],
        "approvals": [
            {"name": "police", "title": words("Police")},
            {"name": "prosecutor", "title": words("Prosecutor"), "reference_required": True},
            {"name": "activation", "title": words("Activation")},
        ],
        "update_approvals": ["police", "activation"],
        "end_roles": ["police", "activation"],
        "end_reasons": [
            {"name": "found", "title": words("Found")},
            {"name": "issued_in_error", "title": words("Issued in error"), "correction": True},
        ],
    } | changes


def make_rules(**changes: Any) -> RuleSet:
    return RuleSet.model_validate(rule_facts(**changes))
