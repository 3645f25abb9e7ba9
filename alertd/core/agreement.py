"""Whether a delivery's state agrees with the attempts that are on record for it."""

from collections.abc import Sequence

from alertd.core.delivery import Result, State

_ARRIVED = frozenset({State.SENT, State.DELIVERED})


def disagreement(state: str, results: Sequence[str]) -> str | None:
    """Say how `state` contradicts `results`, the attempts in the order they were recorded.

    A report of arrival may be recorded before the sending it is about, and outweighs it.
    """
    arrived = Result.DELIVERED in results
    if state == State.DELIVERED and not arrived:
        return "is delivered, but no attempt says so"
    if state != State.DELIVERED and arrived:
        return f"is {state}, but an attempt says delivered"
    if state == State.SENT and Result.SENT not in results:
        return "is sent, but no attempt says so"
    if state == State.DEAD and not results:
        return "is dead without an attempt"
    if results and results[-1] == Result.SENT and state not in _ARRIVED:
        return f"is {state}, but its last attempt says sent"
    return None
