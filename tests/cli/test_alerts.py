"""An alert's life by commands alone, against a real daemon."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Shell

Facts = Callable[..., str]


def submit(shell: Shell, text: str) -> str:
    done = shell.json("submit", role="submitter", text=text)
    assert done["state"] == "submitted"
    return str(done["id"])


def approve_as(shell: Shell, role: str, alert: str) -> dict[str, object]:
    shown = shell("approve", alert, role=role, text="n\n")
    assert shown.exit_code == 1  # looked at, and not approved
    digest = shown.output.split("digest ")[1].split()[0]
    return shell.json(
        "approve", alert, "--yes", "--digest", digest, "--reference", "EX 1", role=role
    )


def test_an_alert_goes_out_by_the_last_approval_and_ends(served: Shell, facts: Facts) -> None:
    alert = submit(served, facts(case_reference="EX-CLI-1", children=_child("One")))
    assert approve_as(served, "police", alert)["activated"] is False
    assert approve_as(served, "prosecutor", alert)["missing"] == ["activation"]
    shown = served("approve", role="activation", text="n\n")  # the only one that waits
    assert "This is the last approval: it sends this exercise AT ONCE." in shown.output
    assert "EXERCISE" in shown.output
    assert approve_as(served, "activation", alert)["activated"] is True

    watched = served("status", alert, "--watch", role="operator")
    assert watched.exit_code == 0, watched.output
    assert "active" in watched.output
    status = served.json("status", role="operator")
    assert status["alert"]["id"] == alert
    (dispatch,) = (d for d in status["progress"]["dispatches"] if d["kind"] == "alert")
    assert dispatch["channels"][0]["states"]["delivered"]["count"] == 2

    refused = served("end", "--reason", "nonsense", "--why", "x", "--yes", role="police")
    assert refused.exit_code == 1
    assert "found, withdrawn" in refused.output
    ended = served.json("end", "--reason", "found", "--why", "Found.", "--yes", role="police")
    assert ended["state"] == "ended"
    nothing = served("end", "--reason", "found", "--why", "x", role="police")
    assert "no alert is active" in nothing.output


def _child(name: str) -> list[dict[str, object]]:
    return [{"name": f"Example {name}", "age": 9, "sex": "female"}]


def test_every_bad_field_is_told_and_nothing_is_left(served: Shell, facts: Facts) -> None:
    before = served("status", role="operator").output
    done = served(
        "submit", role="submitter", text=facts(children=[], languages=[], case_reference="EX-2")
    )
    assert done.exit_code == 1
    assert "children" in done.output
    assert "languages" in done.output
    assert served("status", role="operator").output == before


def test_what_is_no_json_is_refused_before_it_is_sent(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "alert.json"
    file.write_bytes(b"\xff")
    assert "is not UTF-8 text" in shell("submit", str(file), role="submitter").output
    file.write_text("{")
    assert "is not JSON" in shell("submit", str(file), role="submitter").output


def test_a_digest_that_is_not_current_is_refused(served: Shell, facts: Facts) -> None:
    alert = submit(served, facts(case_reference="EX-CLI-3", children=_child("Three")))
    done = served("approve", alert, "--yes", "--digest", "0" * 64, role="police")
    assert done.exit_code == 1
    assert "--digest is not the current one" in done.output
    assert "--yes needs --digest" in served("approve", alert, "--yes", role="police").output


def test_whoever_may_not_approve_is_told_what_is_missing(served: Shell, facts: Facts) -> None:
    alert = submit(served, facts(case_reference="EX-CLI-4", children=_child("Four")))
    done = served("approve", alert, role="submitter", text="y\n")
    assert done.exit_code == 1
    assert "nothing for you to approve" in done.output


def test_one_of_several_has_to_be_named(served: Shell, facts: Facts) -> None:
    for number in ("5", "6"):
        submit(served, facts(case_reference=f"EX-CLI-{number}", children=_child(number)))
    done = served("approve", role="police", text="n\n")
    assert done.exit_code == 1
    assert "say which one" in done.output
    assert "EX-CLI-5" in done.output


def test_no_dead_letters_are_said_so(served: Shell) -> None:
    assert "there are no dead letters" in served("dead-letters", role="operator").output
    assert served.json("dead-letters", role="operator") == []
    refused = served("dead-letters", "requeue", "999999", role="operator")
    assert refused.exit_code == 1
    assert "0 queued again" in refused.output
    assert served("dead-letters", "requeue", "x", role="operator").exit_code == 1


def test_a_command_without_a_daemon_says_so(shell: Shell) -> None:
    done = shell("status", "--url", "http://127.0.0.1:1", role="operator")
    assert done.exit_code == 1
    assert "is `alertd serve` running?" in done.output


def test_a_command_without_a_token_says_how_to_give_it(shell: Shell, tmp_path: Path) -> None:
    assert "set ALERTD_TOKEN or give --token-file" in shell("status").output
    done = shell("status", "--token-file", str(tmp_path / "absent"))
    assert "cannot be read" in done.output


def test_the_sample_is_ready_to_be_submitted(shell: Shell) -> None:
    assert json.loads(shell("submit", "--sample").stdout)["status"] == "exercise"
