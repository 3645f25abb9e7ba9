"""Copies of the ledger, made while it is at work. The keys are another database, and stay out."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL, make_url

from alertd.core.errors import ConfigError, StoreBusy


async def backup(url: str, target: Path) -> int:
    """Write a consistent copy to `target`, readable by its owner alone; gives its size in bytes.

    On SQLite a database file (VACUUM INTO), on PostgreSQL what `pg_dump` writes in its custom
    format, for `pg_restore`. Raises ConfigError when the target stands already, or when there
    is no pg_dump; StoreBusy when the database does not answer.
    """
    parsed = make_url(url)
    with _new_file(target):
        if parsed.get_backend_name() == "sqlite":
            await asyncio.to_thread(_copy, parsed.database or "", target)
        else:
            await _dump(parsed, target)
        return _size(target)


def _size(path: Path) -> int:
    return path.stat().st_size


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[None]:
    """Make an empty file that only its owner can read; after a failure nothing is left of it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise ConfigError(f"{path}: stands already; name a new file") from None
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _copy(source: str, target: Path) -> None:
    with contextlib.closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as connection:
        try:
            connection.execute("VACUUM INTO ?", (str(target),))
        except sqlite3.Error as error:
            raise StoreBusy(f"the copy failed ({type(error).__name__})") from error


async def _dump(url: URL, target: Path) -> None:
    if (tool := shutil.which("pg_dump")) is None:
        raise ConfigError("pg_dump is not on the PATH; install PostgreSQL's client programs")
    plain = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    environment = os.environ | ({"PGPASSWORD": str(url.password)} if url.password else {})
    process = await asyncio.create_subprocess_exec(
        *(tool, "--format=custom", "--no-owner", f"--file={target}", plain),
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await process.communicate()
    if process.returncode:
        raise StoreBusy(f"pg_dump: {complaint.decode(errors='replace').strip()}")
