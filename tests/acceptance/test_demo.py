"""`make demo`, as a newcomer runs it: in a process of its own, over real sockets."""

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from rich.console import Console

from alertd.cli.demo import demo
from alertd.core.rendition import Kind
from alertd.demo import play, ports, sample
from alertd.demo.daemon import scrubbed, write_config
from alertd.demo.peer import HttpPeer
from alertd.demo.world import world
from alertd.settings import load
from alertd.shapes import ChannelProgress, DispatchProgress, Tally

ANY_PORTS = [part for name in ports.DEFAULTS for part in (f"--{name}-port", "0")]


def start(folder: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "alertd", "demo", *arguments],
        cwd=folder,
        env=scrubbed(os.environ) | {"COLUMNS": "120"} | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_everyone_is_reached_and_the_outside_is_ignored(tmp_path: Path) -> None:
    """Whatever could lead it astray is there: a file, variables, a proxy, and a second run."""
    (tmp_path / "alertd.toml").write_text('install = "real"\n[channels.sms]\nbroken = true\n')
    environ = {
        "ALERTD_DATABASE__URL": f"sqlite:///{tmp_path}/real.db",
        "ALERTD_NO_SUCH_KEY": "x",
        "TWILIO_ACCOUNT_SID": "AC" + "9" * 32,
        "HTTP_PROXY": "http://192.0.2.1:9",
        "https_proxy": "http://192.0.2.1:9",
    }
    runs = [start(tmp_path, "--once", *ANY_PORTS, **environ) for _ in range(2)]
    for run in runs:
        with run:
            out, _ = run.communicate(timeout=100)
        assert run.returncode == 0, out
        for channel, wanted in sample.expected("http://127.0.0.1:1").items():
            (line,) = (line for line in out.splitlines() if line.startswith(f"│ {channel}"))
            _, planned, sent, _, failed, *_ = (cell.strip() for cell in line.strip("│").split("│"))
            assert (planned, sent, failed) == (str(len(wanted)), str(len(wanted)), "0")
    assert not (tmp_path / "real.db").exists()
    assert not list((tmp_path / "var/demo").iterdir())  # nothing is left behind


def test_a_taken_port_is_told_with_its_option(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with start(tmp_path, "--once", *ANY_PORTS, "--smtp-port", str(port)) as run:
            out, _ = run.communicate(timeout=60)
    assert run.returncode == 78
    assert f"port {port} is taken: choose another with --smtp-port (0 takes any)" in out
    assert "Traceback" not in out


class EmptyFeed(HttpPeer):
    def routes(self) -> list[web.RouteDef]:
        async def empty(_request: web.Request) -> web.Response:
            return web.Response(text="<rss><channel/></rss>")

        return [web.get("/feeds/{path:.*}", empty)]


async def test_whoever_was_missed_is_named_although_the_ledger_says_sent(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    async with world(dict.fromkeys(ports.DEFAULTS, 0)) as around, EmptyFeed() as public:
        wanted = sample.expected(around.hooks.url)
        dispatch = DispatchProgress(
            kind=Kind.ALERT,
            variant="",
            occurrence=0,
            identifier="demo.1.1",
            exercise=True,
            sent_at=now,
            deadline_at=now,
            expanded_at=now,
            stopped_at=None,
            channels=[
                ChannelProgress(
                    channel=channel,
                    planned=len(addresses),
                    states={"sent": Tally(count=len(addresses), first_at=now, last_at=now)},
                )
                for channel, addresses in wanted.items()
            ],
        )
        stage = play.Stage(Console(), {"public": public.port, "api": 0}, tmp_path, around)
        faults = await play.compare(stage, dispatch)
    missed = {f"{channel}: {to} was missed" for channel, all_ in wanted.items() for to in all_}
    assert set(faults) == missed


def test_the_ports_of_a_demo_are_all_options() -> None:
    names = {name for option in demo.params for name in option.opts}
    assert {f"--{name}-port" for name in ports.DEFAULTS} <= names


def test_the_sample_is_an_exercise_for_recipients_of_exercises() -> None:
    now = datetime.now(UTC)
    assert sample.alert(now)["status"] == "exercise"
    header, *rows = sample.recipients_csv("http://127.0.0.1:1", now).splitlines()
    column = header.split(",").index("exercise")
    assert rows
    assert {row.split(",")[column] for row in rows} == {"yes"}
    json.dumps(sample.alert(now))


def test_a_written_configuration_reads_back(tmp_path: Path) -> None:
    file = tmp_path / "alertd.toml"
    write_config(file, {"install": "x", "api": {"port": 1}, "channels": {"sms": {"a": 'q"\\'}}})
    settings = load(file, {})
    assert (settings.install, settings.api.port) == ("x", 1)
    assert settings.channels["sms"] == {"a": 'q"\\'}


@pytest.mark.parametrize("name", ["ALERTD_X", "TWILIO_TOKEN", "HTTPS_PROXY", "no_proxy"])
def test_the_environment_is_scrubbed(name: str) -> None:
    assert scrubbed({name: "x", "PATH": "y"}) == {"PATH": "y"}
