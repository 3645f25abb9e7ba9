"""What a whole run leaves on the disk, from submission to the last delivery."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner, Result

from alertd.cli import main
from alertd.demo import ports, sample, twilio
from alertd.demo.daemon import scrubbed

HERE = "http://127.0.0.1:"
ANY_PORTS = [part for name in ports.DEFAULTS for part in (f"--{name}-port", "0")]


@dataclass(frozen=True)
class Run:
    """A daemon that has sent the sample alert and is still there."""

    folder: Path
    urls: Mapping[str, str]  # that it printed, by what they lead to


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    home = tmp_path_factory.mktemp("run")
    with subprocess.Popen(
        [sys.executable, "-m", "alertd", "demo", *ANY_PORTS],
        cwd=home,
        env=scrubbed(os.environ) | {"COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        watchdog = threading.Timer(100, process.kill)
        watchdog.start()
        said: list[str] = []
        while not said or "Press Ctrl-C" not in said[-1]:
            said.append(process.stdout.readline())
            assert said[-1], "".join(said)
        (folder,) = (home / "var" / "demo").iterdir()
        parts = (line.strip().rpartition(" ") for line in said)
        yield Run(folder, {name.strip(): url for name, _, url in parts if url.startswith(HERE)})
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        watchdog.cancel()
    assert process.returncode == 0


@pytest.fixture
def run(demo: Run) -> Path:
    """Its folder."""
    return demo.folder


def verify(folder: Path) -> Result:
    words = ["--config", str(folder / "alertd.toml"), "audit", "verify"]
    return CliRunner().invoke(main, words)


def copied(run: Path, to: Path) -> Path:
    """Copy a daemon's folder as it stands, with a configuration that names the copy."""
    folder = shutil.copytree(run, to / "copy", ignore=shutil.ignore_patterns("alertd.db*"))
    with sqlite3.connect(run / "alertd.db") as living, sqlite3.connect(folder / "alertd.db") as new:
        living.backup(new)
    living.close()
    new.close()
    config = folder / "alertd.toml"
    config.write_text(config.read_text().replace(str(run), str(folder)))
    return folder


def test_no_file_holds_what_the_alert_says(run: Path) -> None:
    alert = sample.alert(datetime.now(UTC))
    child, vehicle = alert["children"][0], alert["vehicle"]
    facts = [
        child["name"],
        child["hair"],
        child["clothing"],
        vehicle["plate"],
        alert["last_seen"]["place"],
        alert["circumstances"],
    ]
    files = [path for path in run.rglob("*") if path.is_file()]
    assert {"alertd.db", "alertd.log", "keys.db", "anchors.jsonl"} <= {file.name for file in files}
    found = [(f.name, fact) for f in files for fact in facts if fact.encode() in f.read_bytes()]
    assert found == []


async def test_every_address_that_it_names_can_be_opened(demo: Run) -> None:
    async with aiohttp.ClientSession() as session:
        for url in demo.urls.values():
            async with session.get(url) as answer:
                assert answer.status == 200, url
    assert set(demo.urls) == {
        "feed",
        "page of the alert",
        "CAP document",
        "API docs",
        "console",
        "SMS that arrived",
        "mail that arrived",
        "webhooks that arrived",
    }


def test_no_log_line_holds_an_address_a_fact_or_a_secret(demo: Run) -> None:
    text = (demo.folder / "alertd.log").read_text(encoding="utf-8")
    assert "alert.activated" in text
    assert "deliveries.settled" in text
    private = (*private_words(), demo.urls["webhooks that arrived"])
    assert [word for word in private if word in text] == []
    assert re.findall(r"\+\d{8,}|[\w.+-]+@[\w-]+\.\w+", text) == []


def private_words() -> Iterator[str]:
    """Give what no log line may hold: addresses, what is told of a case, and secrets."""
    for found in sample.expected("http://x").values():
        yield from found
    for official in (sample.SUBMITTER, *sample.APPROVERS):
        yield from (official.name, official.sms, official.email)
    facts = sample.alert(datetime.now(UTC))
    yield from (facts["children"][0]["name"], facts["vehicle"]["plate"], facts["circumstances"])
    yield from ("Παραδειγματίδου", "Παραδείγματος", "Example Square")
    yield from (twilio.AUTH_TOKEN, "whsec_", "Bearer", "alertd_")


def test_record_of_the_run_verifies_while_it_runs(run: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "alertd", "--config", str(run / "alertd.toml"), "audit", "verify"],
        cwd=run,
        env=scrubbed(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.stdout.splitlines()[-1] == "nothing is wrong", said.stdout + said.stderr
    assert said.returncode == 0


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit SET body = replace(body, '}', ' }') WHERE seq = 5",
        "DELETE FROM audit WHERE seq = 5",
        "UPDATE attempts SET finished_at = finished_at + 1 WHERE id = 7",
        "UPDATE deliveries SET state = 'dead' WHERE id = (SELECT max(id) FROM deliveries)",
    ],
)
def test_record_that_was_tampered_with_does_not(run: Path, tmp_path: Path, tampering: str) -> None:
    folder = copied(run, tmp_path)
    assert verify(folder).exit_code == 0
    ledger = sqlite3.connect(folder / "alertd.db")
    ledger.execute("PRAGMA foreign_keys = OFF")
    assert ledger.execute(tampering).rowcount == 1
    ledger.commit()
    ledger.close()
    said = verify(folder)
    assert "nothing is wrong" not in said.stdout
    assert said.exit_code == 2
