"""The words of dispatch: a delivery, its attempts, and what an attempt's outcome leads to."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from alertd.core.errors import Reason
from alertd.core.retry import FRONT, JITTER, delay


class State(StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"  # will be tried when `next_at` comes
    LEASED = "leased"  # a worker has it in hand
    UNCERTAIN = "uncertain"  # may have arrived; the channel's policy decides what follows
    SENT = "sent"  # left us, arrival unknown
    DELIVERED = "delivered"  # the peer confirmed arrival
    DEAD = "dead"  # will not be tried again: dead letter with a reason
    EXPIRED = "expired"  # its deadline passed before it could be handed over
    CANCELLED = "cancelled"  # the alert ended or was replaced before it was handed over


FINAL = frozenset({State.SENT, State.DELIVERED, State.DEAD, State.EXPIRED, State.CANCELLED})


class Priority:
    """Lower goes first; a new alert overtakes whatever is still queued behind it."""

    END = 0  # ends, corrections, expiries and requests for approval
    ALERT = 1
    REBROADCAST = 2
    EXERCISE = 3
    ALL = (END, ALERT, REBROADCAST, EXERCISE)


class Result(StrEnum):
    """What one attempt came to."""

    SENT = "sent"
    DELIVERED = "delivered"
    UNSENT = "unsent"  # not accepted: may be tried again
    UNCERTAIN = "uncertain"  # handed over without an answer
    UNDELIVERABLE = "undeliverable"  # this address never
    CHANNEL_DOWN = "channel_down"  # our fault: counts as no attempt
    RETURNED = "returned"  # given back untried: lane busy, shutdown
    EXPIRED = "expired"  # its deadline had passed: not tried


# Tuples, not frozen dataclasses: one of each is made per attempt, at a third of the cost.
class Outcome(NamedTuple):
    """The result of one attempt, with what the next decision needs."""

    result: Result
    reason: Reason | None = None
    detail: str = ""
    provider_ref: str = ""
    retry_after_s: float | None = None
    suppress: bool = False


class Next(NamedTuple):
    """What becomes of a delivery after an outcome."""

    state: State
    next_at: datetime | None = None
    reason: Reason | None = None


class UncertainPolicy(StrEnum):
    """What to do when nobody knows whether a message arrived."""

    RETRY = "retry"  # the receiver drops repeats by the delivery's id: no harm in another try
    RESEND = "resend"  # once, marked as a repeat: a child alert twice is better than none
    RECONCILE = "reconcile"  # ask the provider first, and send again what it never took
    HOLD = "hold"  # wait for the provider's report or an operator


PASSING = {  # attempts until what may pass by itself is taken for good
    Reason.DEFECT: 3,
    Reason.CLOCK: 12,  # about half an hour, in which a clock is set right
    Reason.ADDRESS_UNREACHABLE: 12,  # as long: every try for a phone that is off may be paid for
}
LONGEST_PAUSE = FRONT[-1] * (1 + JITTER)  # that we choose ourselves
PATIENCE = timedelta(seconds=10)  # how long a provider's report may answer an uncertain send


class Standing(NamedTuple):
    """Where a delivery stands when an outcome comes in."""

    attempts: int  # counting this one
    repeat: bool  # an earlier attempt may have arrived already
    deadline_at: datetime
    now: datetime
    jitter: float  # from 0 to 1, drawn by the caller


def decide(outcome: Outcome, standing: Standing, policy: UncertainPolicy) -> Next:
    """Give what becomes of a delivery; pure, so that every path can be tried."""
    if (state := _DECIDED.get(outcome.result)) is not None:
        return Next(state, reason=outcome.reason)
    if outcome.result is Result.UNCERTAIN:
        return _uncertain(outcome, standing, policy)
    if outcome.reason in PASSING and standing.attempts >= PASSING[outcome.reason]:
        return Next(State.DEAD, reason=outcome.reason)
    return _again(outcome, standing)


_DECIDED = {
    Result.SENT: State.SENT,
    Result.DELIVERED: State.DELIVERED,
    Result.UNDELIVERABLE: State.DEAD,
    Result.EXPIRED: State.EXPIRED,
}


def _again(outcome: Outcome, standing: Standing) -> Next:
    pause = delay(max(standing.attempts, 1), standing.jitter, outcome.retry_after_s)
    next_at = standing.now + pause
    if next_at >= standing.deadline_at:
        return Next(State.EXPIRED, reason=outcome.reason or Reason.EXPIRED)
    return Next(State.QUEUED, next_at, outcome.reason)


def _uncertain(outcome: Outcome, standing: Standing, policy: UncertainPolicy) -> Next:
    if policy is UncertainPolicy.RETRY:
        return _again(outcome, standing)
    # Whoever held a lost lease may never have begun to send: nobody is to be missed.
    first = outcome.reason is Reason.LEASE_EXPIRED or not standing.repeat
    pause = PATIENCE
    if policy is UncertainPolicy.RECONCILE:
        pause = max(PATIENCE, delay(max(standing.attempts, 1), standing.jitter))
    goes_on = policy is UncertainPolicy.RECONCILE or (policy is UncertainPolicy.RESEND and first)
    if goes_on and standing.now + pause < standing.deadline_at:
        return Next(State.QUEUED, standing.now + pause, outcome.reason)
    return Next(State.UNCERTAIN, standing.deadline_at, outcome.reason)
