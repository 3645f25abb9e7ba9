from __future__ import annotations

import pytest

from alertd.core.agreement import Tried, disagreement

REPORT = 0


@pytest.mark.parametrize(
    ("state", "tried"),
    [
        ("queued", []),
        ("expired", []),
        ("cancelled", []),
        ("queued", [(1, "unsent"), (2, "unsent")]),
        ("leased", [(1, "unsent")]),
        ("cancelled", [(1, "unsent")]),
        ("sent", [(1, "unsent"), (2, "sent")]),
        ("sent", [(1, "sent"), (REPORT, "sent")]),
        ("delivered", [(1, "delivered")]),
        ("delivered", [(1, "sent"), (REPORT, "delivered")]),
        ("delivered", [(1, "sent"), (REPORT, "delivered"), (REPORT, "undeliverable")]),
        ("dead", [(1, "undeliverable")]),
        ("dead", [(1, "undeliverable"), (REPORT, "sent")]),
        ("dead", [(1, "sent"), (REPORT, "undeliverable"), (REPORT, "sent")]),
        ("queued", [(1, "sent"), (REPORT, "unsent")]),
        ("uncertain", [(1, "uncertain")]),
        ("sent", [(1, "uncertain"), (REPORT, "sent")]),
        ("dead", [(1, "uncertain")]),
        ("delivered", [(1, "uncertain"), (REPORT, "delivered")]),
    ],
)
def test_state_that_follows_from_what_was_tried_agrees(state: str, tried: list[Tried]) -> None:
    assert disagreement(state, tried) is None


@pytest.mark.parametrize("state", ["leased", "delivered"])
def test_report_that_overtakes_the_answer_agrees_before_and_after(state: str) -> None:
    tried = [(REPORT, "delivered")] + ([(1, "sent")] if state == "delivered" else [])
    assert disagreement(state, tried) is None


def test_report_of_arrival_after_a_cancellation_changes_nothing() -> None:
    assert disagreement("cancelled", [(1, "uncertain"), (REPORT, "delivered")]) is None


@pytest.mark.parametrize(
    ("state", "tried", "said"),
    [
        ("delivered", [], "is delivered, but no attempt says so"),
        ("delivered", [(1, "sent")], "is delivered, but no attempt says so"),
        ("delivered", [(REPORT, "delivered")], "is delivered, but no attempt says so"),
        ("sent", [], "is sent, but no attempt says so"),
        ("sent", [(1, "unsent")], "is sent, but no attempt says so"),
        ("sent", [(1, "sent"), (REPORT, "unsent")], "is sent, but no attempt says so"),
        ("dead", [(1, "delivered")], "is dead, but an attempt says delivered"),
        ("sent", [(1, "sent"), (REPORT, "delivered")], "is sent, but no attempt says so"),
        ("expired", [(1, "delivered")], "is expired, but an attempt says delivered"),
        ("dead", [], "is dead without an attempt"),
        ("queued", [(1, "sent")], "is queued, but its last attempt says sent"),
        ("dead", [(1, "sent")], "is dead, but its last attempt says sent"),
        ("cancelled", [(1, "unsent"), (2, "sent")], "is cancelled, but its last attempt says sent"),
    ],
)
def test_state_that_what_was_tried_contradicts_is_told(
    state: str, tried: list[Tried], said: str
) -> None:
    assert disagreement(state, tried) == said
