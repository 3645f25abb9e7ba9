"""Persons, tokens and recipients, entered on the database directly."""

import json
from pathlib import Path

from tests.cli.conftest import HEADER, Shell, row


def test_a_token_is_printed_once_and_audited(shell: Shell) -> None:
    done = shell("token", "Example Reader", "--role", "reader")
    assert done.exit_code == 0, done.output
    token = done.stdout.strip()
    assert token.startswith("alertd_")
    record = shell("audit", "export").stdout
    assert "token.minted" in record
    assert token not in record


def test_a_known_person_gets_another_token(shell: Shell) -> None:
    first = shell.json("token", "Example Second", "--role", "reader", "--role", "operator")
    second = shell.json("token", "Example Second", "--days", "1")
    assert first["person"] == second["person"]
    assert first["token"] != second["token"]
    refused = shell("token", "Example Second", "--role", "police")
    assert refused.exit_code == 1
    assert "is entered already" in refused.output


def test_a_new_person_needs_roles_that_exist(shell: Shell) -> None:
    nothing = shell("token", "Example Nobody")
    assert nothing.exit_code == 1
    assert "give --role" in nothing.output
    unknown = shell("token", "Example Nobody", "--role", "polic")
    assert unknown.exit_code == 1
    assert "police" in unknown.output


def test_beside_two_administrators_a_token_breaks_glass(tmp_path: Path) -> None:
    config = tmp_path / "alertd.toml"
    config.write_text(f'data_dir = "{tmp_path}/var"\n')
    own = Shell(config)
    third = ("token", "Example Third", "--role", "administrator")
    assert own("admin", "Example First").exit_code == 0
    assert own("token", "Example Second", "--role", "administrator").exit_code == 0
    record = own("audit", "export").stdout
    for wanted in (third, ("token", "Example Second")):
        refused = own(*wanted)
        assert refused.exit_code == 1
        assert "--break-glass REASON" in refused.output
    assert own("audit", "export").stdout == record
    assert "glass.token" not in record
    given = own(*third, "--break-glass", "Fictional.")
    assert given.exit_code == 0, given.output
    assert given.stdout.startswith("alertd_")
    broken = own("audit", "export").stdout.removeprefix(record)
    assert "glass.token" in broken
    assert "Fictional." in broken


def test_an_import_can_be_repeated(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "recipients.csv"
    file.write_text(HEADER + row(label="Again"))
    assert shell.json("recipients", "import", str(file))["added"] == 1
    again = shell.json("recipients", "import", str(file))
    assert (again["added"], again["unchanged"]) == (0, 1)


def test_a_bad_row_is_left_out_with_its_line_and_reason(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "recipients.csv"
    file.write_text(HEADER + row(label="Good") + row("not a feed", label="Bad", regions="GR-ZZ"))
    done = shell("recipients", "import", str(file))
    assert done.exit_code == 1
    assert "1 added" in done.output
    assert "line 3: address: is no address of feed" in done.output
    assert "line 3: regions.0: is no region" in done.output
    assert "not a feed" not in done.output


def test_an_unknown_column_is_refused_before_anything_is_written(
    shell: Shell, tmp_path: Path
) -> None:
    before = shell("audit", "export").stdout
    file = tmp_path / "recipients.csv"
    file.write_text(HEADER.replace("label", "lable") + row())
    done = shell("recipients", "import", str(file))
    assert done.exit_code == 1
    assert "column 1 is unknown" in done.output
    assert "label" in done.output
    assert shell("audit", "export").stdout == before


def test_the_record_verifies_and_tells_when_it_does_not(shell: Shell, tmp_path: Path) -> None:
    whole = tmp_path / "audit.jsonl"
    assert shell("audit", "export", "--output", str(whole)).exit_code == 0
    assert shell.json("audit", "verify")["ok"] is True
    key = tmp_path / "public.pem"
    key.write_text(shell("audit", "public-key").stdout)
    assert shell("audit", "verify", str(whole), "--public-key", str(key)).exit_code == 0
    first, *rest = whole.read_text().splitlines()
    assert json.loads(first)
    whole.write_text("\n".join(rest) + "\n")
    done = shell("audit", "verify", str(whole), "--public-key", str(key))
    assert done.exit_code == 2
    assert "TAMPERED" in done.output
