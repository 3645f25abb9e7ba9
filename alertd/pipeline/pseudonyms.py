"""Puts a salted hash in place of the address that a message went to.

Deliveries, attempts and the record stay as they are, and still count; only whom they reached
is no longer told. The hash is keyed by the master secret and salted by the alert: whoever has
an address and the secret can still answer whether this alert went there.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, select, update

from alertd.core.retention import Ground, What
from alertd.masking import mask
from alertd.pipeline.deletions import Deletion, is_noted, note_deletion
from alertd.pipeline.purge import refuse_living, refuse_open
from alertd.pipeline.record import Entry, record
from alertd.store.schema import addresses, deliveries, dispatches
from alertd.tools import Tools

ADDRESS_HASHED = "alert.addresses_hashed"
PERSONAL = ("sms", "email")  # an endpoint is an organisation's, and has to answer for deletion
TO_PUBLIC = ("alert", "update", "end", "correction", "expiry")  # whom officials asked stays
AT_ONCE = 1000  # rows in a transaction: others write between

_BITS = 59  # no more digits than a cursor takes


def pseudonym(mac: str) -> int:
    """Give the number that stands in place of an address: below zero, where no address is."""
    return -1 - (int(mac, 16) >> (4 * len(mac) - _BITS))


def mask_reached(number: int, address: str | None) -> str:
    """Give whom a delivery went to as people may see it: masked, or by its hash."""
    return hashed(number) if address is None else mask(address)


def hashed(number: int) -> str:
    """Give a pseudonym as people see it."""
    return f"hash:{-1 - number:015x}"


async def hash_addresses(tools: Tools, alert_id: str, *, by: str, ground: Ground) -> None:
    """Forget whom an alert reached; raises Conflict while a message is still under way."""

    def number_of(channel: str, address: str) -> int:
        return pseudonym(tools.vault.master.mac("reached", f"{alert_id}\n{channel}\n{address}"))

    # Looking for what is under way reads every delivery: once, and not for every thousand.
    await tools.store.read(refuse_living, alert_id)
    count = 0
    while changed := await tools.store.write(_hash_some, alert_id, number_of):
        count += changed
    deletion = Deletion(alert_id=alert_id, what=What.ADDRESS, ground=ground, by=by, count=count)
    await tools.store.write(_note, deletion, tools.clock())


def _hash_some(conn: Connection, alert_id: str, number_of: Callable[[str, str], int]) -> int:
    refuse_open(conn, alert_id)
    query = (
        select(deliveries.c.id, deliveries.c.channel, addresses.c.address)
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .join(addresses, addresses.c.id == deliveries.c.address_id)
        .where(_personal(alert_id))
        .limit(AT_ONCE)
    )
    rows = [
        {"number": row.id, "hashed": number_of(row.channel, row.address)}
        for row in conn.execute(query)
    ]
    if rows:
        which = deliveries.c.id == bindparam("number")
        conn.execute(update(deliveries).where(which).values(address_id=bindparam("hashed")), rows)
    return len(rows)


def _personal(alert_id: str) -> ColumnElement[bool]:
    return (
        (dispatches.c.alert_id == alert_id)
        & dispatches.c.kind.in_(TO_PUBLIC)
        & deliveries.c.channel.in_(PERSONAL)
        & (deliveries.c.address_id > 0)
    )


def _note(conn: Connection, deletion: Deletion, at: datetime) -> None:
    if is_noted(conn, deletion.alert_id, What.ADDRESS):
        return  # another node was faster
    note_deletion(conn, deletion, at=at)
    said = {"what": deletion.what, "ground": deletion.ground, "count": deletion.count}
    record(conn, Entry(deletion.by, ADDRESS_HASHED, deletion.alert_id, said), at=at)
