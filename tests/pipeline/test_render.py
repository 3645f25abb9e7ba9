"""What is rendered for a version: every message, in every channel and language."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alertd.core.gsm import fit_greek
from alertd.core.rendition import Slot, split
from alertd.pipeline.render import Renderer
from alertd.templating import Templates
from tests.factories import child_facts, make_alert, make_rules
from tests.pipeline.rendering import (
    COMPANION,
    CORRECTION,
    PERSONAL,
    PUBLIC_KINDS,
    cap_of,
    make_renderer,
    make_subject,
    make_update,
    open_rules,
    text,
    texts_of,
    to_officials,
    values,
)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return make_renderer()


def test_every_kind_is_rendered_for_every_channel_and_language(renderer: Renderer) -> None:
    renditions = renderer.version(make_subject())
    reasons = {"end": "found", "correction": "issued_in_error"}
    expected = {
        (kind, reasons.get(kind, ""), channel, language, "message")
        for kind in PUBLIC_KINDS
        for channel in ("sms", "email", "webhook", "feed")
        for language in ("el", "en")
    } | {(kind, reasons.get(kind, ""), "feed", "mul", "cap") for kind in PUBLIC_KINDS}
    assert {rendition.key for rendition in renditions} == expected
    assert len(renditions) == len(expected)
    assert all(part.strip() for r in renditions for part in texts_of(r))


def test_update_takes_the_place_of_the_alert(renderer: Renderer) -> None:
    kinds = {r.kind for r in renderer.version(make_update({}, {}))}
    assert kinds == {"update", "end", "correction", "expiry"}


def test_channels_that_the_kind_does_not_name_are_left_out(renderer: Renderer) -> None:
    kind = {"name": "amber", "title": {"el": "Δ", "en": "E"}, "channels": ["sms"]}
    renditions = renderer.version(make_subject(rules=make_rules(kinds=[kind])))
    assert {r.channel for r in renditions} == {"sms"}


def test_languages_fall_back_to_what_the_rule_set_offers(renderer: Renderer) -> None:
    alert = make_alert(languages=["el-CY", "de", "en"])
    renditions = renderer.version(make_subject(alert=alert))
    assert {r.language for r in renditions} == {"el", "en", "mul"}


def test_rendering_twice_gives_the_same_bytes(renderer: Renderer) -> None:
    subject = make_update({}, {"circumstances": "Άλλη περιγραφή."})
    again = make_renderer(templates=Templates())
    assert renderer.version(subject) == again.version(subject)
    assert to_officials(renderer) == to_officials(again)


def test_a_version_is_rendered_well_within_the_time_a_submission_may_take(
    renderer: Renderer,
) -> None:
    subject = make_subject()
    renderer.version(subject)
    started = time.process_time()
    renderer.version(subject)
    assert time.process_time() - started < 0.2


def test_slots_are_only_those_of_the_closed_list(renderer: Renderer) -> None:
    allowed = {
        "sms": {Slot.OWN_LINK},
        "email": {Slot.OWN_LINK, Slot.SENT_TEXT},
        "webhook": set(),
        "feed": {Slot.SENT, Slot.REFERENCES},
    }
    for rendition in renderer.version(make_subject()):
        slots = {part for part in split(rendition.body) if isinstance(part, Slot)}
        assert slots <= allowed[rendition.channel], rendition.key
    for rendition in to_officials(renderer):
        assert not [part for part in split(rendition.body) if isinstance(part, Slot)]


# --- what it says


@pytest.mark.parametrize("language", ["el", "en"])
@pytest.mark.parametrize("channel", ["sms", "email", "webhook", "feed"])
def test_alert_says_who_when_where_and_what_to_do(
    renderer: Renderer, channel: str, language: str
) -> None:
    renditions = renderer.version(make_subject(alert=make_alert(**PERSONAL)))
    body = text(renditions, "alert", "", channel, language)
    do_not = {"el": "επέμβετε", "en": "intervene"}[language]
    facts = ["Νίκη Υποθετικού", "λευκό φόρεμα", "Οδός Παραδείγματος 7", "18:30", do_not]
    for fact in [
        *facts,
        "ΥΥΥ-9999",
        "+30 690 000 0000",
        {"el": "Αττική", "en": "Attica"}[language],
    ]:
        assert (fit_greek(fact) if channel == "sms" else fact) in body


@pytest.mark.parametrize(("language", "word"), [("el", "άγνωστο"), ("en", "unknown")])
@pytest.mark.parametrize("channel", ["sms", "email", "webhook", "feed"])
def test_unknown_is_printed(renderer: Renderer, channel: str, language: str, word: str) -> None:
    child = {"name": "unknown", "age": 4, "sex": "unknown"}
    alert = make_alert(children=[child], vehicle={"plate": "unknown"})
    body = text(renderer.version(make_subject(alert=alert)), "alert", "", channel, language)
    spelt = fit_greek(word) if channel == "sms" else word
    assert body.count(spelt) >= 7  # name, sex, height, hair, clothing, make, colour, plate
    assert language == "en" or "unknown" not in body


def test_times_are_given_in_the_authoritys_zone(renderer: Renderer) -> None:
    winter = datetime(2026, 3, 14, 18, 30, tzinfo=UTC)  # last seen at 16:30 UTC
    renditions = renderer.version(make_subject(alert=make_alert(winter)))
    assert "14 Μαρτίου 2026, 18:30" in text(renditions, "alert", "", "email", "el")
    assert "14 March 2026, 18:30" in text(renditions, "alert", "", "email", "en")
    assert values(cap_of(renditions, "alert"), "expires")[0] == "2026-03-15T08:30:00+02:00"


def test_units_and_ages_follow_the_language(renderer: Renderer) -> None:
    alert = make_alert(
        children=[child_facts(age=1, height_cm=75), child_facts(age=0), child_facts(age=9)]
    )
    renditions = renderer.version(make_subject(alert=alert))
    greek = text(renditions, "alert", "", "email", "el")
    english = text(renditions, "alert", "", "email", "en")
    for words in ("1 έτους", "κάτω του ενός έτους", "9 ετών", "75 εκ."):
        assert words in greek
    for words in ("1 year old", "under 1 year old", "9 years old", "0.75 m"):
        assert words in english


def test_age_is_reckoned_from_the_birth_date_and_the_date_kept_back(renderer: Renderer) -> None:
    child = child_facts(age=None, birth_date="2016-03-15")
    for hour, age in ((12, "9 years old"), (22, "10 years old")):  # in Athens it is the 15th
        reported_at = datetime(2026, 3, 14, hour, 45, tzinfo=UTC)
        alert = make_alert(reported_at + timedelta(minutes=30), children=[child])
        renditions = renderer.version(make_subject(alert=alert))
        assert age in text(renditions, "alert", "", "sms", "en")
        assert not any(b"2016" in r.body for r in renditions)
    channel: Any = renderer.channels["webhook"]
    assert "2016" not in json.dumps([dict(c["data"]) for c in channel.contexts])


def test_case_reference_and_criteria_stay_inside(renderer: Renderer) -> None:
    channel: Any = renderer.channels["webhook"]
    for rendition in renderer.version(make_subject()):
        assert b"EX-2026-0001" not in rendition.body
    data = json.dumps([dict(c["data"]) for c in channel.contexts])
    assert "EX-2026-0001" not in data
    assert "Fictional reason" not in data


@pytest.mark.parametrize("language", ["el", "en"])
def test_companion_and_health_need_the_policys_leave(renderer: Renderer, language: str) -> None:
    alert = make_alert(**PERSONAL)
    kept = renderer.version(make_subject(alert=alert))
    given = renderer.version(make_subject(alert=alert, rules=open_rules()))
    for fact in ("Εύα Υποδειγματική", "άσθμα"):
        spellings = (fact.encode(), fit_greek(fact).encode())
        assert not any(spelling in r.body for r in kept for spelling in spellings)
        assert fact in text(given, "alert", "", "feed", language)


def test_free_text_is_marked_where_it_is_not_translated(renderer: Renderer) -> None:
    renditions = renderer.version(make_subject(alert=make_alert(**PERSONAL)))
    english = text(renditions, "alert", "", "email", "en")
    assert "as the authority wrote them, in Greek" in english
    assert '<td lang="el">λευκό φόρεμα</td>' in english
    assert '<td lang="el">Cyprus' not in english
    assert "lang=" not in text(renditions, "alert", "", "email", "el").partition("<body>")[2]


def test_update_says_what_is_new(renderer: Renderer) -> None:
    seen = {"at": "2026-03-14T17:00:00+00:00", "place": "Νέα Οδός 1"}
    subject = make_update({}, {"children": [child_facts(clothing="unknown")], "last_seen": seen})
    renditions = renderer.version(subject)
    greek = "Νέα στοιχεία: ρούχα, ώρα που εθεάθη, τόπος."
    for channel in ("email", "webhook", "feed"):
        assert greek in text(renditions, "update", "", channel, "el")
    assert fit_greek(greek) in text(renditions, "update", "", "sms", "el")
    english = text(renditions, "update", "", "sms", "en")
    assert "New: clothing, time last seen, place last seen." in english


def test_update_keeps_silent_about_what_the_policy_keeps_back(renderer: Renderer) -> None:
    subject = make_update({}, {"companions": [COMPANION]})
    body = text(renderer.version(subject), "update", "", "email", "en")
    assert "New:" not in body


def test_an_added_child_is_told_as_such(renderer: Renderer) -> None:
    subject = make_update({}, {"children": [child_facts(), child_facts(name="Άλλη")]})
    assert "New: children." in text(renderer.version(subject), "update", "", "email", "en")


@pytest.mark.parametrize("kind", ["end", "correction", "expiry"])
def test_what_follows_an_alert_names_nobody_and_no_place(renderer: Renderer, kind: str) -> None:
    subject = make_subject(alert=make_alert(**PERSONAL), rules=open_rules())
    channel: Any = renderer.channels["webhook"]
    channel.contexts.clear()
    bodies = [r.body.decode() for r in renderer.version(subject) if r.kind == kind]
    bodies += [
        json.dumps(c["data"], ensure_ascii=False) for c in channel.contexts if c["kind"] == kind
    ]
    assert len(bodies) == 11
    facts = ["Νίκη", "Υποθετικού", "9 ετών", "φόρεμα", "άσθμα", "Εύα", "ζακέτα", "Υπόδειγμα"]
    facts += ["μοβ", "ΥΥΥ", "Οδός", "περιγραφή", "18:30", "23.7", "38,23", "37.9"]
    for body in bodies:
        for fact in facts:
            assert fact not in body
            assert fit_greek(fact) not in body


def test_end_says_that_the_search_is_over_and_not_how(renderer: Renderer) -> None:
    reasons = [
        {"name": name, "title": {"el": f"Λόγος {name}", "en": f"Because {name}"}}
        for name in ("found", "other")
    ] + [CORRECTION]
    renditions = renderer.version(make_subject(rules=make_rules(end_reasons=reasons)))
    for channel in ("sms", "email"):
        first = text(renditions, "end", "found", channel, "en")
        assert "the search is over" in first
        assert first == text(renditions, "end", "other", channel, "en")


def test_end_of_the_broadcast_alone_says_that_the_search_goes_on(renderer: Renderer) -> None:
    reason = {"name": "search_continues", "title": {"el": "Σ", "en": "S"}}
    renditions = renderer.version(make_subject(rules=make_rules(end_reasons=[reason, CORRECTION])))
    for rendition in (r for r in renditions if r.kind == "end"):
        assert "search is over" not in rendition.body.decode()
        assert "+30 690 000 0000" in rendition.body.decode()
