"""Keys whose seals are emptied: destroyed after the commit, and after a crash as well."""

from sqlalchemy import Connection, delete, select

from alertd.store.schema import retired_keys
from alertd.tools import Tools


async def destroy_retired(tools: Tools) -> None:
    """Destroy the keys of what has been emptied: only then is it gone from every copy."""
    for key_id in await tools.store.read(_retired):
        await tools.vault.destroy(key_id)
        await tools.store.write(_forget_retired, key_id)


def _retired(conn: Connection) -> list[str]:
    return list(conn.scalars(select(retired_keys.c.key_id)))


def _forget_retired(conn: Connection, key_id: str) -> None:
    conn.execute(delete(retired_keys).where(retired_keys.c.key_id == key_id))
