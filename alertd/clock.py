"""The wall clock as a value, so that time is passed in and tests never sleep."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present instant, UTC-aware."""


def system_clock() -> datetime:
    return datetime.now(UTC)
