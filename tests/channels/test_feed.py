"""The feeds: sending does no I/O, the entry is what approvers saw."""

import json

import pytest
from alertd.channels.feed import FeedChannel, FeedSettings

from alertd.channel import Receipt
from alertd.core.rendition import Kind, Slot, mark
from alertd.testing import make_context, make_environment, make_message, make_texts

feed = FeedChannel(FeedSettings(), environment=make_environment())


async def test_sending_publishes_at_once():
    async with feed:
        assert await feed.send(make_message(feed, "public/el")) == Receipt("delivered")


def test_an_entry_holds_what_a_reader_needs():
    composed, page = feed.compose(make_texts(feed), make_context())
    entry = json.loads(composed.body)
    assert composed.form == "entry"
    assert entry["title"].startswith("Ωδή: title.txt")
    assert entry["summary"].startswith("Ωδή: summary.txt")
    assert entry["identifier"] == "example.org.example.1"
    assert entry["language"] == "el"
    assert entry["cap_url"] == "https://alerts.example.org/cap/example.org.example.1.xml"
    assert entry["link"] == "https://alerts.example.org/a/example/el"
    assert (page.form, page.media_type) == ("page", "text/html; charset=utf-8")
    assert page.body.decode().startswith("Ωδή: page.html")
    assert entry["sent"] == mark(Slot.SENT)


@pytest.mark.parametrize("kind", [Kind.REQUEST, Kind.NOTICE])
def test_officials_are_not_told_in_public(kind):
    assert feed.compose(make_texts(feed), make_context(kind)) == []
