"""Reading the audit chain back from the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sqlalchemy import Connection, select

from alertd.core.audit import DELIVERIES_SETTLED, GENESIS, Head, Link, Replay, check_end
from alertd.core.errors import ChainBroken
from alertd.pipeline.record import read_head
from alertd.store.schema import audit

_CHUNK = 1000
COLUMNS = (
    audit.c.seq,
    audit.c.at,
    audit.c.actor,
    audit.c.action,
    audit.c.alert_id,
    audit.c.body,
    audit.c.previous,
    audit.c.hash,
)


def read_links(conn: Connection, after: int, limit: int | None = None) -> list[Link]:
    """Give the entries that follow entry `after`, at most `limit`."""
    query = select(*COLUMNS).where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
    return [Link(*row) for row in conn.execute(query)]


def links_since(conn: Connection, after: int) -> Iterator[Link]:
    """Give all entries that follow entry `after`, a chunk in memory at a time."""
    while links := read_links(conn, after, _CHUNK):
        yield from links
        after = links[-1].seq


class Advanced(NamedTuple):
    """How far the chain was followed."""

    head: Head
    change: Head | None  # the latest entry on the way that was more than a settled batch


def advance(conn: Connection, since: Head) -> Advanced:
    """Give the end of the chain, having replayed all that follows `since`.

    Raises ChainBroken when it does not follow.
    """
    replay = Replay(since)
    change = None
    for link in links_since(conn, since.seq):
        if findings := replay.add(link):
            raise ChainBroken(str(findings[0]))
        if link.action != DELIVERIES_SETTLED:
            change = replay.head
    for finding in check_end(replay.head, read_head(conn)):
        raise ChainBroken(str(finding))
    return Advanced(replay.head, change)


def contains(conn: Connection, head: Head) -> bool:
    """Tell whether this chain came by `head`."""
    if head == GENESIS:
        return True
    found = conn.scalar(select(audit.c.hash).where(audit.c.seq == head.seq))
    return bool(found == head.hash)


def newest_kept(conn: Connection, heads: Iterable[Head]) -> Head | None:
    """Give the first of `heads`, the newest first, that this chain came by."""
    return next((head for head in heads if contains(conn, head)), None)
