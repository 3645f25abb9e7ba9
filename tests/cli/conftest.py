"""A daemon of its own for the commands: with feed and exercise recipients, nobody else."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from alertd.cli import main
from alertd.demo import ports, sample
from alertd.demo.daemon import scrubbed, write_config

HEADER = "label,class,channel,address,language,regions,exercise,consent,consent_at\n"
READY_S = 60


def row(address: str = "exercise/el", **changes: str) -> str:
    cells = {
        "label": "Example feed",
        "class": "feed",
        "channel": "feed",
        "address": address,
        "language": "el",
        "regions": "GR",
        "exercise": "yes",
        "consent": "example",
        "consent_at": "2026-01-01",
    } | changes
    return ",".join(cells.values()) + "\n"


@dataclass
class Shell:
    """Runs commands as one person after the other, on one configuration."""

    config: Path
    tokens: dict[str, str] = field(default_factory=dict)

    def __call__(self, *words: str, role: str = "", text: str | None = None) -> Result:
        environ = {name: None for name in os.environ if name.startswith("ALERTD_")}
        if role:
            environ["ALERTD_TOKEN"] = self.tokens[role]
        return CliRunner(env=environ).invoke(
            main, ["--config", str(self.config), *words], input=text
        )

    def json(self, *words: str, role: str = "", text: str | None = None) -> Any:
        done = self(*words, "--json", role=role, text=text)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A configuration with officials and recipients; no daemon runs yet."""
    folder = tmp_path_factory.mktemp("install")
    free = ports.settle({"api": 0, "public": 0})
    sections = {
        "data_dir": str(folder / "var"),
        "api": {"port": free["api"]},
        "public": {"port": free["public"]},
        "public_url": f"http://127.0.0.1:{free['public']}",
    }
    write_config(folder / "alertd.toml", sections)
    shell = Shell(folder / "alertd.toml")
    for role in ("submitter", "operator", "police", "prosecutor", "activation"):
        shell.tokens[role] = shell.json("token", f"Example {role}", "--role", role)["token"]
    return shell


@pytest.fixture(scope="module")
def served(shell: Shell) -> Iterator[Shell]:
    """The same, with its daemon up."""
    file = shell.config.with_name("recipients.csv")
    file.write_text(HEADER + row("exercise/el") + row("exercise/en", language="en"))
    assert shell("recipients", "import", str(file)).exit_code == 0
    log = shell.config.with_name("log").open("wb")
    with (
        log,
        subprocess.Popen(
            [sys.executable, "-m", "alertd", "--config", shell.config, "serve"],
            env=scrubbed(os.environ),
            stdout=log,
            stderr=log,
        ) as daemon,
    ):
        wait_until_ready(shell, daemon)
        yield shell
        daemon.terminate()
        assert daemon.wait(timeout=30) == 0


def wait_until_ready(shell: Shell, daemon: subprocess.Popen[bytes]) -> None:
    port = next(
        line.split("=")[1].strip()
        for line in shell.config.read_text().splitlines()
        if line.startswith("port")
    )
    until = time.monotonic() + READY_S
    while time.monotonic() < until and daemon.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz"):
                return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError(shell.config.with_name("log").read_text())


@pytest.fixture
def facts() -> Callable[..., str]:
    """Give a sample alert as JSON, with changes; without a vehicle it is no duplicate."""

    def make(**changes: Any) -> str:
        return json.dumps(sample.alert(datetime.now(UTC)) | {"vehicle": None} | changes)

    return make
