"""What every page costs with a million deliveries in the ledger, by plan and by measure."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from alertd.app import App
from alertd.cli.running import settle_in
from alertd.pipeline.audience import FRESH, Intent, audience
from alertd.settings import Settings, embedded
from tests.benchmarks.arena import Arena
from tests.benchmarks.contests import Fact
from tests.benchmarks.pages import GROUPS, PUBLIC, Look, group_of, looks
from tests.benchmarks.plans import faults, statements
from tests.benchmarks.readers import DATABASES
from tests.benchmarks.scene import Scene, played
from tests.benchmarks.town import Place
from tests.web.conftest import CHANNELS

BOUND_MS = 50
COUNTING = ("/check", "/activation")  # pages that say how many are reached
ENTRIES, PAST = 200_000, 2_000  # of the audit log; alerts long over


Times = dict[str, list[float]]
"""What each page took, in ms, round by round; the first is of a cold cache."""


async def console(arena: Arena, count: int, rounds: int) -> tuple[list[Fact], list[str]]:
    """Ask for every page in turn, `rounds` times, on either database; gives a table as well."""
    facts, taken = [], {}
    for db, name in DATABASES.items():
        folder, database = await arena.fresh(db)
        place = Place(folder=str(folder), database=database, channel="", settings={})
        async with (
            App.open(_settings(place)) as app,
            played(app.tools, count, entries=ENTRIES, past=PAST) as scene,
        ):
            await arena.vacuum(place)
            facts.append(await _plans(scene, name))
            settle_in()  # as the daemon does once it is open
            taken[name] = await _times(scene, rounds)
            facts += [_fact(name, page, times) for page, times in taken[name].items()]
            facts.append(await _reach(scene, name))
        await arena.forget(place)
    return facts, list(_table(taken))


def _settings(place: Place) -> Settings:
    return embedded(
        {
            "data_dir": place.folder,
            "database": {"url": place.database},
            "public_url": "https://alerts.example.org",
            "console_url": "https://console.example.org",
            "channels": {name: dict(each) for name, each in CHANNELS.items()},
        }
    )


async def ask(scene: Scene, look: Look) -> float:
    """Ask for a page and give how many milliseconds its answer took, to the last byte."""
    began = time.perf_counter()
    if look.who == PUBLIC:
        answer = await scene.public.get(look.path)
    elif look.sent:
        browser = scene.people[look.who]
        answer = await browser.post(look.path, [("csrf", browser.csrf), *look.sent])
    else:
        answer = await scene.people[look.who].get(look.path)
    await answer.read()
    if answer.status != (303 if look.path == "/log/address" else 200):
        raise RuntimeError(f"{look.path}: {answer.status} {(await answer.text())[:500]}")
    return (time.perf_counter() - began) * 1000


async def _times(scene: Scene, rounds: int) -> Times:
    pages = looks(scene)
    taken: Times = {look.name: [] for look in pages}
    for round_ in range(rounds + 1):
        await scene.freshen()
        # In another order each time: the collector would stop at the same few pages in all rounds.
        for look in random.Random(round_).sample(pages, len(pages)):
            taken[look.name].append(await ask(scene, look))
    return taken


def _fact(database: str, page: str, times: Sequence[float]) -> Fact:
    note = f"p95 {_p95(times):.1f}, first {times[0]:.0f}"
    return Fact(f"{database}, {page}", statistics.median(times[1:]), "ms", BOUND_MS, note)


def _p95(times: Sequence[float]) -> float:
    return statistics.quantiles(times[1:], n=20)[-1]


def _table(taken: Mapping[str, Times]) -> Iterator[str]:
    """Tell the pages in groups: of each the least and the greatest median, and the worst p95."""
    yield f"| page | {' | '.join(f'{database} | p95' for database in taken)} |"
    yield "| --- " * (2 * len(taken) + 1) + "|"
    for group in GROUPS:
        cells = []
        for pages in taken.values():
            mine = [times for page, times in pages.items() if group_of(page) == group]
            medians = [round(statistics.median(times[1:])) for times in mine]
            least, most = min(medians), max(medians)
            cells += [f"{least} to {most}" if least < most else f"{most}"]
            cells += [f"{max(map(_p95, mine)):.0f}"]
        yield f"| {group} | {' | '.join(cells)} |"


async def _plans(scene: Scene, database: str) -> Fact:
    found = await wrong_plans(scene)
    told = "; ".join(f"{name}: {', '.join(wrong)}" for name, wrong in found.items())
    return Fact(f"{database}: pages that read a big table whole", len(found), "", 0, told)


async def wrong_plans(scene: Scene) -> dict[str, list[str]]:
    """Name what reads a big table whole, by page; an audience has been counted a moment ago."""
    found = {}
    await scene.freshen()
    for look in looks(scene):
        if look.path.endswith(COUNTING):
            await ask(scene, look)
        with statements() as seen:
            await ask(scene, look)
        if wrong := await scene.tools.store.read(faults, list(seen)):
            found[look.name] = wrong
    return found


async def _reach(scene: Scene, database: str) -> Fact:
    """Count the audience anew: what is paid once an hour, ahead of whoever looks first."""
    now = scene.tools.clock()
    regions = scene.tools.atlas.reaches(["GR-I"])
    channels = frozenset({"sms", "email"})
    intent = Intent(alert_id="", regions=regions, exercise=True, channels=channels)
    taken = []
    for n in range(1, 4):
        began = time.perf_counter()
        await audience(replace(scene.tools, clock=lambda n=n: now + n * FRESH), intent)
        taken.append((time.perf_counter() - began) * 1000)
    return Fact(f"{database}, an audience counted anew", statistics.median(taken), "ms")
