"""When to try again: first within seconds, since a child alert is worthless after hours."""

from collections.abc import Sequence
from datetime import timedelta

FRONT = tuple(timedelta(seconds=s) for s in (1, 2, 5, 10, 30, 60, 120, 300))
JITTER = 0.2  # each delay is spread by up to this part of itself, to either side


def delay(
    attempt: int,
    jitter: float,
    retry_after_s: float | None = None,
    front: Sequence[timedelta] = FRONT,
) -> timedelta:
    """Give the pause after the attempt of this number (1 is the first).

    `jitter` is a number from 0 to 1 drawn by the caller. What the peer asked for
    (`Retry-After`) is never undercut, and stretched by the jitter up to a fifth.
    """
    base = front[min(attempt, len(front)) - 1]
    spread = base * (1 + JITTER * (2 * jitter - 1))
    if retry_after_s is None:
        return spread
    return max(spread, timedelta(seconds=retry_after_s * (1 + JITTER * jitter)))
