"""The schema's history, as Alembic reads it."""

from alembic.script import ScriptDirectory

from alertd.store import migrate


def test_each_migration_follows_the_one_numbered_before_it() -> None:
    script = ScriptDirectory.from_config(migrate.config())
    newest_first = [revision.revision for revision in script.walk_revisions()]
    numbers = sorted(path.name[:4] for path in migrate.FOLDER.glob("versions/[0-9]*.py"))
    assert newest_first[::-1] == numbers
