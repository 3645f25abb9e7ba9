"""The words of dispatch: a delivery, its attempts, and what an attempt's outcome leads to."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alertd.core.errors import Reason


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
    RETURNED = "returned"  # given back untried: lane closed, shutdown


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one attempt, with what the next decision needs."""

    result: Result
    reason: Reason | None = None
    detail: str = ""
    provider_ref: str = ""
    retry_after_s: float | None = None
    suppress: bool = False


@dataclass(frozen=True, slots=True)
class Next:
    """What becomes of a delivery after an outcome."""

    state: State
    next_at: datetime | None = None
    reason: Reason | None = None
