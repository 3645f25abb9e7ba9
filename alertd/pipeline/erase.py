"""Erases a recipient: nobody can tell any more who it was, and its deliveries still count."""

from datetime import datetime

from sqlalchemy import Connection, delete, exists, or_, select, update

from alertd.core.errors import NotFound
from alertd.pipeline.record import Entry, record
from alertd.store.schema import addresses, person_addresses, recipient_regions, recipients

RECIPIENT_ERASED = "recipient.erased"
ERASED = "erased"


def erase_recipient(conn: Connection, recipient_id: int, *, by: str, at: datetime) -> None:
    """Blank all that tells who this recipient was; again changes nothing.

    The address goes too unless somebody else is still reached by it: another recipient who has
    not left, or an official. What is still queued for it is cancelled when its turn comes.
    Raises NotFound.
    """
    found = conn.execute(
        select(recipients.c.address_id, recipients.c.consent)
        .where(recipients.c.id == recipient_id)
        .with_for_update()
    ).one_or_none()
    if found is None:
        raise NotFound(f"there is no recipient {recipient_id}")
    if found.consent == ERASED:
        return
    own = recipients.c.id == recipient_id
    conn.execute(update(recipients).where(own).values(label=ERASED, consent=ERASED))
    conn.execute(update(recipients).where(own, recipients.c.ended_at.is_(None)).values(ended_at=at))
    conn.execute(delete(recipient_regions).where(recipient_regions.c.recipient_id == recipient_id))
    blanked = not _in_use(conn, found.address_id)
    if blanked:
        _blank(conn, found.address_id, at)
    data = {"recipient": recipient_id, "address": found.address_id, "address_blanked": blanked}
    record(conn, Entry(by, RECIPIENT_ERASED, data=data), at=at)


def _in_use(conn: Connection, address_id: int) -> bool:
    living = select(recipients.c.id).where(
        recipients.c.address_id == address_id, recipients.c.ended_at.is_(None)
    )
    official = select(person_addresses.c.person_id).where(
        person_addresses.c.address_id == address_id
    )
    return bool(conn.scalar(select(or_(exists(living), exists(official)))))


def _blank(conn: Connection, address_id: int, at: datetime) -> None:
    conn.execute(
        update(addresses)
        .where(addresses.c.id == address_id)
        .values(
            address=f"{ERASED}:{address_id}",  # unique, as the table wants it
            lane=ERASED,
            secret=None,
            suppressed_at=at,
            suppressed_reason=ERASED,
        )
    )
