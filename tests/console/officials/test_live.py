"""A live alert's page is kept up to date for as long as anything on it may still change."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from alertd.console.officials.live import CONFIRMED_WITHIN, Bar, Live, Sending, as_event
from alertd.console.rendering import Rendering
from alertd.core.rendition import Kind
from tests.factories import NOW

SENT = Bar(name="sms", planned=18, delivered=17, sent=1, failed=0, first_at=NOW, last_at=NOW)
SENDING = Sending(
    number=0,
    kind=Kind.ALERT,
    variant="",
    occurrence=0,
    sent_at=NOW - timedelta(hours=2),
    expanding=False,
    stopped=False,
    bars=(SENT,),
    regions=(),
)
LIVE = Live(as_of=NOW, sendings=(SENDING,), failures=(), partly=False)


def with_bar(bar: Bar) -> Live:
    return replace(LIVE, sendings=(replace(SENDING, bars=(bar,)),))


def test_what_was_handed_over_and_is_not_confirmed_keeps_the_page_moving() -> None:
    assert not LIVE.moves
    assert LIVE.changes


@pytest.mark.parametrize(
    ("live", "changes"),
    [
        (with_bar(replace(SENT, delivered=18, sent=0)), False),
        (with_bar(replace(SENT, delivered=17, sent=0)), True),  # one waits
        (with_bar(replace(SENT, last_at=NOW - CONFIRMED_WITHIN)), False),
        (replace(LIVE, sendings=(replace(SENDING, bars=(), expanding=True),)), True),
        (replace(LIVE, sendings=(replace(SENDING, bars=()),)), False),
        (replace(LIVE, sendings=()), False),
    ],
)
def test_a_page_rests_once_all_is_confirmed_or_nothing_more_is_to_be_heard(
    live: Live, *, changes: bool
) -> None:
    assert live.changes is changes


@pytest.mark.parametrize(
    ("delivered", "sent", "told"),
    [(0, 0, "Delivered 0 of 18 (0 %)"), (0, 18, "Sent 18 of 18 (100 %)"), (1, 9, "Delivered 1 of")],
)
def test_what_nobody_confirms_is_told_as_sent(delivered: int, sent: int, told: str) -> None:
    words = Rendering(ZoneInfo("Europe/Athens")).words("en")
    bar = replace(SENT, delivered=delivered, sent=sent)
    assert as_event(with_bar(bar), words)["bars"]["0.sms"]["label"].startswith(told)
