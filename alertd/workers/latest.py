"""What a process wrote last, in case a standby takes over that has not heard of it."""

import itertools
from collections.abc import Sequence

from alertd.pipeline.deliver import Settled
from alertd.store.ledger import Leased

KEPT = 5_000  # deliveries


class Latest:
    """The latest outcomes of what was handed over; bounded."""

    def __init__(self) -> None:
        self._settled: dict[int, Settled] = {}  # by delivery
        self.doubtful = False  # whether the database still has them

    def add(self, outcomes: Sequence[Settled]) -> None:
        for settled in outcomes:
            if settled.change.handed_over:
                self._settled[settled.change.id] = settled
        for id_ in list(itertools.islice(self._settled, max(len(self._settled) - KEPT, 0))):
            del self._settled[id_]

    def doubted(self) -> list[Settled]:
        """Give what has to be held against the database."""
        return list(self._settled.values()) if self.doubtful else []

    def forgotten(self, leased: Leased) -> Settled | None:
        """Give the outcome of what the database gave out as if it had none."""
        known = self._settled.get(leased.id)
        return known if known is not None and known.change.held == leased.attempts else None
