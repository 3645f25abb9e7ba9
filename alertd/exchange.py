"""What an HTTP answer asks for."""

from datetime import datetime
from email.utils import parsedate_to_datetime

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
