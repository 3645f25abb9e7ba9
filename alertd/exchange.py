"""What an HTTP answer of an endpoint means, and what it asks for."""

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from statistics import median

from alertd.core.errors import Reason, SendError, Throttled, Undeliverable, Unsent

_REFUSALS = {401: Reason.CREDENTIALS, 403: Reason.CREDENTIALS, 410: Reason.GONE}
TIMED = frozenset({400, 401, 403})  # what a receiver says to a signature out of its time
CLOCK_GAP_S = 60.0  # beyond this, of two clocks one is wrong
LISTEN_S = 1.0  # between two looks at a peer's clock
LONGEST_WAIT_S = 3600.0  # whatever the peer asks for: an alert rarely lives much longer


def retry_after(value: str, now: datetime) -> float | None:
    """Read Retry-After, in seconds or as a date; None when it is absent or unreadable."""
    if value.isascii() and value.isdigit():
        wait = float(value[:10])
    else:
        try:
            wait = (parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError):  # TypeError: a date with no zone
            return None
    return min(max(wait, 0.0), LONGEST_WAIT_S)


def clock_gap(date: str, now: datetime) -> float | None:
    """Give by how many seconds the peer's clock, its Date, is ahead; None when it says nothing."""
    try:
        return (parsedate_to_datetime(date) - now).total_seconds()
    except (ValueError, TypeError):
        return None


class PeerClocks:
    """What the peers' clocks say of ours: the latest few that were looked at."""

    def __init__(self) -> None:
        self._gaps: deque[float] = deque(maxlen=5)
        self._next = 0.0

    def heard(self, header: Callable[[str], str], now: datetime) -> None:
        """Take an answer's Date; most answers are passed over, for reading one costs time."""
        if (at := time.monotonic()) < self._next:
            return
        self._next = at + LISTEN_S
        if (gap := clock_gap(header("Date"), now)) is not None:
            self._gaps.append(gap)

    @property
    def gap_s(self) -> float:
        """Give by how many seconds the peers are ahead of us, by their median."""
        return median(self._gaps) if self._gaps else 0.0


def refusal(status: int, wait_s: float | None, gap_s: float | None = None) -> SendError:
    """Say what an answer other than 2xx means.

    `wait_s` is what Retry-After asked for, `gap_s` how far apart the clocks are: a signature
    that is refused for its time is good again once the wrong clock is set right.
    """
    detail = str(status)
    if status in {408, 425, 429} or status >= 500:
        if status == 429 or wait_s is not None:
            return Throttled(wait_s, detail)
        return Unsent(Reason.SERVER_ERROR, detail)
    if status in TIMED and gap_s is not None and abs(gap_s) > CLOCK_GAP_S:
        return Unsent(Reason.CLOCK, detail)
    if 300 <= status < 400:
        return Undeliverable(Reason.REDIRECT, detail)
    return Undeliverable(_REFUSALS.get(status, Reason.REJECTED), detail, suppress=status == 410)
