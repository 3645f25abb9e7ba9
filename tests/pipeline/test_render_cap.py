"""The CAP document of every message."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertd.capprofiles import load_profiles
from alertd.core.cap import MEDIA_TYPE, NAMESPACE, judge, open_tree, parse, to_xml
from alertd.core.gsm import size
from alertd.core.rendition import fill, split
from alertd.pipeline import capfacts
from alertd.pipeline.cellbroadcast import fitted
from alertd.pipeline.render import Renderer, Subject
from alertd.resources import home
from tests.core.test_cap import schema_faults
from tests.factories import child_facts, make_alert, make_rules, rule_facts
from tests.pipeline.rendering import (
    PERSONAL,
    SLOTS,
    cap_of,
    make_renderer,
    make_subject,
    make_update,
    open_rules,
    values,
)

PROFILES = load_profiles(home("config") / "cap-profiles")


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return make_renderer()


def documents(renderer: Renderer, *subjects: Subject) -> dict[str, bytes]:
    """Give every CAP document that these versions may publish, by identifier and language."""
    return {
        f"{subject.number} {subject.alert.status} {each.kind} {each.variant}": fill(
            split(each.body), SLOTS
        )
        for subject in subjects
        for each in renderer.version(subject)
        if each.form == "cap"
    }


@pytest.mark.parametrize("status", ["actual", "exercise", "test"])
@pytest.mark.parametrize("languages", [["el", "en"], ["el"], ["en"]])
def test_every_document_breaks_no_rule(
    renderer: Renderer, status: str, languages: list[str]
) -> None:
    facts = PERSONAL | {"status": status, "languages": languages, "abduction": True}
    rules = make_rules(allow_companion=True, allow_health=True, cell_broadcast={})
    subject = make_subject(alert=make_alert(**facts), rules=rules)
    update = make_update({"status": status, "languages": languages}, facts, rules=rules)
    found = documents(renderer, subject, update)
    assert len(found) == 8
    for document in found.values():
        assert schema_faults(document) == []
        assert judge(open_tree(document), PROFILES["plain"]) == []
        assert to_xml(parse(document)) == document
        hub = {each.rule for each in judge(open_tree(document), PROFILES["wmo"])}
        assert hub == {"wmo-identifier"}
        handed = judge(open_tree(document), PROFILES["eu-alert"])
        assert handed == []


plain_text = st.text(
    st.characters(categories=("Lu", "Ll", "Nd"), max_codepoint=0x4FF), min_size=1, max_size=150
).filter(lambda text: any(char.isalpha() for char in text))


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(plain_text, min_size=1, max_size=10, unique_by=str.casefold),
    story=plain_text,
    kind=st.sampled_from(["amber", "missing"]),
    status=st.sampled_from(["actual", "exercise", "test"]),
    abduction=st.booleans(),
    vehicle=st.none() | st.builds(dict, make=plain_text, colour=plain_text),
)
def test_whatever_an_alert_says_its_documents_break_no_rule(
    renderer: Renderer, names: list[str], story: str, **changes: Any
) -> None:
    children = [child_facts(name=name, clothing=story) for name in names]
    alert = make_alert(children=children, circumstances=story, **changes)
    subject = make_subject(alert=alert, rules=make_rules(cell_broadcast={}))
    for document in documents(renderer, subject).values():
        assert judge(open_tree(document), PROFILES["eu-alert"]) == []
        assert schema_faults(document) == []


def test_typed_facts_stand_as_parameters(renderer: Renderer) -> None:
    subject = make_subject(alert=make_alert(**PERSONAL), rules=open_rules())
    found = documents(renderer, subject)
    alert = parse(found["1 exercise alert "])
    for info in alert.info:
        said = {each.value_name.removeprefix("alertd:1:"): each.value for each in info.parameter}
        assert said["children.0.name"] == "Νίκη Υποθετικού"
        assert said["children.0.health"] == "άσθμα"
        assert said["companions.0.suspect"] == "false"
        assert said["vehicle.plate"] == "ΥΥΥ-9999"
        assert said["last_seen.at"] == "2026-03-14T18:30:00+02:00"
        assert said["abduction"] == "false"
        assert not {name.split(".")[0] for name in said} & {"case_reference", "criteria"}
    assert parse(found["1 exercise end found"]).info[0].parameter == ()


def test_parameters_keep_to_what_the_rules_let_out(renderer: Renderer) -> None:
    found = documents(renderer, make_subject(alert=make_alert(**PERSONAL)))
    alert = parse(found["1 exercise alert "])
    names = " ".join(each.value_name for info in alert.info for each in info.parameter)
    assert "children.0.hair" in names
    assert "companions" not in names
    assert "health" not in names


def test_a_photo_is_no_parameter() -> None:
    found = capfacts.published({"children": [{"name": "Example", "photo": "0" * 64}]})
    assert [each.value_name for each in found] == ["alertd:1:children.0.name"]


def test_cell_broadcast_is_off_until_the_rules_want_it(renderer: Renderer) -> None:
    def broadcast(**rules: Any) -> list[dict[str, str]]:
        subject = make_subject(rules=make_rules(**rules), alert=make_alert(status="actual"))
        alert = parse(documents(renderer, subject)["1 actual alert "])
        prefix = "alertd:1:cell_broadcast."
        return [
            {
                each.value_name.removeprefix(prefix): each.value
                for each in info.parameter
                if each.value_name.startswith(prefix)
            }
            for info in alert.info
        ]

    assert broadcast() == [{}, {}]
    greek, english = broadcast(cell_broadcast={})
    assert (greek["message_id"], english["message_id"]) == ("4379", "4392")
    assert "Μαρία" in greek["text"]
    assert "+30 690 000 0000" in greek["text"]
    other = broadcast(cell_broadcast={"actual": [4370, 4383]})
    assert [each["message_id"] for each in other] == ["4370", "4383"]


@pytest.mark.parametrize(("letter", "bound"), [("a", 1395), ("α", 615), ("€", 1395), ("😀", 615)])
def test_a_broadcast_is_cut_to_what_its_alphabet_holds(letter: str, bound: int) -> None:
    description = " ".join([letter * 9] * 200)
    text = fitted("Head", description, "Call 112.")
    assert text.startswith("Head\n")
    assert text.endswith("...\nCall 112.")
    assert bound - 22 < size(text)[1] <= bound
    assert fitted("Head", "short", "Call 112.") == "Head\nshort\nCall 112."
    assert size(fitted("Head", "short", description))[1] <= bound


def test_cap_speaks_every_language_about_one_event(renderer: Renderer) -> None:
    document = cap_of(renderer.version(make_subject()), "alert")
    assert values(document, "language") == ["el-GR", "en"]
    infos = list(document.iter(f"{{{NAMESPACE}}}info"))
    for name in ("category", "value", "urgency", "expires"):
        assert len({tuple(values(info, name)) for info in infos}) == 1
    headline, description, instruction = (
        values(document, name)[0] for name in ("headline", "description", "instruction")
    )
    assert len({headline, description, instruction}) == 3


@pytest.mark.parametrize(
    ("kind", "message"),
    [("alert", "Alert"), ("end", "Cancel"), ("correction", "Cancel"), ("expiry", "Cancel")],
)
def test_cap_refers_to_what_it_follows(renderer: Renderer, kind: str, message: str) -> None:
    renditions = renderer.version(make_subject())
    document = cap_of(renditions, kind)
    assert values(document, "msgType") == [message]
    assert len(values(document, "references")) == (0 if kind == "alert" else 1)
    identifier = values(document, "identifier")[0]
    assert identifier.startswith("example.0examplealert0000000.1")
    assert values(document, "web")[0].startswith("https://alerts.example.org/")


def test_cap_codes_tell_an_abduction_from_a_missing_child(renderer: Renderer) -> None:
    def codes(**changes: Any) -> set[str]:
        document = cap_of(renderer.version(make_subject(alert=make_alert(**changes))), "alert")
        found = document.iterfind(f".//{{{NAMESPACE}}}eventCode/{{{NAMESPACE}}}value")
        return {each.text or "" for each in found}

    assert codes() == {"OET-130"}
    assert codes(kind="missing") == {"OET-130"}
    assert codes(abduction=True) == {"CAE", "OET-038"}


def test_the_rule_set_says_what_the_codes_are(renderer: Renderer) -> None:
    kinds = rule_facts()["kinds"]
    kinds[0] |= {"event_codes": {"profile:CAP-CP:Event:0.4": "missingPer"}}
    subject = make_subject(rules=make_rules(kinds=kinds))
    document = cap_of(renderer.version(subject), "alert")
    assert "missingPer" in values(document, "value")
    assert "OET-130" not in values(document, "value")


def test_cap_headline_is_cut_at_a_word(renderer: Renderer) -> None:
    children = [child_facts(name=f"Παράδειγμα Υποθετικού {'αβγδε'[n]}") for n in range(5)]
    document = cap_of(renderer.version(make_subject(alert=make_alert(children=children))), "alert")
    for headline in values(document, "headline"):
        assert 100 < len(headline) <= 140
        assert headline.endswith("…")


def test_cap_is_carried_by_the_feed_alone(renderer: Renderer) -> None:
    channels = {"sms": renderer.channels["sms"]}
    without = make_renderer(channels=channels).version(make_subject())
    assert not [r for r in without if r.media_type == MEDIA_TYPE]
