"""The rules and the dashboard in `config/monitoring`, held by Prometheus' own tool."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from alertd.resources import home
from alertd.settings import embedded
from alertd.watch.alarms import AlarmKind
from alertd.watch.links import test_links as try_links
from alertd.watch.watcher import Watcher
from tests.dispatch.conftest import Town

MONITORING = home("config") / "monitoring"
RULE_TESTS = Path(__file__).parents[1] / "monitoring" / "alerts_test.yaml"
NAME = re.compile(r"\balertd_\w+")


def _unpacked(folder: Path) -> Path:
    """Fetch Debian's package and take the tool out of it: nothing is installed or started."""
    for command in (["true"], ["apt-get", "update", "--quiet"]):
        subprocess.run(command, check=False, capture_output=True)
        got = ["apt-get", "download", "prometheus"]
        done = subprocess.run(got, cwd=folder, check=False, capture_output=True)
        if done.returncode == 0:
            break
    (package,) = folder.glob("prometheus_*.deb")
    subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    return folder / "usr/bin/promtool"


@pytest.fixture(scope="module")
def promtool(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the tool; without it the tests are skipped, loudly, and in CI it is fetched."""
    if found := shutil.which("promtool"):
        return found
    if not os.environ.get("CI"):
        pytest.skip("NO PROMTOOL: install Debian's prometheus to have the alert rules checked")
    return str(_unpacked(tmp_path_factory.mktemp("prometheus")))


def said_by(promtool: str, *words: str, given: bytes = b"") -> str:
    done = subprocess.run(
        [promtool, *words], input=given, check=False, stdout=-1, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout.decode()


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """Both databases are counted alike; one is enough here."""
    return f"sqlite:///{tmp_path}/alertd.db"


@pytest.fixture
async def page(town: Town) -> bytes:
    """What is scraped once an alert went out, the links were tested, and all is anchored."""
    watcher = Watcher(town.tools, embedded().watch)
    await watcher.measures()  # from here on it counts
    await try_links(town.tools, 0)
    await town.populate(2)
    await town.settled(await town.send())
    watcher.chain.anchored_at = town.tools.clock()
    return await watcher.measures()


def emitted(page: bytes) -> set[str]:
    families = text_string_to_metric_families(page.decode())
    return {sample.name for family in families for sample in family.samples}


def queries(node: Any) -> Iterator[str]:
    """Find every query of the dashboard, wherever it stands."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in {"expr", "query"} and isinstance(value, str):
                yield value
            else:
                yield from queries(value)
    elif isinstance(node, list):
        for each in node:
            yield from queries(each)


def test_prometheus_takes_the_rules(promtool: str) -> None:
    said = said_by(promtool, "check", "rules", str(MONITORING / "alerts.yaml"))
    assert re.search(r"SUCCESS: \d\d rules found", said)


def test_the_rules_fire_when_they_should_and_only_then(promtool: str) -> None:
    assert "SUCCESS" in said_by(promtool, "test", "rules", str(RULE_TESTS))


def test_every_rule_has_such_a_test() -> None:
    rules = set(re.findall(r"- alert: (\w+)", (MONITORING / "alerts.yaml").read_text()))
    tested = set(re.findall(r"alertname: (\w+)", RULE_TESTS.read_text()))
    assert rules == tested


async def test_prometheus_finds_no_fault_with_the_measures(promtool: str, page: bytes) -> None:
    assert said_by(promtool, "check", "metrics", given=page) == ""


async def test_rules_and_dashboard_ask_only_for_what_is_measured(page: bytes) -> None:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    asked = {name for query in queries(dashboard) for name in NAME.findall(query)}
    assert len(asked) > 10
    rules = set(NAME.findall((MONITORING / "alerts.yaml").read_text()))
    watched = {"alertd_alarms"}  # none stands here
    assert (asked | rules) - emitted(page) - watched == set()
    assert f'alertd_alarms{{kind="{AlarmKind.NOT_STARTED}"}}'.encode() not in page
