"""What cannot be recalled: each channel's list of fields, and the link that leads to the rest."""

import json
from email import message_from_bytes, policy
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from alertd.channel import Environment
from alertd.core.alert import Companion, LastSeen, Vehicle
from alertd.core.errors import ConfigError
from alertd.core.gsm import fit_greek
from alertd.core.outward import DEFAULTS, FIELDS
from alertd.core.photo import LINKED, Photo, Size
from alertd.core.problems import problems_of
from alertd.core.rendition import Rendition
from alertd.pipeline.render import Renderer
from alertd.plugins import load
from alertd.rulebook import Rulebook
from alertd.templating import Templates
from tests.factories import child_facts, make_alert, make_rules
from tests.pipeline.rendering import make_renderer, make_subject, make_update

PUSHED = ("sms", "email", "webhook", "websub")
LINK = "https://alerts.example.org/a/0examplealert0000000/"
PHOTO = Photo(1, "f" * 64, "fictionaltoken", (Size(LINKED, 800, 600, 5000, "a" * 40),))

# Every field with a word of its own, so that a message tells where it came from.
LOOKS = ("build", "hair", "eyes", "clothing", "distinguishing_marks")
WORDS = {
    **{f"children.{name}": f"child's {name.replace('_', ' ')}" for name in ("name", *LOOKS)},
    "children.age": "13 years old",
    "children.height_cm": "1.33 m",
    "children.health": "child's fictional health",
    "children.photo": "fictionaltoken",
    **{f"companions.{name}": f"other's {name.replace('_', ' ')}" for name in ("name", *LOOKS)},
    "companions.age": "47 years old",
    "companions.height_cm": "1.87 m",
    "companions.relation": "other's fictional relation",
    "vehicle.make": "Examplemobile",
    "vehicle.colour": "fictional mauve",
    "vehicle.plate": "XYX-4711",
    "vehicle.country": "Cyprus",
    "last_seen.at": "17:59",
    "last_seen.place": "Fictional Street 7",
    "last_seen.coordinates": "37.12345",
    "circumstances": "Fictional circumstances.",
}
FACTS: dict[str, Any] = {
    "children": [
        child_facts(
            **{n: WORDS[f"children.{n}"] for n in ("name", *LOOKS, "health")},
            age=13,
            height_cm=133,
            photo=PHOTO.digest,
        )
    ],
    "companions": [
        {n: WORDS[f"companions.{n}"] for n in ("name", *LOOKS, "relation")}
        | {"sex": "male", "age": 47, "height_cm": 187, "suspect": True}
    ],
    "vehicle": {
        "make": WORDS["vehicle.make"],
        "colour": WORDS["vehicle.colour"],
        "plate": WORDS["vehicle.plate"],
        "country": "CY",
    },
    "last_seen": {
        "at": "2026-11-23T15:59:00+00:00",
        "place": WORDS["last_seen.place"],
        "coordinates": [37.12345, 23.7],
    },
    "circumstances": WORDS["circumstances"],
}


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    """The real channels: what they compose is what leaves."""
    account = {"account_sid": f"AC{'0' * 32}", "auth_token": "example", "sender": "Example"}
    settings: dict[str, dict[str, Any]] = {
        "sms": account,
        "email": {"host": "mail.example.org", "port": 587, "sender": "a@example.org"},
        **{name: {} for name in ("webhook", "websub", "feed")},
    }
    environment = Environment(public_url="https://alerts.example.org", sender_domain="example.org")
    return make_renderer(channels=load(settings, environment))


def rendered(renderer: Renderer, *, update: bool = False, **changes: Any) -> list[Rendition]:
    rules = make_rules(allow_companion=True, allow_health=True, **changes)
    if update:
        subject = make_update({}, FACTS, rules=rules, photos=(PHOTO,))
    else:
        subject = make_subject(alert=make_alert(**FACTS), rules=rules, photos=(PHOTO,))
    return [r for r in renderer.version(subject) if r.kind in ("alert", "update")]


def said(renditions: list[Rendition], channel: str, language: str = "en") -> str:
    (found,) = (r for r in renditions if (r.channel, r.language) == (channel, language))
    text = found.body.decode()
    if channel == "email" and "\r\n" in text:
        parts = message_from_bytes(found.body, policy=policy.default).walk()
        texts = [part.get_content() for part in parts if not part.is_multipart()]
        text = "\n".join([*texts, found_subject(found.body)])
    return unescape(text)


