from __future__ import annotations

import pytest

from alertd.core.agreement import disagreement


@pytest.mark.parametrize(
    ("state", "results"),
    [
        ("queued", []),
        ("queued", ["unsent", "unsent"]),
        ("leased", ["unsent"]),
        ("sent", ["unsent", "sent"]),
        ("delivered", ["sent", "delivered"]),
        ("delivered", ["delivered", "sent"]),  # the report overtook the answer
        ("dead", ["undeliverable"]),
        ("dead", ["sent", "undeliverable"]),  # the provider reported later
        ("queued", ["sent", "unsent"]),
        ("expired", []),
        ("cancelled", ["unsent"]),
        ("uncertain", ["uncertain"]),
    ],
)
def test_state_that_follows_from_its_attempts_agrees(state: str, results: list[str]) -> None:
    assert disagreement(state, results) is None


@pytest.mark.parametrize(
    ("state", "results", "said"),
    [
        ("delivered", [], "is delivered, but no attempt says so"),
        ("delivered", ["sent"], "is delivered, but no attempt says so"),
        ("sent", ["unsent"], "is sent, but no attempt says so"),
        ("queued", ["delivered"], "is queued, but an attempt says delivered"),
        ("sent", ["sent", "delivered"], "is sent, but an attempt says delivered"),
        ("dead", [], "is dead without an attempt"),
        ("queued", ["sent"], "is queued, but its last attempt says sent"),
        ("cancelled", ["unsent", "sent"], "is cancelled, but its last attempt says sent"),
    ],
)
def test_state_that_its_attempts_contradict_is_told(
    state: str, results: list[str], said: str
) -> None:
    assert disagreement(state, results) == said
