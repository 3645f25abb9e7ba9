"""Bringing the schema up to date, by Alembic, from the first schema on."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from alertd.core.errors import ConfigError

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).parent / "migrations"


def config(conn: Connection | None = None) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - 9 MiB that a start without news never needs

    settings = Config()
    settings.set_main_option("script_location", str(FOLDER))
    settings.attributes["connection"] = conn
    return settings


def upgrade(conn: Connection) -> None:
    """Bring the schema to the newest revision this code knows.

    Raises ConfigError when the database is newer: an old node must not write into it.
    """
    known = sorted(path.name[:4] for path in FOLDER.glob("versions/[0-9]*.py"))
    current = _revision(conn)
    if current == known[-1]:
        return
    if current is not None and current not in known:
        raise ConfigError(
            f"the database has schema {current}, newer than this alertd: upgrade alertd first"
        )
    from alembic import command  # noqa: PLC0415 - as above

    command.upgrade(config(conn), "head")


def _revision(conn: Connection) -> str | None:
    if not inspect(conn).has_table("alembic_version"):
        return None
    revision: str | None = conn.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
