"""Grounds to compete on: ledgers filled once, and copied for every run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import count as counter
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import make_url

from tests.benchmarks import measure, sinks
from tests.benchmarks.measure import Figure
from tests.benchmarks.sinks import Sinks
from tests.benchmarks.town import Place, Waiting, channel_settings, prepare


@dataclass(frozen=True, slots=True)
class Ground:
    """A filled ledger that runs are made from."""

    place: Place
    count: int
    waiting: Waiting
    url: str
    tls: bool


class Arena:
    """The sinks, the databases and a folder for them all."""

    def __init__(self, folder: Path, found: Sinks, server: str) -> None:
        self.folder = folder
        self.sinks = found
        self.server = server
        self._numbers = counter()

    async def ground(self, channel: str, count: int, db: str, *, tls: bool = False) -> Ground:
        folder, database = await self.fresh(db)
        settings = channel_settings(channel, self.sinks, tls=tls)
        place = Place(folder=str(folder), database=database, channel=channel, settings=settings)
        port, scheme = (self.sinks.https, "https") if tls else (self.sinks.http, "http")
        url = f"{scheme}://127.0.0.1:{port}/hook/"
        return Ground(place, count, await prepare(place, count, url), url, tls)

    def bare(self, ground: Ground) -> Figure:
        """Run the loop that somebody would write instead, over the same messages."""
        channel = ground.place.channel
        task: dict[str, Any] = {"count": ground.count, "size": ground.waiting.size}
        if channel == "email":
            task |= {"port": self.sinks.smtp, "concurrency": 8}
        else:
            url = ground.url if channel == "webhook" else f"http://127.0.0.1:{self.sinks.http}"
            task |= {"url": url, "concurrency": 32}
        if ground.tls:
            task["ca"] = str(self.sinks.certificate)
        return measure.bare(channel, task)

    async def alertd(
        self,
        ground: Ground,
        *,
        processes: int = 1,
        options: Sequence[str] = (),
        wrapper: Sequence[str] = (),
        beside: measure.Beside = nullcontext,
    ) -> Figure:
        """Run alertd on a copy, and hold what the sink has counted against the ledger."""
        if ground.tls:  # alertd trusts what this machine trusts
            wrapper = ["env", f"SSL_CERT_FILE={self.sinks.certificate}", *wrapper]
        place = await self._copy(ground.place)
        before = self.sinks.requests()
        try:
            figure = await measure.alertd(
                place,
                ground.count,
                processes=processes,
                options=options,
                wrapper=wrapper,
                beside=beside,
            )
        finally:
            await self.forget(place)
        arrived = self.sinks.requests() - before
        if ground.place.channel != "email" and not ground.tls and "instant" not in options:
            expected = ground.count + 1  # the question itself
            if arrived != expected:
                raise RuntimeError(f"{arrived} requests for {expected}")
        return figure

    async def forget(self, place: Place) -> None:
        shutil.rmtree(place.folder)
        if not place.database.startswith("sqlite"):
            name = make_url(place.database).database
            await self._run(f"DROP DATABASE {name} WITH (FORCE)")

    async def syncs_of_server(self) -> int | None:
        """Give how often PostgreSQL has synced its log, where it counts that."""
        connection = await asyncpg.connect(self.server)
        try:
            query = "SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'"
            return int(await connection.fetchval(query) or 0)
        except asyncpg.PostgresError:
            return None
        finally:
            await connection.close()

    async def fresh(self, db: str, template: str = "template1") -> tuple[Path, str]:
        name = f"bench_{next(self._numbers)}"
        folder = self.folder / name
        folder.mkdir()
        if db == "sqlite":
            return folder, f"sqlite:///{folder}/alertd.db"
        await self._run(f"CREATE DATABASE {name} TEMPLATE {template}")
        url = make_url(self.server).set(database=name)
        return folder, url.render_as_string(hide_password=False)

    async def _copy(self, place: Place) -> Place:
        if place.database.startswith("sqlite"):
            folder, database = await self.fresh("sqlite")
        else:
            template = make_url(place.database).database or ""
            folder, database = await self.fresh("postgresql", template)
        shutil.copytree(place.folder, folder, dirs_exist_ok=True)
        return replace(place, folder=str(folder), database=database)

    async def vacuum(self, place: Place) -> None:
        """Have done now what PostgreSQL does by itself after so many rows; SQLite needs none."""
        if not place.database.startswith("sqlite"):
            await self._run("VACUUM (ANALYZE)", place.database)

    async def _run(self, statement: str, server: str = "") -> None:
        connection = await asyncpg.connect(server or self.server)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def opened() -> Iterator[Arena]:
    with tempfile.TemporaryDirectory(prefix="alertd-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        with sinks.running(folder / "sinks") as found, sinks.postgresql(folder) as server:
            yield Arena(folder, found, server)
