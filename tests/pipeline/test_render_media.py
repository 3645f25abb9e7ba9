"""What each medium asks for: marks of exercises, escaping, sizes, and what officials get."""

import json
from typing import Any

import pytest
from lxml import etree

from alertd.channel import Environment
from alertd.core.alert import ChildAlert
from alertd.core.gsm import encoding, fit_greek, parts
from alertd.core.rendition import Kind, fill, split
from alertd.pipeline.breakglass import Act
from alertd.pipeline.render import Renderer
from alertd.plugins import load
from alertd.templating import Templates
from tests.factories import child_facts, make_alert, make_rules
from tests.pipeline.rendering import (
    COMPANION,
    PERSONAL,
    PUBLIC_KINDS,
    SLOTS,
    cap_of,
    hostile_alert,
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


@pytest.mark.parametrize(
    ("status", "words"),
    [("exercise", ("ΑΣΚΗΣΗ", "EXERCISE")), ("test", ("ΔΟΚΙΜΗ", "TEST"))],
)
def test_exercise_is_the_first_word_of_every_text(
    renderer: Renderer, status: str, words: tuple[str, str]
) -> None:
    alert = make_alert(status=status)
    update = make_subject(kind=Kind.UPDATE, alert=alert, previous=make_alert(status=status))
    rendered = [*renderer.version(make_subject(alert=alert)), *renderer.version(update)]
    for rendition in [*rendered, *to_officials(renderer, status)]:
        if rendition.form == "cap":
            continue
        word = words[rendition.language != "el"]
        for part in texts_of(rendition):
            visible = part.partition("<body>")[2] or part
            first = etree.HTML(visible).xpath("string()").split()[0]
            assert first in {word, fit_greek(word)}, rendition.key


@pytest.mark.parametrize(("status", "value"), [("exercise", "Exercise"), ("test", "Test")])
def test_cap_marks_an_exercise_in_status_note_and_every_text(
    renderer: Renderer, status: str, value: str
) -> None:
    renditions = renderer.version(make_subject(alert=make_alert(status=status)))
    for kind in PUBLIC_KINDS:
        document = cap_of(renditions, kind)
        assert values(document, "status") == [value]
        assert values(document, "note")[0].startswith(("ΑΣΚΗΣΗ", "ΔΟΚΙΜΗ"))
        for name in ("headline", "description", "instruction"):
            greek, english = values(document, name)
            assert greek.startswith(("ΑΣΚΗΣΗ - ", "ΔΟΚΙΜΗ - "))
            assert english.startswith(("EXERCISE - ", "TEST - "))


def test_an_actual_alert_carries_no_mark(renderer: Renderer) -> None:
    alert = make_alert(status="actual")
    for rendition in [
        *renderer.version(make_subject(alert=alert)),
        *to_officials(renderer, "actual"),
    ]:
        assert b"EXERCISE" not in rendition.body
        assert "ΑΣΚΗΣΗ" not in rendition.body.decode()
    assert values(cap_of(renderer.version(make_subject(alert=alert)), "alert"), "note") == []


def test_markup_in_fields_is_escaped_in_html_and_xml(renderer: Renderer) -> None:
    renditions = renderer.version(make_subject(alert=hostile_alert()))
    html = texts_of(next(r for r in renditions if r.channel == "email" and r.kind == "alert"))[2]
    assert "<b onclick" not in html
    assert "&lt;b onclick=&#34;x&#34;&gt;&amp;lt;{{ 7*7 }}" in html
    document = cap_of(renditions, "alert")
    assert '<b onclick="x">&lt;{{ 7*7 }}' in values(document, "description")[0]


def test_html_mail_loads_nothing_from_outside(renderer: Renderer) -> None:
    for rendition in [*renderer.version(make_subject()), *to_officials(renderer)]:
        if rendition.channel == "email":
            html = etree.HTML(texts_of(rendition)[2])
            assert html.get("lang") == rendition.language
            assert not html.xpath("//img | //script | //link | //iframe | //*[@background]")
            assert "url(" not in texts_of(rendition)[2]
            assert html.xpath("//h1")
            assert html.xpath("//title/text()")


def test_sms_is_gsm7_by_default_and_ucs2_when_asked() -> None:
    alert = make_alert(**PERSONAL)
    fitted = text(make_renderer().version(make_subject(alert=alert)), "alert", "", "sms", "el")
    plain_renderer = make_renderer(templates=Templates(greek_sms="ucs2"))
    plain = text(plain_renderer.version(make_subject(alert=alert)), "alert", "", "sms", "el")
    assert (encoding(fitted), encoding(plain)) == ("gsm7", "ucs2")
    assert fit_greek(plain) == fitted
    assert parts(fitted)[1] <= 2 < parts(plain)[1]


@pytest.mark.parametrize("count", [3, 10])
def test_sms_of_the_fullest_alert_stays_within_what_a_provider_takes(
    renderer: Renderer, count: int
) -> None:
    full = "μακρύ κείμενο " * 14
    looks = dict.fromkeys(("hair", "eyes", "build", "clothing", "distinguishing_marks"), full)
    facts: dict[str, Any] = {
        "children": [child_facts(name=full, age=n, **looks) for n in range(count)],
        "companions": [COMPANION | {"name": full, "clothing": full}] * 5,
        "vehicle": {"make": full, "colour": full, "plate": "X" * 20, "country": "GR"},
        "last_seen": {"at": "2026-11-24T00:00:00+00:00", "place": full},
        "area": {"regions": [f"GR-{letter}" for letter in "ABCDEFGHIJKLM"]},
        "phone_lines": [{"label": full, "number": "+30 690 000 0000 0"}] * 6,
    }
    version = renderer.version(make_update({}, facts, rules=open_rules()))
    for language in ("el", "en"):
        body = text(version, "update", "", "sms", language)
        assert 700 < len(body) <= 1600


def webhook_data(renderer: Renderer, alert: ChildAlert) -> dict[str, Any]:
    channel: Any = renderer.channels["webhook"]
    channel.contexts.clear()
    renderer.version(make_subject(alert=alert))
    first: dict[str, Any] = channel.contexts[0]["data"]
    return first


def test_webhook_gets_typed_facts(renderer: Renderer) -> None:
    data = webhook_data(renderer, make_alert(**PERSONAL))
    assert data["identifier"] == "example.0examplealert0000000.1"
    assert data["alert_id"] == "0examplealert0000000"
    assert data["last_seen"]["at"] == "2026-03-14T18:30:00+02:00"
    assert data["children"][0]["height_cm"] == 132
    assert data["area"]["polygon"][0] == [37.0, 23.0]
    assert data["companions"] == []
    assert data["omitted"] == []


def test_webhook_names_what_was_too_much_for_it(renderer: Renderer) -> None:
    ring = [[37 + n / 1000, 23.123456] for n in range(499)] + [[38, 24]]
    area = {"regions": ["GR-I"], "polygon": ring}
    data = webhook_data(renderer, make_alert(area=area))
    assert data["omitted"] == ["polygon"]
    assert len(json.dumps(data, ensure_ascii=False).encode()) < 8_200
    assert "children" in data


def test_the_fullest_facts_of_machines_stay_small(renderer: Renderer) -> None:
    full = "ά" * 199
    looks = dict.fromkeys(("build", "hair", "eyes", "clothing", "distinguishing_marks"), full)
    alert = make_alert(children=[child_facts(**looks)] * 10, circumstances="ά" * 2000)
    data = webhook_data(renderer, alert)
    assert data["omitted"] == ["circumstances", "children"]
    assert len(json.dumps(data, ensure_ascii=False).encode()) < 8_200


def test_officials_are_asked_reminded_and_deputised(renderer: Renderer) -> None:
    variants = {r.variant for r in to_officials(renderer) if r.kind == Kind.REQUEST}
    assert variants == {"police", "police:reminder", "police:deputy"}
    asked = [text(to_officials(renderer), "request", v, "sms", "en") for v in sorted(variants)]
    assert len(set(asked)) == 3


def test_officials_get_case_reference_and_link_and_nothing_of_the_child(
    renderer: Renderer,
) -> None:
    renditions = to_officials(renderer)
    assert {(r.channel, r.language) for r in renditions} == {
        (channel, language) for channel in ("sms", "email") for language in ("el", "en")
    }
    for rendition in renditions:
        about_alertd = rendition.variant in {"chain_broken", "held", "went_back"} | set(Act)
        for part in texts_of(rendition)[-2:]:
            assert about_alertd or "EX-2026-0001" in part
            assert "https://alerts.example.org/cases/0examplealert0000000" in part


def test_operators_read_which_channels_have_not_begun(renderer: Renderer) -> None:
    (english,) = [
        rendition
        for rendition in to_officials(renderer)
        if (rendition.variant, rendition.channel, rendition.language)
        == ("not_started", "sms", "en")
    ]
    assert "nothing has been sent yet by mail, feed." in texts_of(english)[-1]


def test_officials_are_told_of_nothing_but_the_known_events(renderer: Renderer) -> None:
    with pytest.raises(ValueError, match="found"):
        renderer.notice(
            rules=make_rules(),
            event="found",
            case_reference="EX-1",
            status="exercise",
            link="https://alerts.example.org/",
        )


def test_the_real_channels_compose_every_message() -> None:
    channels = load(
        {
            "sms": {
                "account_sid": "AC" + "0" * 32,
                "auth_token": "fictional",
                "sender": "Example",
            },
            "email": {"host": "127.0.0.1", "tls": "none", "sender": "alerts@example.org"},
            "webhook": {},
            "feed": {},
        },
        Environment(public_url="https://alerts.example.org", sender_domain="example.org"),
    )
    renderer = make_renderer(channels=channels)
    renditions = [*renderer.version(make_subject()), *to_officials(renderer)]
    assert {r.form for r in renditions if r.channel == "feed"} == {"entry", "cap", "page"}
    for rendition in renditions:
        filled = fill(split(rendition.body), SLOTS)
        if rendition.media_type == "application/json":
            assert json.loads(filled)
