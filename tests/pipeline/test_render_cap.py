"""The CAP document of every message."""

import pytest

from alertd.core.cap import MEDIA_TYPE, NAMESPACE
from alertd.core.rendition import fill, split
from alertd.pipeline.render import Renderer
from tests.core.test_cap import schema_faults
from tests.factories import child_facts, make_alert
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


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return make_renderer()


def test_cap_of_every_kind_is_valid(renderer: Renderer) -> None:
    subject = make_subject(alert=make_alert(**PERSONAL), rules=open_rules())
    update = make_update({}, PERSONAL)
    documents = [
        fill(split(r.body), SLOTS)
        for r in [*renderer.version(subject), *renderer.version(update)]
        if r.form == "cap"
    ]
    assert len(documents) == 8
    assert [schema_faults(document) for document in documents] == [[]] * 8


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
    assert values(document, "web")[0] == f"https://alerts.example.org/cap/{identifier}.xml"


def test_cap_codes_tell_an_abduction_from_a_missing_child(renderer: Renderer) -> None:
    amber = cap_of(renderer.version(make_subject()), "alert")
    missing = cap_of(renderer.version(make_subject(alert=make_alert(kind="missing"))), "alert")
    assert {"CAE", "OET-038"} <= set(values(amber, "value"))
    assert "OET-130" in values(missing, "value")
    assert "CAE" not in values(missing, "value")


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
