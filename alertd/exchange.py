"""What an HTTP answer of an endpoint means, and what it asks for."""

from datetime import datetime
from email.utils import parsedate_to_datetime

from alertd.core.errors import Reason, SendError, Throttled, Undeliverable, Unsent

_REFUSALS = {401: Reason.CREDENTIALS, 403: Reason.CREDENTIALS, 410: Reason.GONE}
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


def refusal(status: int, wait_s: float | None) -> SendError:
    """Say what an answer other than 2xx means; `wait_s` is what Retry-After asked for."""
    detail = str(status)
    if status in {408, 425, 429} or status >= 500:
        if status == 429 or wait_s is not None:
            return Throttled(wait_s, detail)
        return Unsent(Reason.SERVER_ERROR, detail)
    if 300 <= status < 400:
        return Undeliverable(Reason.REDIRECT, detail)
    return Undeliverable(_REFUSALS.get(status, Reason.REJECTED), detail, suppress=status == 410)
