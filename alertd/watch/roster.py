"""The list of recipients as operators look through it: by channel, language, region, class, state.

No question reads more than WINDOW recipients: a page that found too little says so, and goes on.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, select

from alertd.shapes import RecipientView
from alertd.store.schema import addresses, recipient_regions, recipients
from alertd.views import recipient_views, select_recipients

WINDOW = 10_000


class Standing(StrEnum):
    """Whether a recipient is sent anything."""

    TOLD = "told"
    ENDED = "ended"
    SUPPRESSED = "suppressed"  # the address opted out, or takes nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    channel: str = ""
    language: str = ""
    region: str = ""
    recipient_class: str = ""
    standing: Standing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterPage:
    """`next` is where to go on; `full` is false when the window ended before the page did."""

    rows: tuple[RecipientView, ...]
    next: int | None = None
    full: bool = True


def find_recipients(conn: Connection, wanted: Wanted, *, after: int, limit: int) -> RosterPage:
    """Give who fits, in the order of entry."""
    place = recipient_regions.c.recipient_id if wanted.region else recipients.c.id
    in_region = [recipient_regions.c.region == wanted.region] if wanted.region else []
    window = select(place).where(*in_region, place > after).order_by(place)
    end: int | None = conn.scalar(window.offset(WINDOW - 1).limit(1))
    query = select_recipients().where(place > after, *in_region, *_fits(wanted))
    if wanted.region:
        query = query.join(recipient_regions, place == recipients.c.id)
    if end is not None:
        query = query.where(place <= end)
    found = conn.execute(query.limit(limit + 1)).mappings().all()
    rows = tuple(recipient_views(conn, found[:limit]))
    if len(found) > limit:
        return RosterPage(rows=rows, next=rows[-1].id)
    return RosterPage(rows=rows, next=end, full=end is None)


def _fits(wanted: Wanted) -> list[ColumnElement[bool]]:
    asked = (
        (addresses.c.channel, wanted.channel),
        (recipients.c.language, wanted.language),
        (recipients.c.recipient_class, wanted.recipient_class),
    )
    fits = [column == value for column, value in asked if value]
    ended, suppressed = recipients.c.ended_at, addresses.c.suppressed_at
    if wanted.standing is Standing.TOLD:
        fits += [ended.is_(None), suppressed.is_(None)]
    if wanted.standing is Standing.ENDED:
        fits.append(ended.is_not(None))
    if wanted.standing is Standing.SUPPRESSED:
        fits += [ended.is_(None), suppressed.is_not(None)]
    return fits
