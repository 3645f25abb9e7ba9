"""The feed of a hundred alerts, as alertd serves it, beside nginx with the same bytes."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from pathlib import Path

from alertd.app import App
from tests.benchmarks import measure
from tests.benchmarks.arena import Arena
from tests.benchmarks.contests import Row, Table
from tests.benchmarks.measure import Figure
from tests.benchmarks.sinks import program
from tests.benchmarks.town import APPROVALS, Place, approve_one, make_officials, submit_one

ALERTS = 100
SECONDS = 3
PATH = "/feeds/exercise/rss.xml"


async def feeds(arena: Arena, rounds: int) -> list[Table]:
    """Ask for the whole feed, and for what has changed since."""
    folder, database = await arena.fresh("sqlite")
    place = Place(folder=str(folder), database=database, channel="feed", settings={})
    async with App.open(place.alertd()) as app:
        officials = await make_officials(app.tools)
        for n in range(ALERTS):
            facts = {"case_reference": f"EX-2026-{n:04}", "children": [_child(n)], "vehicle": None}
            facts |= {"not_a_duplicate_because": "Fictional example: not the same child."}
            alert_id = await submit_one(app.tools, officials, **facts)
            for name, role in APPROVALS:
                await approve_one(app.tools, officials[name], alert_id, role)
    with measure.serving(place, ALERTS) as (port, pid):
        served = f"http://127.0.0.1:{port}{PATH}"
        with urllib.request.urlopen(served) as answer:
            body, tag = answer.read(), answer.headers["ETag"]
        (arena.sinks.folder / "static" / "feed.xml").write_bytes(body)
        plain = f"http://127.0.0.1:{arena.sinks.http}/static/feed.xml"
        with urllib.request.urlopen(plain) as answer:
            plain_tag = answer.headers["ETag"]
        asked = [("200", "", "", 0.4), ("304", tag, plain_tag, 0.2)]
        tables = []
        for status, ours, theirs, floor in asked:
            alertd, nginx = Row("alertd, 1 process", floor=floor), Row("nginx")
            for _ in range(rounds):
                base = _wrk(plain, theirs, arena.sinks.nginx_pid)
                figure = _wrk(served, ours, pid)
                nginx.runs.append(base)
                nginx.ratios.append(1.0)
                alertd.runs.append(figure)
                alertd.ratios.append(figure.rate / base.rate)
            title = f"feed {status}, {ALERTS} entries, {len(body):,} B"
            tables.append(Table(title, [nginx, alertd]))
    await arena.forget(place)
    return tables


def _child(n: int) -> dict[str, object]:
    return {"name": f"Example Child {n}", "age": 3 + n % 14, "sex": "female"}


def _wrk(url: str, tag: str, pid: int) -> Figure:
    """Ask over 32 connections for some seconds."""
    command = [program("wrk"), "-t1", "-c32", f"-d{SECONDS}s"]
    if tag:
        command += ["-H", f"If-None-Match: {tag}"]
    before = _cpu_s(pid)
    said = subprocess.run([*command, url], check=True, capture_output=True, text=True).stdout
    spent = _cpu_s(pid) - before
    count = int(said.split(" requests in ")[0].split()[-1])
    if tag == "" and "Non-2xx" in said:
        raise RuntimeError(said)
    rate = float(said.split("Requests/sec:")[1].split()[0])
    return Figure(
        count=count, seconds=count / rate, cpu_us=spent / count * 1e6, rss_mib=_peak_mib(pid)
    )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
