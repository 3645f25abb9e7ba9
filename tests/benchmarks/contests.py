"""Who competes with whom, and what is asked of alertd."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.arena import Arena, Ground
from tests.benchmarks.measure import Figure

SQLITE_1, SQLITE_2, PG_2 = "SQLite, 1 process", "SQLite, 2 processes", "PostgreSQL, 2 processes"
_SETUPS = {SQLITE_1: ("sqlite", 1), SQLITE_2: ("sqlite", 2), PG_2: ("postgresql", 2)}

Runner = Callable[[], Awaitable[Figure]]


@dataclass(slots=True)
class Row:
    """One contestant: its runs, each beside the yardstick's run of the same round."""

    name: str
    runs: list[Figure] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    cpu_ratios: list[float] = field(default_factory=list)
    floor: float | None = None

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def met(self) -> bool:
        return self.floor is None or self.ratio >= self.floor


@dataclass(slots=True)
class Table:
    title: str
    rows: list[Row]


@dataclass(slots=True)
class Fact:
    """One number with its bound; `at_most` where less is better."""

    title: str
    value: float
    unit: str
    at_most: float | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        return self.at_most is None or self.value <= self.at_most


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    scale: float
    sizes: Sequence[int]

    def count(self, usual: int) -> int:
        return int(usual * self.scale)


SHORT = Plan(rounds=3, scale=1, sizes=(1_000, 10_000, 100_000))
FULL = Plan(rounds=5, scale=4, sizes=(1_000, 10_000, 100_000, 1_000_000))


async def interleaved(title: str, bare: Runner, alertd: dict[Row, Runner], rounds: int) -> Table:
    """Run A B C A B C, and take every ratio within its round."""
    yardstick = Row("bare loop")
    for _ in range(rounds):
        base = await bare()
        yardstick.runs.append(base)
        yardstick.ratios.append(1.0)
        yardstick.cpu_ratios.append(1.0)
        for row, run in alertd.items():
            figure = await run()
            row.runs.append(figure)
            row.ratios.append(figure.rate / base.rate)
            row.cpu_ratios.append(figure.cpu_us / base.cpu_us)
    return Table(title, [yardstick, *alertd])


async def channel(
    arena: Arena, name: str, count: int, floors: dict[str, float], rounds: int
) -> Table:
    """One alert on one channel, beside the bare loop of its usual client."""
    grounds: dict[str, Ground] = {}
    contestants: dict[Row, Runner] = {}
    for setup, floor in floors.items():
        db, processes = _SETUPS[setup]
        if db not in grounds:
            grounds[db] = await arena.ground(name, count, db)
        contestants[_Named(setup, floor=floor)] = _run(arena, grounds[db], processes)
    first = next(iter(grounds.values()))

    async def bare() -> Figure:
        return arena.bare(first)

    size = first.waiting.size
    table = await interleaved(f"{name}, {count:,} of {size:,} B", bare, contestants, rounds)
    for ground in grounds.values():
        await arena.forget(ground.place)
    return table


class _Named(Row):
    __hash__ = object.__hash__


def _run(arena: Arena, ground: Ground, processes: int = 1, options: Sequence[str] = ()) -> Runner:
    async def run() -> Figure:
        return await arena.alertd(ground, processes=processes, options=options)

    return run


async def fresh_tls(arena: Arena, count: int, rounds: int) -> Table:
    """Each delivery opens a TLS connection of its own."""
    ground = await arena.ground("webhook", count, "sqlite", tls=True)

    async def bare() -> Figure:
        return arena.bare(ground)

    rows: dict[Row, Runner] = {_Named(SQLITE_1): _run(arena, ground)}
    table = await interleaved(f"webhook, {count:,}, a TLS connection each", bare, rows, rounds)
    await arena.forget(ground.place)
    return table


