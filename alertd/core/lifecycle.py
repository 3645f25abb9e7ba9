"""The life of an alert version: its states and the only moves between them."""

from enum import StrEnum

from alertd.core.errors import Conflict


class VersionState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"  # waits for approvals
    RETURNED = "returned"  # an approver wants it changed
    REJECTED = "rejected"
    ACTIVE = "active"  # out there, or on its way
    SUPERSEDED = "superseded"  # a newer version took its place
    ENDED = "ended"  # the search is over
    CANCELLED = "cancelled"  # it was wrong
    EXPIRED = "expired"


class Move(StrEnum):
    EDIT = "edit"
    SUBMIT = "submit"
    RETURN = "return"
    REJECT = "reject"
    ACTIVATE = "activate"
    SUPERSEDE = "supersede"
    END = "end"
    CORRECT = "correct"
    EXPIRE = "expire"


S = VersionState
TRANSITIONS: dict[tuple[VersionState, Move], VersionState] = {
    (S.DRAFT, Move.EDIT): S.DRAFT,
    (S.DRAFT, Move.SUBMIT): S.SUBMITTED,
    (S.DRAFT, Move.REJECT): S.REJECTED,
    (S.SUBMITTED, Move.EDIT): S.SUBMITTED,  # and every approval is void
    (S.SUBMITTED, Move.RETURN): S.RETURNED,
    (S.SUBMITTED, Move.REJECT): S.REJECTED,
    (S.SUBMITTED, Move.ACTIVATE): S.ACTIVE,
    (S.SUBMITTED, Move.EXPIRE): S.EXPIRED,
    (S.RETURNED, Move.EDIT): S.RETURNED,
    (S.RETURNED, Move.SUBMIT): S.SUBMITTED,
    (S.RETURNED, Move.REJECT): S.REJECTED,
    (S.RETURNED, Move.EXPIRE): S.EXPIRED,
    (S.ACTIVE, Move.SUPERSEDE): S.SUPERSEDED,
    (S.ACTIVE, Move.END): S.ENDED,
    (S.ACTIVE, Move.CORRECT): S.CANCELLED,
    (S.ACTIVE, Move.EXPIRE): S.EXPIRED,
}
FINAL = frozenset(VersionState) - {state for state, _ in TRANSITIONS}


def moves(state: VersionState) -> tuple[Move, ...]:
    """Give what may happen to a version in `state`; nothing once it is final."""
    return tuple(by for at, by in TRANSITIONS if at is state)


def move(state: VersionState, by: Move) -> VersionState:
    """Give the state that `by` leads to; raises Conflict when the table has no such move."""
    try:
        return TRANSITIONS[state, by]
    except KeyError:
        allowed = ", ".join(moves(state))
        can = f"it allows: {allowed}" if allowed else "nothing can change it any more"
        raise Conflict(f"an alert that is {state} cannot be changed by '{by}'; {can}") from None
