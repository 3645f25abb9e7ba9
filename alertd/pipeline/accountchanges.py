"""Changes of accounts: asked for by one administrator, done once a second agrees."""

from datetime import datetime

from sqlalchemy import Connection, func, select

from alertd.store.accounts import changes


def count_open(conn: Connection, now: datetime) -> int:
    query = select(func.count()).where(changes.c.decided_at.is_(None), changes.c.expires_at > now)
    return conn.execute(query).scalar_one()