async def ledger_share(arena: Arena, count: int, rounds: int) -> tuple[list[Fact], Table]:
    """What is left when sending costs nothing, and where the time goes."""
    facts, stages = [], []
    for db, name in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL")):
        ground = await arena.ground("webhook", count, db)
        shares = []
        for _ in range(rounds):
            full = await arena.alertd(ground)
            instant = await arena.alertd(ground, options=["instant"])
            shares.append(instant.cpu_us / full.cpu_us)
        timed = await arena.alertd(ground, options=["stages"])
        row = _Named(f"{name}, 1 process", runs=[timed])
        stages.append(row)
        spent = {k[6:]: v for k, v in timed.extra.items() if k.startswith("stage ")}
        ledger = sum(spent.get(stage, 0) for stage in ("claim", "settle", "commit"))
        facts.append(
            Fact(f"everything but the sending, {name}", statistics.median(shares), "of CPU")
        )
        facts.append(
            Fact(
                f"the ledger (claim, settle, commit), {name}",
                ledger / sum(spent.values()),
                "of CPU",
                0.30,
            )
        )
        await arena.forget(ground.place)
    return facts, Table("CPU by stage", stages)


async def syncs(arena: Arena, count: int) -> list[Fact]:
    """Count what a slow disk would wait for."""
    facts = []
    ground = await arena.ground("webhook", count, "sqlite")
    if strace := shutil.which("strace"):
        log = arena.folder / "syncs.txt"
        wrapper = [strace, "-f", "-ttt", "--seccomp-bpf", "-e", "trace=fsync,fdatasync"]
        figure = await arena.alertd(ground, wrapper=[*wrapper, "-o", str(log)])
        opened = figure.extra["opened_at"]
        made = [line for line in log.read_text().splitlines() if "sync(" in line]
        made = [line for line in made if float(line.split()[1]) >= opened]
        facts.append(Fact("syncs per 1,000, SQLite", len(made) / count * 1000, "", 20))
    await arena.forget(ground.place)
    ground = await arena.ground("webhook", count, "postgresql")
    before = await arena.syncs_of_server()
    await arena.alertd(ground)
    time.sleep(1.5)  # noqa: ASYNC251 - until the server has flushed what it counts
    after = await arena.syncs_of_server()
    if before is not None and after is not None:
        facts.append(Fact("syncs per 1,000, PostgreSQL", (after - before) / count * 1000, "", 20))
    await arena.forget(ground.place)
    return facts


async def growth(
    arena: Arena, sizes: Sequence[int], rounds: int
) -> dict[str, list[tuple[int, Row]]]:
    """The same alert for more and more recipients, each beside a bare loop as long."""
    curves: dict[str, list[tuple[int, Row]]] = {}
    for db, name, processes in (("sqlite", SQLITE_1, 1), ("postgresql", PG_2, 2)):
        for size in sizes:
            ground = await arena.ground("webhook", size, db)

            async def bare(ground: Ground = ground) -> Figure:
                return arena.bare(ground)

            row = _Named(name)
            times = rounds if size < 500_000 else 1
            await interleaved("", bare, {row: _run(arena, ground, processes)}, times)
            curves.setdefault(name, []).append((size, row))
            await arena.forget(ground.place)
    return curves


def growth_facts(curves: dict[str, list[tuple[int, Row]]]) -> list[Fact]:
    """Compare the largest with the small ones."""
    facts = []
    for name, points in curves.items():
        sizes = dict(points)
        small, middle, large = min(sizes), sorted(sizes)[1], max(sizes)
        first = [
            statistics.median(run.extra["first_s"] for run in sizes[n].runs) for n in (large, small)
        ]
        cpu = [statistics.median(sizes[n].cpu_ratios) for n in (large, middle)]
        memory = [max(run.rss_mib for run in sizes[n].runs) for n in (large, middle)]
        over = f"{large:,} over {{:,}}, {name}"
        facts += [
            Fact(
                f"first delivery, {over.format(small)}",
                first[0] / first[1],
                "times",
                1.5,
                f"{first[0] * 1000:.0f} ms",
            ),
            Fact(f"CPU per delivery, {over.format(middle)}", cpu[0] / cpu[1], "times", 1.25),
            Fact(
                f"peak memory, {over.format(middle)}",
                memory[0] / memory[1],
                "times",
                1.25,
                f"{memory[0]:.0f} MiB",
            ),
            Fact(f"peak memory of a process, {large:,}, {name}", memory[0], "MiB", 150),
        ]
        if alone := max(run.extra["sender_mib"] for run in sizes[large].runs):
            what = f"peak memory of a process that only sends, {large:,}, {name}"
            facts.append(Fact(what, alone, "MiB", 150))
    return facts
