"""`make bench`: at most twenty minutes; `make bench ARGS=--full` gives the curves to a million."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Iterator
from pathlib import Path

import structlog

from tests.benchmarks import contests, sinks
from tests.benchmarks.arena import Arena, opened
from tests.benchmarks.console import console
from tests.benchmarks.contests import FULL, PG_2, SHORT, SQLITE_1, SQLITE_2, Plan, Table
from tests.benchmarks.feeds import feeds
from tests.benchmarks.readers import public
from tests.benchmarks.report import Report

PARTS = (
    "webhook",
    "sms",
    "email",
    "burst",
    "tls",
    "feed",
    "public",
    "ledger",
    "syncs",
    "growth",
    "console",
)
_WEBHOOK = {SQLITE_1: 0.7, SQLITE_2: 1.1, PG_2: 1.0}
_OTHERS = {SQLITE_1: 0.75, SQLITE_2: 1.2, PG_2: 1.1}


async def bench(arena: Arena, plan: Plan, parts: set[str], report: Report) -> None:
    for table in _contests(arena, plan, parts):
        report.add(await table)
    if "feed" in parts:
        for fed in await feeds(arena, plan.rounds):
            report.add(fed)
    if "public" in parts:
        report.tell(await public(arena, plan.count(10_000), plan.rounds))
    if "console" in parts:
        facts, report.pages = await console(arena, 1_000_000, 9)
        report.tell(facts)
    if "ledger" in parts:
        facts, report.stages = await contests.ledger_share(arena, plan.count(6_000), 2)
        report.tell(facts)
    if "syncs" in parts:
        report.tell(await contests.syncs(arena, plan.count(6_000)))
    if "growth" in parts:
        report.curves = await contests.growth(arena, plan.sizes, 2)
        report.tell(contests.growth_facts(report.curves))


def _contests(arena: Arena, plan: Plan, parts: set[str]) -> Iterator[Awaitable[Table]]:
    for name, count, floors in (
        ("webhook", 30_000, _WEBHOOK),
        ("sms", 12_000, _OTHERS),
        ("email", 12_000, _OTHERS),
    ):
        if name in parts:
            yield contests.channel(arena, name, plan.count(count), floors, plan.rounds)
    if "burst" in parts:
        for count, floor in ((500, 0.5), (2_000, 0.6)):
            yield contests.channel(arena, "webhook", count, {SQLITE_1: floor}, plan.rounds + 2)
    if "tls" in parts:
        yield contests.fresh_tls(arena, plan.count(1_000), plan.rounds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--full", action="store_true", help="larger runs, curves to a million")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="some parts")
    parser.add_argument("--out", type=Path, default=Path("var/bench"), help="the report's folder")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the sinks must not stay behind
    report, began = Report(), time.monotonic()
    try:
        sinks.require(install=True)
        with opened() as arena:
            plan = FULL if asked.full else SHORT
            asyncio.run(bench(arena, plan, set(asked.only), report))
    except sinks.Missing as missing:
        print(f"\n{'!' * 78}\n{missing}\n{'!' * 78}", file=sys.stderr)
        return 2
    finally:
        report.write(asked.out)
    minutes = (time.monotonic() - began) / 60
    print(f"\n{minutes:.0f} minutes. Report: {asked.out}/report.md")
    for name in report.missed():
        print(f"MISSED: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
