"""Every message names a line to call: the alert's own, else the programme's."""

from alertd.core.rendition import Kind
from alertd.resources import home
from alertd.rulebook import Rulebook
from tests.factories import make_alert
from tests.pipeline.rendering import make_renderer, make_subject

HELLAS = Rulebook.load(home("config") / "rulesets").current("amber-alert-hellas")


def test_alert_without_lines_prints_the_programme_s_in_each_language() -> None:
    subject = make_subject(alert=make_alert(phone_lines=[]), rules=HELLAS)
    renditions = make_renderer().version(subject)
    public = [each for each in renditions if each.kind is Kind.ALERT]
    assert {each.channel for each in public} >= {"sms", "email", "webhook", "feed"}
    for each in public:
        assert b"116000" in each.body or each.channel == "feed", each.key
    emails = {each.language: each.body.decode() for each in public if each.channel == "email"}
    assert "Ευρωπαϊκή Γραμμή για τα Εξαφανισμένα Παιδιά" in emails["el"]
    assert "European Hotline for Missing Children" in emails["en"]
    (cap,) = [each.body.decode() for each in public if each.form == "cap"]
    assert "European Hotline for Missing Children: 116000" in cap


def test_alert_with_lines_of_its_own_prints_those_alone() -> None:
    subject = make_subject(alert=make_alert(), rules=HELLAS)
    bodies = [each.body for each in make_renderer().version(subject)]
    assert not any(b"116000" in body for body in bodies)
    assert any(b"+30 690 000 0000" in body for body in bodies)
