"""A rush of readers on `alertd public` while the same machine sends an alert."""

from __future__ import annotations

import signal
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks import measure
from tests.benchmarks.arena import Arena
from tests.benchmarks.contests import Fact
from tests.benchmarks.sinks import program
from tests.benchmarks.town import Place, Waiting

AT_MOST = 1.5
_CONNECTIONS = 64
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}

# The load comes from this machine only because there is no other: it takes what alertd leaves.
_WRK = ("chrt", "--idle", "0")
_LUA = """
local paths, n = { %s }, 0
request = function()
  n = n + 1
  return wrk.format("GET", paths[n %% #paths + 1], { ["Accept-Encoding"] = "gzip" })
end
"""


async def public(arena: Arena, count: int, rounds: int) -> list[Fact]:
    """Compare the time to the last of `count` webhooks with readers and without, in turns."""
    facts = []
    for db, name in DATABASES.items():
        ground = await arena.ground("webhook", count, db)
        ratios, rates = [], []
        for _ in range(rounds):
            served: list[float] = []

            @contextmanager
            def rush(place: Place, served: list[float] = served) -> Iterator[None]:
                with measure.publishing(place) as port, _readers(place, port, served):
                    yield

            given = {"options": ["no-public"]}
            quiet = await arena.alertd(ground, beside=measure.publishing, **given)
            loaded = await arena.alertd(ground, beside=rush, **given)
            ratios.append(loaded.seconds / quiet.seconds)
            rates += served
        note = f"{min(ratios):.2f}-{max(ratios):.2f}; {statistics.median(rates):,.0f} answers/s"
        title = f"time to the last delivery with readers over without, {name}"
        facts.append(Fact(title, statistics.median(ratios), "times", AT_MOST, note))
        await arena.forget(ground.place)
    return facts


@contextmanager
def _readers(place: Place, port: int, served: list[float]) -> Iterator[None]:
    """Ask for pages and feeds as fast as they come; notes how many a second that were."""
    script = Path(place.folder) / "readers.lua"
    alert = f"/a/{Waiting.read(place.folder).alert_id}/el"
    feeds = [f"/feeds/exercise/{each}" for each in ("rss.xml", "atom.xml", "el/feed.json")]
    paths = [*feeds, alert, "/el", "/feeds/el/GR-I/rss.xml"]
    script.write_text(_LUA % ", ".join(f'"{path}"' for path in paths))
    url = f"http://127.0.0.1:{port}/"
    command = [*_WRK, program("wrk"), "-t1", f"-c{_CONNECTIONS}", "-d900s", "-s", str(script), url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as wrk:
        yield
        wrk.send_signal(signal.SIGINT)  # it tells what it has counted
        said, _ = wrk.communicate(timeout=30)
    served.append(float(said.split("Requests/sec:")[1].split()[0]))
