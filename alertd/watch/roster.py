"""The list of recipients as operators look through it: by channel, language, region, class, state.

No question reads more than WINDOW recipients: a page that found too little says so, and goes on.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, select, true

from alertd.core.errors import NotFound
from alertd.shapes import RecipientView
from alertd.store.ledger import found_in
from alertd.store.schema import addresses, recipient_regions, recipients
from alertd.views import recipient_views, select_recipients

WINDOW = 10_000
NEAR = 10  # times a page is looked through at first: mostly it is found full there


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
    within: frozenset[str] | None = None  # regions that bound whoever asks


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterPage:
    """`next` is where to go on; `full` is false when the window ended before the page did."""

    rows: tuple[RecipientView, ...]
    next: int | None = None
    full: bool = True


def find_recipients(conn: Connection, wanted: Wanted, *, after: int, limit: int) -> RosterPage:
    """Give who fits, in the order of entry."""
    page = _look(conn, wanted, after, limit, min(NEAR * limit, WINDOW))
    return page if page.full else _look(conn, wanted, after, limit, WINDOW)


def _look(conn: Connection, wanted: Wanted, after: int, limit: int, most: int) -> RosterPage:
    regions = _regions(wanted)
    if regions is None:
        end = _end(conn, select(recipients.c.id), recipients.c.id, after, most)
        window = recipients.c.id > after
        bound = recipients.c.id <= end if end is not None else true()
    else:
        place = recipient_regions.c.recipient_id
        share = max(most // max(len(regions), 1), 1)
        ends = [
            _end(conn, select(place).where(recipient_regions.c.region == each), place, after, share)
            for each in regions
        ]
        end = min((each for each in ends if each is not None), default=None)
        bound = place <= end if end is not None else true()
        there = select(place).where(recipient_regions.c.region.in_(regions), place > after, bound)
        window, bound = found_in(conn, recipients.c.id, there), true()
    query = select_recipients().where(window, bound, *_fits(wanted))
    found = conn.execute(query.limit(limit + 1)).mappings().all()
    rows = tuple(recipient_views(conn, found[:limit]))
    if len(found) > limit:
        return RosterPage(rows=rows, next=rows[-1].id)
    return RosterPage(rows=rows, next=end, full=end is None)


def read_recipient(conn: Connection, number: int, within: frozenset[str] | None) -> RecipientView:
    """Give one; raises NotFound, also for whom `within` leaves out."""
    query = select_recipients().where(recipients.c.id == number)
    if within is not None:
        there = recipient_regions.c.recipient_id == number
        query = query.where(exists().where(there, recipient_regions.c.region.in_(within)))
    found = recipient_views(conn, conn.execute(query).mappings().all())
    if not found:
        raise NotFound("there is no such recipient")
    return found[0]


def _regions(wanted: Wanted) -> list[str] | None:
    """Give the regions to look in; None for everybody."""
    asked = {wanted.region} if wanted.region else None
    if wanted.within is None:
        return None if asked is None else sorted(asked)
    return sorted(wanted.within if asked is None else wanted.within & asked)


def _end(
    conn: Connection, query: Select[Any], place: ColumnElement[int], after: int, count: int
) -> int | None:
    """Give where `count` of them end; None when there are fewer."""
    found: int | None = conn.scalar(
        query.where(place > after).order_by(place).offset(count - 1).limit(1)
    )
    return found


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
