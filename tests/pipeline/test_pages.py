"""The page of an alert, as it is rendered and approved."""

from typing import Any

import html5lib
import pytest
from lxml import etree

from alertd.channel import Environment
from alertd.core.photo import LINKED, Photo, Size
from alertd.core.rendition import Slot, fill_some, split
from alertd.pipeline.render import Renderer, Subject
from alertd.plugins import load
from tests.factories import child_facts, make_alert, make_rules
from tests.pipeline.rendering import hostile_alert, make_renderer, make_subject, open_rules

DIGEST = "a" * 64
PHOTO = Photo(1, DIGEST, "token", (Size(LINKED, 600, 750, 1000, "0" * 40),))


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    environment = Environment(
        public_url="https://alerts.example.org", sender_domain="alerts.example.org"
    )
    return make_renderer(channels=load({"feed": {}}, environment))


def pages(renderer: Renderer, subject: Subject) -> dict[tuple[str, str, str], str]:
    """Give every page by kind, variant and language."""
    return {
        (each.kind, each.variant, each.language): fill_some(
            each.body, {Slot.SENT_TEXT: b"today"}
        ).decode()
        for each in renderer.version(subject)
        if each.form == "page"
    }


def head_of(page: str) -> Any:
    return etree.HTML(page).find("head")


def test_a_page_leaves_nothing_open_but_when_it_was_sent(renderer: Renderer) -> None:
    for each in renderer.version(make_subject()):
        if each.form == "page":
            slots = [part for part in split(each.body) if isinstance(part, Slot)]
            assert slots == [Slot.SENT_TEXT]


def test_the_page_of_an_end_or_correction_names_nobody(renderer: Renderer) -> None:
    found = pages(renderer, make_subject())
    assert len(found) == 2 * len(make_subject().messages)
    for (kind, _, _), page in found.items():
        named = "Παραδειγματίδου" in page or "red jacket" in page
        assert named is (kind == "alert")


@pytest.mark.parametrize("allowed", [False, True])
def test_link_previews_name_and_show_the_child_only_where_the_rules_allow_it(
    renderer: Renderer, allowed: bool
) -> None:
    alert = make_alert(children=[child_facts(photo=DIGEST)])
    rules = make_rules(allow_preview=allowed)
    subject = make_subject(alert=alert, rules=rules, photos=(PHOTO,))
    page = pages(renderer, subject)["alert", "", "en"]
    head = etree.tostring(head_of(page), encoding="unicode").partition("<style>")[0]
    assert ("Παραδειγματίδου" in head) is allowed
    assert ("og:image" in head) is allowed
    (image,) = etree.HTML(page).xpath("//main//img")
    assert image.get("src") == PHOTO.url("https://alerts.example.org")
    assert image.get("alt") == "Photo of the missing child"


def test_the_fullest_page_is_small_and_whole(renderer: Renderer) -> None:
    looks = dict.fromkeys(("build", "hair", "eyes", "clothing", "distinguishing_marks"), "ά" * 199)
    children = [child_facts(**looks, photo=DIGEST)] * 5
    alert = make_alert(children=children, circumstances="ά" * 2000)
    subject = make_subject(alert=alert, rules=open_rules(), photos=(PHOTO,))
    for page in pages(renderer, subject).values():
        assert len(page.encode()) < 30_000
        html5lib.HTMLParser(strict=True).parse(page)


def test_nothing_that_an_official_writes_becomes_markup(renderer: Renderer) -> None:
    page = pages(renderer, make_subject(alert=hostile_alert()))["alert", "", "en"]
    html5lib.HTMLParser(strict=True).parse(page)
    assert "<b onclick" not in page
    assert "&lt;b onclick" in page
