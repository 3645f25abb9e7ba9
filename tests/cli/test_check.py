"""`check`, and what every command does with a configuration that cannot be used."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from alertd.cli import main
from alertd.demo.daemon import scrubbed


def check(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, [*words])
    return done.exit_code, done.output


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_defaults_can_be_used() -> None:
    assert check("check") == (0, "everything can be used\n")


def test_every_problem_is_named_in_one_go(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "broken.toml").write_text("programme = 3\n")
    templates = tmp_path / "templates/sms"
    templates.mkdir(parents=True)
    (templates / "text.txt.j2").write_text("{% if %}")
    key = tmp_path / "master.key"
    key.write_bytes(b"short")
    key.chmod(0o600)
    Path("alertd.toml").write_text(
        'rulesets_dir = "rules"\ntemplates_dir = "templates"\nlog = {level = "loud"}\n'
        '[keys]\nmaster_key_file = "master.key"\n'
        '[tls]\ncert = "cert.pem"\nkey = "key.pem"\n'
        '[channels.sms]\naccount_sid = "AC1"\n'
    )
    status, output = check("check")
    assert status == 78
    for named in (
        "alertd.toml:3: log.level",
        "rules/broken.toml: programme",
        "sms/text.txt.j2, line 1",
        "master.key: this secret file has 5 bytes",
        "tls: cert.pem: cannot be read",
        "alertd.toml:10: channels.sms.account_sid",
        "alertd.toml:9: channels.sms.auth_token: is required",
    ):
        assert named in output


def test_any_command_ends_with_78_when_the_configuration_is_wrong() -> None:
    Path("alertd.toml").write_text("instal = 1\n")
    for words in (["serve"], ["status"], ["token", "X"], ["audit", "verify"]):
        status, output = check(*words)
        assert status == 78
        assert "alertd.toml:1: instal: there is no such key; did you mean install?" in output
        assert "Traceback" not in output


def test_machines_read_problems_as_json() -> None:
    assert json.loads(check("check", "--json")[1]) == {"ok": True, "problems": [], "unknown": []}
    Path("alertd.toml").write_text("instal = 1\n")
    status, output = check("check", "--json")
    assert status == 78
    assert len(json.loads(output)["problems"]) == 1


def test_a_taken_port_is_named_with_its_key() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        Path("alertd.toml").write_text(f"[api]\nport = {port}\n[public]\nport = 0\n")
        done = subprocess.run(
            [sys.executable, "-m", "alertd", "serve"],
            env=scrubbed(os.environ),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 78
    assert f"api.port: {port} is taken on 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_is_told() -> None:
    Path("var").write_text("a file where a folder should be")
    status, output = check("token", "X", "--role", "reader")
    assert status == 1
    assert "File exists: 'var'" in output


def test_an_unknown_command_is_told_with_the_nearest(tmp_path: Path) -> None:
    status, output = check("aprove")
    assert status == 2
    assert "approve" in output


def test_what_may_leave_by_which_channel_is_shown_per_rule_set() -> None:
    status, output = check("check", "--outward")
    assert status == 0
    assert "amber-alert-hellas 1\n  sms: children." in output
    lists = json.loads(check("check", "--outward", "--json")[1])
    assert {"sms", "email", "webhook", "websub"} <= lists["amber-alert-hellas 1"].keys()
    assert "children.photo" not in lists["amber-alert-hellas 1"]["sms"]
