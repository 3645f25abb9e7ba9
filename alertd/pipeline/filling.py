"""Fills what approval left open and activation settled: the same for every recipient."""

from datetime import datetime
from email.utils import format_datetime
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime as format_for_people

from alertd.core.cap import date_time
from alertd.core.rendition import Slot


def at_activation(
    language: str, *, sent_at: datetime, zone: str, references: str
) -> dict[Slot, bytes]:
    """Give the values of the slots in `core.rendition.AT_ACTIVATION`."""
    sent = sent_at.astimezone(ZoneInfo(zone))
    locale = Locale.parse("en" if language == "mul" else language, sep="-")
    return {
        Slot.SENT: date_time(sent).encode(),
        Slot.SENT_RFC822: format_datetime(sent).encode(),
        Slot.SENT_TEXT: format_for_people(sent, "d MMMM y, HH:mm", locale=locale).encode(),
        Slot.REFERENCES: references.encode(),
    }