def found_subject(body: bytes) -> str:
    return str(message_from_bytes(body, policy=policy.default)["Subject"])


def told(text: str) -> set[str]:
    plain = unescape(text).lower()
    return {field for field, word in WORDS.items() if word.lower() in plain}


@pytest.mark.parametrize("update", [False, True], ids=["alert", "update"])
@pytest.mark.parametrize("channel", PUSHED)
def test_what_leaves_by_default_is_what_the_list_says(
    renderer: Renderer, channel: str, *, update: bool
) -> None:
    text = said(rendered(renderer, update=update), channel)
    found = told(text)
    assert found <= set(DEFAULTS[channel])
    assert "children.name" in found


def test_the_revocable_page_still_tells_it_all(renderer: Renderer) -> None:
    page = next(r for r in rendered(renderer) if r.form == "page" and r.language == "en")
    assert told(page.body.decode()) >= set(WORDS) - {"last_seen.coordinates"}


@pytest.mark.parametrize("field", sorted(WORDS))
def test_a_field_alone_on_the_lists_leaves_alone(renderer: Renderer, field: str) -> None:
    lists = {channel: [field] for channel in PUSHED}
    if field == "children.photo":
        del lists["sms"]  # refused: a text message leads to the page alone
    renditions = rendered(renderer, outward=lists)
    for channel in lists:
        text = said(renditions, channel)
        assert told(text) <= {field}
        assert LINK in text


@pytest.mark.parametrize("channel", PUSHED)
@pytest.mark.parametrize("update", [False, True], ids=["alert", "update"])
def test_an_empty_list_leaves_the_kind_the_area_and_the_link(
    renderer: Renderer, channel: str, *, update: bool
) -> None:
    text = said(rendered(renderer, update=update, outward={channel: []}), channel)
    assert told(text) == set()
    assert LINK in text
    assert "Attica" in text


def test_a_whole_holder_may_be_named_at_once() -> None:
    rules = make_rules(outward={"sms": ["vehicle", "last_seen.place"]})
    assert rules.may_enter("sms") == {
        *(f"vehicle.{name}" for name in Vehicle.model_fields),
        "last_seen.place",
    }
    assert rules.may_enter("email") == set(DEFAULTS["email"])


def test_a_channel_without_a_list_carries_no_field_and_the_feed_every_one() -> None:
    rules = make_rules()
    assert rules.may_enter("carrier_pigeon") == frozenset()
    assert rules.may_enter("feed") == set(FIELDS)


def test_no_default_lets_out_health_a_suspect_or_a_photo_for_good() -> None:
    for channel, fields in DEFAULTS.items():
        named = {"children.health", "companions.name", "companions.suspect", "companions.relation"}
        assert named.isdisjoint(fields), channel
    assert "children.photo" not in {*DEFAULTS["sms"], *DEFAULTS["email"]}


def test_the_lists_know_every_field_of_the_alert_that_tells_of_somebody() -> None:
    for holder, model in (
        ("companions", Companion),
        ("vehicle", Vehicle),
        ("last_seen", LastSeen),
    ):
        assert {f"{holder}.{name}" for name in model.model_fields} <= set(FIELDS)
    assert "children.birth_date" not in FIELDS  # it leaves by no channel at all


