"""A delivery's life in every order of events, over the pure core alone.

The model keeps what only the outside can know (what arrived, when the alert ended) and holds
the core's decisions against it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alertd.core.delivery import (
    FINAL,
    PATIENCE,
    Next,
    Outcome,
    Result,
    Standing,
    State,
    UncertainPolicy,
    decide,
)
from alertd.core.errors import Conflict, Reason
from alertd.core.lifecycle import Move, VersionState, move

START = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
LEASE = timedelta(seconds=60)
CLOSED = {
    VersionState.SUPERSEDED,
    VersionState.ENDED,
    VersionState.CANCELLED,
    VersionState.EXPIRED,
    VersionState.REJECTED,
}
MOVES = (Move.ACTIVATE, Move.SUPERSEDE, Move.END, Move.CORRECT, Move.EXPIRE, Move.REJECT)
FAILURES = (
    *(Reason.TIMEOUT, Reason.DROPPED, Reason.SERVER_ERROR),
    *(Reason.THROTTLED, Reason.DEFECT, Reason.CLOCK, Reason.ADDRESS_UNREACHABLE),
)
ANSWERS = st.one_of(
    st.sampled_from([Outcome(Result.SENT), Outcome(Result.DELIVERED)]),
    st.builds(
        Outcome,
        st.just(Result.UNSENT),
        st.sampled_from(FAILURES),
        retry_after_s=st.none() | st.floats(0, 86_400),
    ),
    st.builds(Outcome, st.just(Result.UNCERTAIN), st.sampled_from(FAILURES[:3])),
    st.just(Outcome(Result.UNDELIVERABLE, Reason.REJECTED)),
    st.just(Outcome(Result.CHANNEL_DOWN, Reason.CREDENTIALS)),
)


class Life(RuleBasedStateMachine):
    """One delivery of one alert version, sent by workers that may die."""

    @initialize(policy=st.sampled_from(UncertainPolicy), minutes=st.integers(1, 600))
    def submit(self, policy: UncertainPolicy, minutes: int) -> None:
        self.policy = policy
        self.now = START
        self.deadline_at = START + timedelta(minutes=minutes)
        self.version = VersionState.SUBMITTED
        self.state = State.QUEUED
        self.next_at = START
        self.lease_until = START
        self.attempts = 0
        self.repeat = False
        self.may_have_arrived = False
        self.leased_under: set[VersionState] = set()  # where the alert stood each time

    # --- what happens to the alert ------------------------------------------------------------

    @rule(by=st.sampled_from(MOVES))
    def change_the_alert(self, by: Move) -> None:
        before = self.version
        try:
            self.version = move(before, by)
        except Conflict:
            return
        assert before not in CLOSED
        if self.version in CLOSED and self.state is State.QUEUED and before is VersionState.ACTIVE:
            self.state = State.CANCELLED  # the sweep: whatever is not in somebody's hands

    # --- what workers do ----------------------------------------------------------------------

    @precondition(lambda self: self.state is State.QUEUED and self.next_at <= self.now)
    @rule()
    def lease(self) -> None:
        """Nothing is due before activation; what ended is closed instead of leased."""
        if self.version in CLOSED:
            self.state = State.CANCELLED
        elif self.version is not VersionState.SUBMITTED:
            self.state, self.lease_until = State.LEASED, self.now + LEASE
            self.leased_under.add(self.version)

    @precondition(lambda self: self.state is State.LEASED and self.now < self.lease_until)
    @rule(outcome=ANSWERS, jitter=st.floats(0, 1))
    def attempt(self, outcome: Outcome, jitter: float) -> None:
        if self.now >= self.deadline_at:
            outcome = Outcome(Result.EXPIRED, Reason.EXPIRED)
        self._settle(outcome, jitter, self.now)

    @precondition(lambda self: self.state is State.LEASED and self.now >= self.lease_until)
    @rule(sent=st.booleans())
    def die(self, sent: bool) -> None:
        """Nobody knows whether it was sent; as pipeline.deliver.reclaim takes it back."""
        self.may_have_arrived |= sent
        outcome = Outcome(Result.UNCERTAIN, Reason.LEASE_EXPIRED)
        self._settle(outcome, 0, self.now - PATIENCE)

    def _settle(self, outcome: Outcome, jitter: float, since: datetime) -> None:
        tried = outcome.result not in {Result.CHANNEL_DOWN, Result.EXPIRED}
        standing = Standing(
            attempts=self.attempts + tried,
            repeat=self.repeat,
            deadline_at=self.deadline_at,
            now=since,
            jitter=jitter,
        )
        following = decide(outcome, standing, self.policy)
        self._judge(outcome, standing, following)
        self.attempts += tried
        self.repeat |= outcome.result is Result.UNCERTAIN
        self.may_have_arrived |= outcome.result in {
            Result.SENT,
            Result.DELIVERED,
            Result.UNCERTAIN,
        }
        self.state = following.state
        self.next_at = following.next_at or self.now

    def _judge(self, outcome: Outcome, standing: Standing, following: Next) -> None:
        """Hold one decision against what it may be."""
        assert following.state is not State.LEASED
        assert (following.next_at is None) == (following.state in FINAL)
        if following.state is State.QUEUED and following.next_at is not None:
            assert standing.now < following.next_at < self.deadline_at
            if outcome.retry_after_s is not None:
                assert following.next_at >= standing.now + timedelta(seconds=outcome.retry_after_s)
        if following.state is State.UNCERTAIN:
            assert following.next_at == self.deadline_at
        if following.state in {State.SENT, State.DELIVERED}:
            assert outcome.result in {Result.SENT, Result.DELIVERED}

    # --- time ---------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((1, 10, 61, 600, 7200)))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    # --- what must hold -----------------------------------------------------------------------

    @invariant()
    def nothing_is_leased_before_the_alert_or_after_its_end(self) -> None:
        assert self.leased_under <= {VersionState.ACTIVE}

    @invariant()
    def what_may_have_arrived_says_so_when_it_comes_again(self) -> None:
        if self.state is State.QUEUED and self.may_have_arrived:
            assert self.repeat

    @invariant()
    def an_open_delivery_will_be_looked_at_by_its_deadline(self) -> None:
        if self.state in {State.QUEUED, State.UNCERTAIN} and self.attempts:
            assert self.next_at <= self.deadline_at

    def teardown(self) -> None:
        """Let the deadline come: whatever happened, the delivery ends."""
        if not hasattr(self, "state"):
            return
        self.now = max(self.now, self.deadline_at)
        for _ in range(4):
            if self.state is State.QUEUED:
                self.now = max(self.now, self.next_at)
                self.state, self.lease_until = State.LEASED, self.now + LEASE
            if self.state is State.LEASED:
                self._settle(Outcome(Result.EXPIRED, Reason.EXPIRED), 0, self.now)
            if self.state is State.UNCERTAIN and self.next_at <= self.now:
                self.state = State.DEAD  # pipeline.deliver.give_up
        assert self.state in FINAL


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)


def _given_up(reason: Reason) -> timedelta:
    """Let it fail for one reason again and again; gives how long it was tried."""
    outcome, now, attempts = Outcome(Result.UNSENT, reason), START, 0
    state = State.QUEUED
    while state is State.QUEUED:
        attempts += 1
        standing = Standing(
            attempts=attempts,
            repeat=False,
            deadline_at=START + timedelta(days=1),
            now=now,
            jitter=0.5,
        )
        following = decide(outcome, standing, UncertainPolicy.RETRY)
        state, now = following.state, following.next_at or now
    assert (state, following.reason) == (State.DEAD, reason)
    return now - START


@pytest.mark.parametrize("reason", [Reason.CLOCK, Reason.ADDRESS_UNREACHABLE])
def test_a_wrong_clock_and_a_phone_that_is_off_are_tried_for_half_an_hour(reason: Reason) -> None:
    assert timedelta(minutes=20) < _given_up(reason) < timedelta(minutes=40)
