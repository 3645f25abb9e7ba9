"""Whether a delivery's state agrees with the attempts that are on record for it."""

from collections.abc import Iterable, Sequence

from alertd.core.delivery import Result, State

Tried = tuple[int, str]
"""Number and result of an attempt; number 0 is what the provider reported later."""

# A report of arrival moves none of these: they are in hand, were cancelled, or were put back
# into the queue by an operator.
_UNMOVED = frozenset({State.DELIVERED, State.LEASED, State.CANCELLED, State.QUEUED})


def disagreement(state: str, tried: Sequence[Tried]) -> str | None:
    """Say how `state` contradicts what was `tried`, in the order in which it was recorded."""
    due = _arrival(tried)
    if state == State.DELIVERED and due is not State.DELIVERED:
        return "is delivered, but no attempt says so"
    if state == State.SENT and due not in (State.SENT, State.UNCERTAIN):
        return "is sent, but no attempt says so"
    if state == State.DEAD and not tried:
        return "is dead without an attempt"
    if due is State.DELIVERED and state not in _UNMOVED:
        return f"is {state}, but an attempt says delivered"
    if due is State.SENT and state != State.SENT:
        return f"is {state}, but its last attempt says sent"
    return None


def _arrival(tried: Iterable[Tried]) -> State | None:
    """Give how far it came: delivered, sent, uncertain (a report may settle it), or nowhere."""
    due: State | None = None
    attempted = reported = False
    for number, result in tried:
        if number:
            attempted = True
            due = _after_attempt(result, reported=reported)
        elif result == Result.DELIVERED:
            reported = True
            due = State.DELIVERED if attempted else due
        elif result != Result.SENT and due is not State.DELIVERED:
            due = None  # the provider says that it failed
    return due


def _after_attempt(result: str, *, reported: bool) -> State | None:
    match result:
        case Result.DELIVERED:
            return State.DELIVERED
        case Result.SENT:
            # The report of arrival overtook the answer.
            return State.DELIVERED if reported else State.SENT
        case Result.UNCERTAIN:
            return State.UNCERTAIN
    return None
