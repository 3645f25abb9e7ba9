"""Bringing the schema up to date, by Alembic, from the first schema on."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from alertd.core.errors import ConfigError

FOLDER = Path(__file__).parent / "migrations"


def config(conn: Connection | None = None) -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(FOLDER))
    settings.attributes["connection"] = conn
    return settings


def upgrade(conn: Connection) -> None:
    """Bring the schema to the newest revision this code knows.

    Raises ConfigError when the database is newer: an old node must not write into it.
    """
    settings = config(conn)
    script = ScriptDirectory.from_config(settings)
    known = {revision.revision for revision in script.walk_revisions()}
    current = MigrationContext.configure(conn).get_current_revision()
    if current is not None and current not in known:
        raise ConfigError(
            f"the database has schema {current}, newer than this alertd: upgrade alertd first"
        )
    if current != script.get_current_head():
        command.upgrade(settings, "head")
