"""Reading the audit chain back from the ledger."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, select

from alertd.core.audit import Head, Link, Replay, check_end
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


def advance(conn: Connection, since: Head) -> Head:
    """Give the end of the chain, having replayed all that follows `since`.

    Raises ChainBroken when it does not follow.
    """
    replay = Replay(since)
    for link in links_since(conn, since.seq):
        if findings := replay.add(link):
            raise ChainBroken(str(findings[0]))
    for finding in check_end(replay.head, read_head(conn)):
        raise ChainBroken(str(finding))
    return replay.head
