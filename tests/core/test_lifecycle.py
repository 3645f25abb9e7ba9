"""The life of a version: one table, and no way round it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertd.core.errors import Conflict
from alertd.core.lifecycle import FINAL, TRANSITIONS, Move, VersionState, move, moves

S, M = VersionState, Move
walks = st.lists(st.sampled_from(list(Move)), max_size=30)


def walk(steps: list[Move]) -> list[VersionState]:
    """Give the states that a draft comes through when each step is tried in turn."""
    path = [S.DRAFT]
    for step in steps:
        try:
            path.append(move(path[-1], step))
        except Conflict:
            continue
    return path


@given(walks)
def test_nothing_leaves_a_final_state(steps: list[Move]) -> None:
    path = walk(steps)
    assert not FINAL.intersection(path[:-1])


@given(walks)
def test_nothing_is_active_that_was_not_submitted_just_before(steps: list[Move]) -> None:
    path = walk(steps)
    for before, after in pairwise(path):
        if after is S.ACTIVE:
            assert before is S.SUBMITTED


@given(walks)
def test_nothing_is_active_twice(steps: list[Move]) -> None:
    assert walk(steps).count(S.ACTIVE) <= 1


def test_every_state_can_be_reached_from_a_draft() -> None:
    reached = {S.DRAFT}
    for _ in S:
        reached |= {to for (at, _), to in TRANSITIONS.items() if at in reached}
    assert reached == set(S)


def test_final_states_are_those_that_close_a_version() -> None:
    assert {S.REJECTED, S.SUPERSEDED, S.ENDED, S.CANCELLED, S.EXPIRED} == FINAL


def test_what_is_out_there_cannot_be_edited() -> None:
    assert {S.DRAFT, S.SUBMITTED, S.RETURNED} == {at for at, by in TRANSITIONS if by is M.EDIT}


def test_draft_does_not_expire_for_it_can_be_given_another_time() -> None:
    assert M.EXPIRE not in moves(S.DRAFT)


@pytest.mark.parametrize(
    ("state", "by", "to"),
    [
        (S.SUBMITTED, M.EDIT, S.SUBMITTED),
        (S.SUBMITTED, M.RETURN, S.RETURNED),
        (S.RETURNED, M.SUBMIT, S.SUBMITTED),
        (S.SUBMITTED, M.ACTIVATE, S.ACTIVE),
        (S.ACTIVE, M.END, S.ENDED),
        (S.ACTIVE, M.CORRECT, S.CANCELLED),
        (S.ACTIVE, M.SUPERSEDE, S.SUPERSEDED),
    ],
)
def test_move_leads_to(state: VersionState, by: Move, to: VersionState) -> None:
    assert move(state, by) is to


def test_refusal_says_what_is_possible_instead() -> None:
    with pytest.raises(Conflict, match="it allows: supersede, end, correct, expire"):
        move(S.ACTIVE, M.EDIT)
    with pytest.raises(Conflict, match="nothing can change it any more"):
        move(S.ENDED, M.ACTIVATE)
    assert moves(S.ENDED) == ()
