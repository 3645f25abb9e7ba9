"""Settings: four layers, and every mistake named with the place it was made at."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from pydantic import BaseModel, ConfigDict, SecretStr

from alertd import log
from alertd.core.errors import ConfigError
from alertd.settings import embedded, load


class Feed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Sms(BaseModel):
    model_config = ConfigDict(extra="forbid")
    account_sid: str
    auth_token: SecretStr
    rate: int = 10


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "alertd.toml"


def problems(file: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(file, environ or {}, {"sms": Sms, "feed": Feed})
    return str(raised.value).splitlines()


def test_defaults_stand_without_any_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(environ={})
    assert settings == embedded()
    assert settings.database.url == "sqlite:///var/alertd.db"
    assert set(settings.channels) == {"feed"}


def test_a_file_in_the_working_folder_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("alertd.toml").write_text('install = "here"\n')
    assert load(environ={}).install == "here"


def test_the_later_layer_wins(file: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "channels.sms.auth_token").write_text("of the secret file\n")
    (secrets / "channels.sms.account_sid").write_text("of the secret file\n")
    file.write_text(
        f'install = "of-the-file"\nsecrets_dir = "{secrets}"\n'
        '[channels.sms]\nauth_token = "of the file"\naccount_sid = "of the file"\nrate = 3\n'
    )
    environ = {
        "ALERTD_CONFIG": str(file),
        "ALERTD_INSTALL": "of-the-variable",
        "ALERTD_CHANNELS__SMS__AUTH_TOKEN": "of the variable",
    }
    settings = load(environ=environ)
    assert settings.install == "of-the-variable"
    assert settings.channels["sms"] == {
        "account_sid": "of the secret file",
        "auth_token": "of the variable",
        "rate": 3,
    }


def test_a_variable_holds_a_list_as_json() -> None:
    settings = load(environ={"ALERTD_TRUSTED_PROXIES": '["10.0.0.0/8"]'})
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8"]


def test_a_variable_holds_a_table_as_json_and_a_path_in_braces_as_text() -> None:
    settings = load(
        environ={
            "ALERTD_CAP__SENDERS": '{"police@example.org": "/etc/police.pem"}',
            "ALERTD_ANCHORS__FILE": "{data_dir}/anchors.log",
        }
    )
    assert settings.cap.senders == {"police@example.org": Path("/etc/police.pem")}
    assert settings.anchors.file == settings.data_dir / "anchors.log"


def test_data_dir_is_filled_into_paths(file: Path) -> None:
    file.write_text('data_dir = "/srv/alertd"\n')
    assert load(file, {}).keys.url == "sqlite:////srv/alertd/keys.db"


def test_every_mistake_is_named_at_once_with_file_and_line(file: Path) -> None:
    found = problems(
        file,
        'install = "Not Allowed"\n'  # 1
        "\n"
        "[api]\n"
        "prot = 80\n"  # 4
        'port = "eighty"\n'  # 5
        "[log]\n"
        'level = "loud"\n'  # 7
        "[channels.sms]\n"  # 8
        'acount_sid = "AC"\n'  # 9
        'auth_token = "x"\n'
        "[channels.smms]\n"  # 11
        "[chanels.email]\n",  # 12
        {"ALERTD_PUBLIC__PORT": "99999", "ALERTD_INSTAL": "x"},
    )
    starts = {
        f"{file}:1: install: string should match",
        f"{file}:4: api.prot: there is no such key; did you mean api.port?",
        f"{file}:5: api.port: should be a valid integer",
        f"{file}:7: log.level: should be 'debug'",
        f"{file}:8: channels.sms.account_sid: is required",
        f"{file}:9: channels.sms.acount_sid: there is no such key; did you mean channels.sms.acc",
        f"{file}:11: channels.smms: there is no such key; did you mean channels.sms?",
        f"{file}:12: chanels: there is no such key; did you mean channels?",
        "ALERTD_PUBLIC__PORT: public.port: should be less than",
        "ALERTD_INSTAL: instal: there is no such key; did you mean install?",
    }
    missing = {start for start in starts if not any(line.startswith(start) for line in found)}
    assert not missing, "\n".join(found)
    assert len(found) == len(starts)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[api]\nhost = "0.0.0.0"\n', ":2: api.host: 0.0.0.0 is open to other machines"),
        ('[public]\nhost = "::"\n', ":2: public.host: :: is open to other machines"),
        ('[tls]\ncert = "cert.pem"\n', ":1: tls: cert and key belong together"),
        ('public_url = "http://alerts.example.org"\n', ":1: public_url: must be https://"),
        ('public_url = "https://example.org/?a=b"\n', ":1: public_url: must not carry a query"),
        ('sender = "two words"\n', ":1: sender: string should match"),
        ('[database]\nurl = "mysql://x"\n', ":2: database.url: must be sqlite:///"),
        (
            '[keys]\nurl = "sqlite:///var/alertd.db"\n',
            ":2: keys.url: must not be the ledger's database",
        ),
        ('trusted_proxies = ["10.0.0.300"]\n', ":1: trusted_proxies.0: value is not"),
        ("[channels.feed]\nenabled = 3\n", ":2: channels.feed.enabled: should be true or false"),
    ],
)
def test_an_impossible_value_is_named(file: Path, text: str, complaint: str) -> None:
    (line,) = problems(file, text)
    assert line.startswith(f"{file}{complaint}")


@pytest.mark.parametrize(
    "guard", ['trusted_proxies = ["10.0.0.1"]', 'tls = {cert = "cert.pem", key = "key.pem"}']
)
def test_a_bind_beyond_loopback_needs_tls_or_a_proxy(file: Path, guard: str) -> None:
    file.write_text(f'{guard}\n[api]\nhost = "0.0.0.0"\n')
    assert load(file, {}).api.host == "0.0.0.0"  # noqa: S104 - what is tested


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"install = \n", "is not valid TOML: Invalid value (at line 1"),
        (b"install = '\xff'\n", "is not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(file: Path, content: bytes, complaint: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        load(file, {})
    assert str(raised.value).startswith(f"{file}: {complaint}")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent.toml: cannot be read: No such file"):
        load(tmp_path / "absent.toml", {})


def test_a_channel_can_be_switched_off(file: Path) -> None:
    file.write_text("[channels.feed]\nenabled = false\n")
    assert load(file, {}).channels == {}


def test_no_complaint_quotes_a_secret(file: Path) -> None:
    text = '[channels.sms]\naccount_sid = "AC"\nauth_token = ["hunter2"]\nrate = "hunter2"\n'
    assert "hunter2" not in "\n".join(problems(file, text))


def test_settings_print_without_their_secrets(file: Path) -> None:
    file.write_text('[channels.sms]\naccount_sid = "AC"\nauth_token = "hunter2"\n')
    assert "hunter2" not in repr(load(file, {}))


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    log.configure(embedded().log, stream)
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = handlers, level


def test_log_lines_carry_no_address_and_no_secret(written: io.StringIO) -> None:
    event = structlog.get_logger("alertd.test").info
    event("sent", address="+306900000011", auth_token="hunter2", recipient_id=7)
    event("sent", detail="refused by <a.person@example.org>", nested={"email": "b@example.org"})
    logging.getLogger("peer").warning("Authorization: Bearer %s", "abcdef0123456789")
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert lines[0]["recipient_id"] == 7
    assert lines[0]["event"] == "sent"
    for secret in ("69000", "hunter2", "example.org", "abcdef"):
        assert secret not in written.getvalue()


def test_a_logged_error_tells_its_place_and_not_its_words(written: io.StringIO) -> None:
    empty: dict[str, str] = {}
    try:
        empty["Maria Example"]
    except KeyError:
        structlog.get_logger("alertd.test").exception("defect")
    assert "Maria" not in written.getvalue()
    assert "KeyError" in written.getvalue()
    assert "test_settings.py" in written.getvalue()
