"""A preview is what goes out, with what differs from the version before it marked."""

import re
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pytest

from alertd import plugins
from alertd.atlas import load_atlas
from alertd.channel import Environment
from alertd.console.officials.differences import Piece, compare, differences, rows
from alertd.console.officials.marking import mark
from alertd.console.officials.previews import (
    Body,
    Moment,
    Preview,
    channels_of,
    framed,
    is_shown,
    previews,
    tabs_of,
)
from alertd.core.alert import ChildAlert
from alertd.core.rendition import Kind
from alertd.pipeline.render import Renderer, Subject
from alertd.pipeline.wording import Wording
from alertd.resources import home
from alertd.templating import Templates
from tests.factories import NOW, child_facts, make_alert, make_rules

URL = "https://alerts.example.org"
MOMENT = Moment(at=NOW, zone="Europe/Athens", public_url=URL)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    settings = {
        "sms": {"account_sid": f"AC{'0' * 32}", "auth_token": "no token", "sender": "Example"},
        "email": {"host": "127.0.0.1", "tls": "none", "sender": "alerts@example.org"},
        "webhook": {},
        "feed": {},
        "websub": {},
    }
    return Renderer(
        channels=plugins.load(settings, Environment(public_url=URL, sender_domain="example.org")),
        atlas=load_atlas(home("config") / "regions"),
        public_url=URL,
        sender="alerts@example.org",
        templates=Templates(),
    )


def bodies(
    renderer: Renderer, alert: ChildAlert, channels: set[str] | None = None
) -> Sequence[Body]:
    subject = Subject(
        alert_id="a", identifier="x.a.1", number=1, kind=Kind.ALERT, alert=alert, rules=make_rules()
    )
    return [
        Body(
            channel=each.channel,
            language=each.language,
            form=each.form,
            media_type=each.media_type,
            data=each.body,
        )
        for each in renderer.version(subject, None, channels)
        if is_shown(each.kind, each.variant)
    ]


def test_every_medium_has_its_tab_in_every_language(renderer: Renderer) -> None:
    found = previews(bodies(renderer, make_alert()), MOMENT)
    tabs = {(each.tab, each.language) for each in found}
    media = ("sms", "email", "page", "entry", "poster", "webhook", "websub")
    assert len(tabs) == len(found)
    assert tabs == {(tab, tag) for tab in media for tag in ("el", "en")} | {("cap", "mul")}


def chosen(found: list[Preview], tab: str, language: str) -> Preview:
    return next(each for each in found if (each.tab, each.language) == (tab, language))


def test_the_tabs_of_a_channel_are_those_that_its_messages_fill(renderer: Renderer) -> None:
    rendered = bodies(renderer, make_alert())
    channels = {body.channel for body in rendered}
    shown = previews(rendered, MOMENT)
    assert list(dict.fromkeys(each.tab for each in shown)) == tabs_of(channels)
    for tab in tabs_of(channels):
        filled = {each.body.channel for each in shown if each.tab == tab}
        assert filled == channels_of(tab, channels)


def test_a_look_at_one_channel_renders_what_all_channels_would(renderer: Renderer) -> None:
    whole = bodies(renderer, make_alert())
    for channel in {body.channel for body in whole}:
        alone = bodies(renderer, make_alert(), {channel})
        assert alone == [body for body in whole if body.channel == channel]


def test_an_entry_of_the_feeds_is_read_as_whoever_follows_them_reads_it(renderer: Renderer) -> None:
    found = chosen(previews(bodies(renderer, make_alert()), MOMENT), "entry", "en")
    title, *summary, link, published = found.text[0].text.split("\n\n")
    assert title.startswith("EXERCISE - AMBER Alert")
    assert "Age: 9 years old" in "\n".join(summary).splitlines()
    assert link.startswith(URL)
    assert published == "Tue, 24 Nov 2026 04:00:00 +0200"


def test_a_subscriber_s_feed_names_the_feed_and_no_mailbox(renderer: Renderer) -> None:
    found = chosen(previews(bodies(renderer, make_alert()), MOMENT), "websub", "en")
    assert f"<id>{URL}/feeds/atom.xml</id>" in found.text[0].text


def test_another_s_channel_has_a_tab_of_its_own_behind_ours() -> None:
    assert tabs_of({"fax", "websub", "sms"}) == ["sms", "websub", "fax"]
    assert channels_of("fax", {"fax", "sms"}) == {"fax"}


def test_a_text_message_tells_its_parts(renderer: Renderer) -> None:
    found = chosen(previews(bodies(renderer, make_alert()), MOMENT), "sms", "el")
    assert found.parts >= 1
    assert found.alphabet == "gsm7"