@pytest.mark.parametrize(
    ("lists", "field", "message"),
    [
        ({"sms": ["children.photo"]}, "outward.sms", "a text message leads to the page alone"),
        ({"sms": ["children"]}, "outward.sms", "remove children.photo"),
        ({"email": ["vehicle", "colour"]}, "outward.email.1", "is no field; choose of: children,"),
        ({"email": ["children.birth_date"]}, "outward.email.0", "is no field"),
        ({"webhook": "vehicle"}, "outward.webhook", "must be a list in square brackets"),
        (["sms"], "outward", "must be an object in curly brackets"),
    ],
)
def test_a_wrong_list_is_refused_naming_it(lists: Any, field: str, message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        make_rules(outward=lists)
    (problem,) = problems_of(raised.value)
    assert problem.field == field
    assert message in problem.message


def test_another_list_is_another_rule_set_and_another_order_is_not() -> None:
    digest = Rulebook.digest
    given = make_rules(outward={"sms": ["vehicle.plate", "children.name"]})
    turned = make_rules(outward={"sms": ["children.name", "vehicle.plate"]})
    assert digest(given) == digest(turned) != digest(make_rules())
    assert digest(make_rules(outward=dict(DEFAULTS))) == digest(make_rules())


# --- an operator's templates


def write(root: Path, name: str, content: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


@pytest.mark.parametrize("asking", ["{{ child.health }}", "{{ child.health | upper }}"])
def test_a_template_that_needs_what_must_not_enter_leads_to_the_page_instead(
    tmp_path: Path, asking: str
) -> None:
    loop = f"{{% for child in children %}}{asking}{{% endfor %}} {{{{ link }}}}"
    write(tmp_path, "sms/alert/text.txt.j2", f"{{{{ prefix }}}}{loop}")
    write(tmp_path, "email/alert/body.html.j2", f"<p>{{{{ prefix }}}}{loop}</p>")
    renderer = make_renderer(templates=Templates(tmp_path))
    renditions = rendered(renderer)
    for channel in ("sms", "email"):
        for language, area in (("el", "Αττική"), ("en", "Attica")):
            text = said(renditions, channel, language)
            assert "health" not in text
            assert f"{LINK}{language}" in text
            assert area in text
    assert said(renditions, "sms").startswith("EXERCISE - AMBER Alert")


def test_the_same_template_tells_it_where_the_list_allows(tmp_path: Path) -> None:
    loop = "{% for child in children %}{{ child.health }}{% endfor %}"
    write(tmp_path, "sms/alert/text.txt.j2", f"{{{{ prefix }}}}{loop} {{{{ link }}}}")
    renderer = make_renderer(templates=Templates(tmp_path))
    text = said(rendered(renderer, outward={"sms": ["children.health"]}), "sms")
    assert text == f"EXERCISE - child's fictional health {LINK}en"


def test_a_slip_in_a_template_is_no_withheld_field(tmp_path: Path) -> None:
    write(tmp_path, "sms/alert/text.txt.j2", "{{ prefix }}{{ chidlren }} {{ link }}")
    with pytest.raises(ConfigError, match="'chidlren' is undefined"):
        rendered(make_renderer(templates=Templates(tmp_path)))


@pytest.mark.parametrize("name", ["sms/alert/text.txt.j2", "sms/update/text.txt.j2"])
def test_a_message_to_people_without_the_link_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, "{{ prefix }}{{ who }}")
    with pytest.raises(ConfigError, match=r"templates sms/(alert|update): one of them must hold"):
        rendered(make_renderer(templates=Templates(tmp_path)), update="update" in name)


def test_a_text_message_of_withheld_fields_is_still_fitted(renderer: Renderer) -> None:
    text = said(rendered(renderer, outward={"sms": ["children.age"]}), "sms", "el")
    assert fit_greek("13 ετών") in text
    assert text == fit_greek(text)


# --- webhooks


@pytest.mark.parametrize("kind", ["alert", "end", "correction", "expiry"])
def test_every_webhook_holds_the_address_of_the_page(renderer: Renderer, kind: str) -> None:
    subject = make_subject(alert=make_alert(**FACTS), photos=(PHOTO,))
    bodies = [
        json.loads(r.body)["data"]
        for r in renderer.version(subject)
        if (r.channel, r.kind) == ("webhook", kind)
    ]
    assert bodies
    assert all(body["link"] == f"{LINK}{body['language']}" for body in bodies)


def test_a_webhook_lets_typed_facts_out_by_the_same_list(renderer: Renderer) -> None:
    body = said(rendered(renderer, outward={"webhook": ["children.hair", "vehicle"]}), "webhook")
    data = json.loads(body)["data"]
    assert data["children"] == [{"hair": "child's hair"}]
    assert data["companions"] == []
    assert data["vehicle"]["plate"] == "XYX-4711"
    assert data["last_seen"] == {}
    assert "circumstances" not in data


def test_a_channel_sees_no_point_on_a_map_that_its_list_leaves_out() -> None:
    renderer = make_renderer()
    rendered(renderer)
    shapes = {
        name: vars(renderer.channels[name])["contexts"][0]["shape"]
        for name in ("sms", "webhook", "feed")
    }
    assert "last_seen" not in shapes["sms"]
    assert shapes["webhook"]["last_seen"] == shapes["feed"]["last_seen"] == [37.12345, 23.7]
