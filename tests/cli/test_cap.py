"""`cap validate` and `cap verify`, on files and over real sockets."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from alertd.cli import main
from tests import signing
from tests.core.test_cap_rules import GOOD, changed

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*words: str | Path, text: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["cap", *map(str, words)], input=text)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.xml"
    file.write_text(GOOD, encoding="utf-8")
    return file


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.xml"
    file.write_bytes(changed({"20:30:00+02:00": "18:30:00Z", "  <note>An exercise.</note>\n": ""}))
    return file


def test_a_good_document_passes(good: Path) -> None:
    done = run("validate", good)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "0 errors, 0 warnings" in done.stderr


def test_findings_are_printed_as_compilers_do(bad: Path) -> None:
    done = run("validate", bad)
    assert done.exit_code == 1
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{bad}:2: warning: ")
    assert second.startswith(f"{bad}:5: error: sent must be written as ")
    assert second.endswith("(sent; date-time, 3.3.2)")
    assert "1 errors, 1 warnings" in done.stderr


def test_warnings_alone_do_not_fail(tmp_path: Path) -> None:
    file = tmp_path / "warn.xml"
    file.write_bytes(changed({"  <note>An exercise.</note>\n": ""}))
    assert run("validate", file).exit_code == 0


def test_findings_come_as_json(bad: Path) -> None:
    done = run("validate", bad, "--json")
    said = json.loads(done.stdout)
    assert (done.exit_code, said["ok"]) == (1, False)
    assert said["findings"][1] == {
        "level": "error",
        "rule": "date-time",
        "clause": "3.3.2",
        "message": said["findings"][1]["message"],
        "path": "sent",
        "line": 5,
    }


def test_a_profile_adds_its_rules(good: Path) -> None:
    assert run("validate", good, "--profile", "ipaws").exit_code == 0
    done = run("validate", good, "--profile", "wmo")
    assert "wmo-identifier" in done.stdout
    done = run("validate", good, "--profile", "none")
    assert done.exit_code == 1
    assert "eu-alert, ipaws, plain, wmo" in done.output


def test_standard_input_is_read() -> None:
    assert run("validate", "-", text=GOOD.encode()).exit_code == 0


def test_what_is_no_xml_is_said_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "text.xml"
    file.write_text("no XML")
    done = run("validate", file)
    assert done.exit_code == 1
    assert "is not well-formed XML" in done.output
    assert (
        "cannot" in run("validate", "none.xml").output or "No such" in run("validate", "x").output
    )


@pytest.fixture
def served() -> Iterator[str]:
    """A web server on loopback with one document, one redirect and one endless answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/away":
                self.send_response(302)
                self.send_header("Location", "http://127.0.0.2:1/")
                self.end_headers()
                return
            self.send_response(404 if self.path == "/none" else 200)
            self.end_headers()
            body = GOOD.encode() if self.path == "/good" else b"<a>" + b"x" * 2_000_000
            with suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_url_is_fetched_through_the_address_guard(
    served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = run("validate", f"{served}/good")
    assert refused.exit_code == 1
    assert "not on the public Internet" in refused.output
    monkeypatch.setenv("ALERTD_OUTBOUND__ALLOW_ADDRESSES", '["127.0.0.1/32"]')
    assert run("validate", f"{served}/good").exit_code == 0
    assert "answered 404" in run("validate", f"{served}/none").output
    assert "too large" in run("validate", f"{served}/endless").output
    assert "not on the public Internet" in run("validate", f"{served}/away").output


def test_a_server_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTD_OUTBOUND__ALLOW_ADDRESSES", '["127.0.0.1/32"]')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/x"
        assert "cannot be reached" in run("validate", url).output


@pytest.fixture
def pair(tmp_path: Path) -> signing.Pair:
    days = (NOW - signing.START).days + 365
    return signing.make_pair(tmp_path, days=days)


def test_a_signature_is_verified(tmp_path: Path, good: Path, pair: signing.Pair) -> None:
    file = tmp_path / "signed.xml"
    file.write_bytes(pair.signer().sign(good.read_bytes(), NOW + timedelta(seconds=1)))
    done = run("verify", file, "--trust", pair.certificate)
    assert done.exit_code == 0
    assert "signed by CN=example.example.org" in done.stdout
    assert "nobody vouches" not in done.output
    alone = run("verify", file)
    assert alone.exit_code == 0
    assert "nobody vouches" in alone.stderr
    said = json.loads(run("verify", file, "--trust", pair.certificate, "--json").stdout)
    assert (said["ok"], said["trusted"]) == (True, True)
    assert run("validate", file).exit_code == 0


def test_what_does_not_verify_fails(tmp_path: Path, good: Path, pair: signing.Pair) -> None:
    assert "is not signed" in run("verify", good).output
    assert run("verify", good).exit_code == 1
    file = tmp_path / "signed.xml"
    signed = pair.signer().sign(good.read_bytes(), NOW)
    file.write_bytes(signed.replace(b"Call 112.", b"Call 113."))
    done = run("verify", file, "--trust", pair.certificate)
    assert done.exit_code == 1
    assert "does not hold" in done.output
    file.write_bytes(signed)
    other = signing.make_pair(tmp_path, "other")
    assert run("verify", file, "--trust", other.certificate).exit_code == 1


def test_check_names_a_pair_that_cannot_sign(
    tmp_path: Path, pair: signing.Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = signing.make_pair(tmp_path, "other")
    monkeypatch.setenv("ALERTD_CAP__KEY", str(pair.key))
    done = CliRunner().invoke(main, ["check"])
    assert "key and certificate belong together" in done.output
    monkeypatch.setenv("ALERTD_CAP__CERTIFICATE", str(pair.certificate))
    assert CliRunner().invoke(main, ["check"]).exit_code == 0
    monkeypatch.setenv("ALERTD_CAP__CERTIFICATE", str(other.certificate))
    done = CliRunner().invoke(main, ["check"])
    assert done.exit_code == 78
    assert "is not the key of" in done.output