def test_no_slot_is_left_open_to_the_eye(renderer: Renderer) -> None:
    for each in previews(bodies(renderer, make_alert()), MOMENT):
        assert "\ue000" not in "".join(piece.text for piece in each.text)


def test_pages_and_mails_are_framed_as_html(renderer: Renderer) -> None:
    for body in bodies(renderer, make_alert()):
        if body.form == "page" or body.channel == "email":
            shown = framed(body, MOMENT)
            assert shown.lstrip().lower().startswith("<!doctype html")
            assert "\ue000" not in shown


def test_what_differs_from_the_version_before_is_marked(renderer: Renderer) -> None:
    old = make_alert()
    new = make_alert(children=[child_facts(clothing="green coat")])
    found = chosen(previews(bodies(renderer, new), MOMENT, bodies(renderer, old)), "entry", "en")
    sms = chosen(previews(bodies(renderer, new), MOMENT, bodies(renderer, old)), "email", "en")
    assert found.before is not None
    assert "green" in "".join(piece.text for piece in sms.text if piece.state == "new")
    assert "red" in "".join(piece.text for piece in sms.text if piece.state == "old")


def test_what_differs_is_marked_in_mail_page_poster_and_cap_and_in_no_byte_that_goes_out(
    renderer: Renderer,
) -> None:
    old = bodies(renderer, make_alert())
    new = bodies(renderer, make_alert(children=[child_facts(clothing="green coat")]))
    sent = [body.data for body in new]
    found = previews(new, MOMENT, old)
    cap = chosen(found, "cap", "mul")
    assert "green" in "".join(piece.text for piece in cap.text if piece.state == "new")
    in_frames = [body for body in new if body.channel == "email" or body.form == "page"]
    assert len(in_frames) == 4  # in two languages; a poster is the page on paper
    for body in in_frames:
        shown = framed(body, MOMENT, old)
        put_in = "".join(re.findall("<ins>(.*?)</ins>", shown))
        taken_out = "".join(re.findall("<del>(.*?)</del>", shown))
        assert "green" in put_in, body.frame
        assert "red" in taken_out, body.frame
        assert "<ins>" not in framed(body, MOMENT)
        assert "<ins>" not in framed(body, MOMENT, new), "nothing differs"
    assert [body.data for body in new] == sent


def test_marks_stand_where_text_may_stand() -> None:
    rows = "<body><table><tr><th>Coat</th><td>red</td></tr>{}</table><p>x</p></body>"
    old = rows.format("<tr><th>Hat</th><td>none</td></tr>")
    gone = mark(old, rows.format(""))
    assert "</table><p><del>Hat</del><del>none</del>x</p>".replace("</del><del>", "") in gone
    changed = mark(rows.format(""), rows.format("").replace("red", "green &amp; blue"))
    assert "<td><del>red</del><ins>green &amp; blue</ins></td>" in changed
    photo = '<body><img src="a" alt="Photo"></body>'
    assert '<del>[Photo]</del><ins><img src="b" alt="Photo"></ins>' in mark(
        photo, photo.replace('"a"', '"b"')
    )
    assert mark("<p>no body</p>", "<p>nor here</p>") == "<p>nor here</p>"


def test_words_are_compared_whole() -> None:
    assert compare("a red coat", "a green coat") == (
        Piece("same", "a "),
        Piece("old", "red"),
        Piece("new", "green"),
        Piece("same", " coat"),
    )


def test_facts_that_differ_are_listed_with_both_values(renderer: Renderer) -> None:
    wording = Wording(renderer.templates.catalogue("en"), ZoneInfo("Europe/Athens"), "en")
    old = make_alert()
    new = make_alert(children=[child_facts(clothing="green coat")], vehicle=None)
    found = {each.label: each for each in differences(old, new, wording, renderer.atlas)}
    assert found["Clothing"].after == "green coat"
    assert found["Vehicle: Number plate"].before == "XXX-0000"
    assert found["Vehicle: Number plate"].after == ""
    assert "Name" not in found


def test_a_gap_is_shown_as_one(renderer: Renderer) -> None:
    wording = Wording(renderer.templates.catalogue("en"), ZoneInfo("Europe/Athens"), "en")
    shown = dict(
        rows(make_alert(), wording, renderer.atlas, gaps=["last_seen.place", "children.0.hair"])
    )
    assert shown["Place last seen"] == ""
    assert shown["Hair"] == ""
    assert shown["Eyes"] == "brown"
