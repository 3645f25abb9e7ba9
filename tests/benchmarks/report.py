"""The report: tables in Markdown, every run in JSON, plots in SVG."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks import plot
from tests.benchmarks.contests import Fact, Row, Table
from tests.benchmarks.measure import Figure

_NAMED = ("aiohttp", "aiosmtplib", "asyncpg", "pycurl", "sqlalchemy", "twilio", "uvloop")


@dataclass(slots=True)
class Report:
    """Grows as the benchmarks run; each part is printed at once."""

    tables: list[Table] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)  # lines of a table
    stages: Table | None = None
    curves: dict[str, list[tuple[int, Row]]] = field(default_factory=dict)

    def add(self, table: Table) -> None:
        self.tables.append(table)
        print("\n" + "\n".join(_table(table)), flush=True)

    def tell(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            self.facts.append(fact)
            print(_fact(fact), flush=True)

    def missed(self) -> list[str]:
        """Name what did not come up to its bound."""
        rows = [
            f"{table.title}: {row.name}"
            for table in self.tables
            for row in table.rows
            if not row.met
        ]
        return rows + [fact.title for fact in self.facts if not fact.met]

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.md").write_text("\n".join(self._markdown()) + "\n")
        (folder / "runs.json").write_text(json.dumps(self._raw(), indent=1) + "\n")
        for name, svg in self._plots():
            (folder / f"{name}.svg").write_text(svg)

    def _markdown(self) -> Iterable[str]:
        yield f"# Benchmarks\n\n{_machine()}\n"
        for name, _ in self._plots():
            yield f"![{name}]({name}.svg)\n"
        for table in self.tables:
            yield from (*_table(table), "")
        if self.stages is not None:
            yield from (*_stages(self.stages), "")
        if self.curves:
            yield from (*_curves(self.curves), "")
        if self.pages:
            yield from ("**Pages of the console**, ms, medians and the worst 95th percentile\n",)
            yield from (*self.pages, "")
        yield from ("| fact | measured | at most | |", "|---|---|---|---|", *map(_fact, self.facts))

    def _raw(self) -> dict[str, object]:
        groups = [*self.tables, *([self.stages] if self.stages else [])]
        grown = [
            {"title": name, "count": size, **asdict(row)}
            for name, points in self.curves.items()
            for size, row in points
        ]
        tables = [{"title": t.title, "rows": [asdict(row) for row in t.rows]} for t in groups]
        return {
            "machine": _machine(),
            "tables": tables,
            "growth": grown,
            "facts": [asdict(fact) for fact in self.facts],
        }

    def _plots(self) -> Iterable[tuple[str, str]]:
        rows = [
            (f"{table.title.split(',')[0]} {row.name}", row.ratio, row.floor)
            for table in self.tables
            for row in table.rows
            if row.floor is not None
        ]
        if rows:
            yield "ratios", plot.bars("Times the rate of the yardstick; red: the floor", rows)
        if self.stages is not None:
            made = [(row.name, _spent(row.runs[0])) for row in self.stages.rows]
            yield "stages", plot.stacked("CPU of a webhook by stage, microseconds", made)
        if self.curves:
            for name, title, value in _CURVES:
                lines = {
                    setup: [(size, value(row)) for size, row in points]
                    for setup, points in self.curves.items()
                }
                yield name, plot.curves(title, lines)


_CURVES: Sequence[tuple[str, str, Callable[[Row], float]]] = (
    ("cpu", "CPU per delivery, times that of the bare loop", lambda row: _middle(row.cpu_ratios)),
    ("rate", "Deliveries a second, times the bare loop", lambda row: row.ratio),
    ("memory", "Peak memory of a process, MiB", lambda row: max(r.rss_mib for r in row.runs)),
    (
        "first",
        "From approval to the first delivery, ms",
        lambda row: _middle([run.extra["first_s"] * 1000 for run in row.runs]),
    ),
)


def _table(table: Table) -> Iterable[str]:
    yield f"**{table.title}**\n"
    yield "| | per second | CPU us | peak MiB | ratio | floor | |"
    yield "|---|---|---|---|---|---|---|"
    for row in table.rows:
        floor = "" if row.floor is None else f"{row.floor:g}"
        verdict = "" if row.floor is None else ("met" if row.met else "MISSED")
        yield (
            f"| {row.name} | {_range([r.rate for r in row.runs], ',.0f')} "
            f"| {_range([r.cpu_us for r in row.runs], '.0f')} "
            f"| {max(r.rss_mib for r in row.runs):.0f} "
            f"| {_range(row.ratios, '.2f')} | {floor} | {verdict} |"
        )


def _stages(table: Table) -> Iterable[str]:
    names = list(dict.fromkeys(name for row in table.rows for name in _spent(row.runs[0])))
    yield f"**{table.title}, microseconds a delivery** (clocks included)\n"
    yield f"| | {' | '.join(names)} |"
    yield "|---" * (len(names) + 1) + "|"
    for row in table.rows:
        spent = _spent(row.runs[0])
        yield f"| {row.name} | {' | '.join(f'{spent.get(n, 0):.0f}' for n in names)} |"


def _curves(curves: dict[str, list[tuple[int, Row]]]) -> Iterable[str]:
    yield "**Growth** (webhooks; ratios to a bare loop of the same length)\n"
    yield "| | recipients | rate ratio | CPU ratio | CPU us | peak MiB | first, ms |"
    yield "|---|---|---|---|---|---|---|"
    for name, points in curves.items():
        for size, row in points:
            first = _middle([run.extra["first_s"] * 1000 for run in row.runs])
            cpu = _range([run.cpu_us for run in row.runs], ".0f")
            yield (
                f"| {name} | {size:,} | {_range(row.ratios, '.2f')} "
                f"| {_range(row.cpu_ratios, '.2f')} | {cpu} "
                f"| {max(r.rss_mib for r in row.runs):.0f} | {first:.0f} |"
            )


def _fact(fact: Fact) -> str:
    bound = "" if fact.at_most is None else f"{fact.at_most:g}"
    verdict = "" if fact.at_most is None else ("met" if fact.met else "MISSED")
    value = f"{fact.value:.3g} {fact.unit} {f'({fact.note})' if fact.note else ''}".strip()
    return f"| {fact.title} | {value} | {bound} | {verdict} |"


def _spent(run: Figure) -> dict[str, float]:
    order = ("claim", "build", "send", "event loop", "settle", "commit")
    return {name: run.extra.get(f"stage {name}", 0) for name in order}


def _range(values: Sequence[float], form: str) -> str:
    middle = format(_middle(values), form)
    if len(values) < 2:
        return middle
    return f"{middle} ({format(min(values), form)}-{format(max(values), form)})"


def _middle(values: Sequence[float]) -> float:
    return statistics.median(values)


def _machine() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in _NAMED)
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {versions}."
    )
