"""`submit`, `approve` and `end`: an alert's life by the API, as one person."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import click
from rich.markup import escape

from alertd.cli.client import api_options, connect
from alertd.cli.common import (
    Session,
    alert_argument,
    err,
    json_option,
    pass_session,
    runs,
    write_json,
)
from alertd.client import Api
from alertd.core.errors import Refused
from alertd.core.rendition import Kind
from alertd.demo import sample
from alertd.shapes import AlertView, RenditionsView

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command()
@click.argument("file", required=False, type=click.File(encoding="utf-8"))
@click.option("--draft", is_flag=True, help="Keep it as a draft; nobody is asked.")
@click.option("--key", help="Idempotency-Key: the same key submits once.")
@click.option("--sample", "show_sample", is_flag=True, help="Print a fictional exercise instead.")
@json_option
@api_options
@pass_session
@runs
async def submit(
    session: Session,
    file: TextIO | None,
    key: str | None,
    url: str | None,
    token_file: Path | None,
    **flags: bool,
) -> None:
    """Submit the alert in FILE (JSON), by default from standard input."""
    if flags["show_sample"]:
        write_json(sample.alert(datetime.now(UTC)))
        return
    facts = _read(file or sys.stdin)
    async with connect(session.settings(), url, token_file) as api:
        done = await api.post(
            "/alerts",
            facts,
            headers={"Idempotency-Key": key} if key else None,
            draft="true" if flags["draft"] else None,
        )
    if flags["as_json"]:
        write_json(done)
    else:
        click.echo(f"alert {done['id']} is {done['state']}")


def _read(file: TextIO) -> Any:
    if file.isatty():
        raise Refused("name a FILE, or write the alert to standard input")
    try:
        return json.load(file)
    except UnicodeDecodeError:
        raise Refused(f"{file.name}: is not UTF-8 text") from None
    except ValueError as error:
        raise Refused(f"{file.name}: is not JSON: {error}") from None


@click.command()
@alert_argument
@click.option("--role", help="As what; needed when you hold several roles that are still open.")
@click.option("--digest", help="Approve this digest alone; `--yes` needs it.")
@click.option("--reference", help="Reference of the order or decision.")
@click.option("--all", "show_all", is_flag=True, help="Show every text, not the messages alone.")
@yes_option
@json_option
@api_options
@pass_session
@runs
async def approve(session: Session, alert: str | None, **given: Any) -> None:
    """Show what ALERT would send, then approve it; by default the only one that waits."""
    if given["yes"] and not given["digest"]:
        raise Refused("--yes needs --digest: the one that you have read")
    async with connect(session.settings(), given["url"], given["token_file"]) as api:
        alert = await api.pick(alert, "submitted")
        shown = AlertView.model_validate(await api.get(f"/alerts/{alert}"))
        texts = RenditionsView.model_validate(await api.get(f"/alerts/{alert}/renditions"))
        role = _role(texts, given["role"])
        if given["digest"] not in {None, texts.digest}:
            raise Refused("--digest is not the current one: the alert was changed; read it again")
        if not given["yes"]:
            _show(shown, texts, show_all=given["show_all"])
            _confirm(shown, texts, role)
        done = await api.post(
            f"/alerts/{alert}/approvals",
            {"role": role, "digest": texts.digest, "reference": given["reference"]},
        )
    if given["as_json"]:
        write_json(done)
    elif done["activated"]:
        click.echo(f"approved; alert {alert} is {done['state']} and goes out now")
    else:
        click.echo(f"approved; still waits for {', '.join(done['missing'])}")


def _role(texts: RenditionsView, role: str | None) -> str:
    mine = texts.you_may_approve_as
    if role is not None:
        return role  # the daemon says why not, if not
    if len(mine) == 1:
        return mine[0]
    if mine:
        raise Refused(f"say as what you approve: --role {' or --role '.join(mine)}")
    missing = ", ".join(texts.missing) or "nobody"
    raise Refused(f"there is nothing for you to approve here; it waits for {missing}")


def _show(shown: AlertView, texts: RenditionsView, *, show_all: bool) -> None:
    version = shown.versions[0]
    actual = shown.status == "actual"
    err.print(
        f"[bold {'white on red' if actual else 'black on yellow'}] {shown.status.upper()} [/]"
    )
    err.print(f"case {escape(shown.case_reference)}, {version.kind} {version.number}, {shown.id}")
    err.print(f"goes to {', '.join(version.regions)} until {version.expires_at:%Y-%m-%d %H:%M} UTC")
    for each in texts.renditions:
        name = " ".join(filter(None, [each.kind, each.variant, each.channel, each.language]))
        if show_all or (each.kind in {Kind.ALERT, Kind.UPDATE} and each.channel == "sms"):
            err.rule(name, align="left")
            err.print(escape(each.text))
        else:
            err.print(f"[dim]{name} ({each.media_type}) {each.digest[:16]}[/]")
    err.print(f"digest {texts.digest}")


def _confirm(shown: AlertView, texts: RenditionsView, role: str) -> None:
    what = f"Approve as {role}?"
    if texts.your_approval_would_activate:
        kind = "the ACTUAL alert" if shown.status == "actual" else f"this {shown.status}"
        what = f"This is the last approval: it sends {kind} AT ONCE. {what}"
    click.confirm(what, abort=True, err=True)


@click.command()
@alert_argument
@click.option("--reason", required=True, help="Reason code of the rule set, as `found`.")
@click.option("--why", required=True, help="Why, for the record.")
@yes_option
@json_option
@api_options
@pass_session
@runs
async def end(session: Session, alert: str | None, **given: Any) -> None:
    """End ALERT and tell everyone who was told; by default the only one that is active."""
    async with connect(session.settings(), given["url"], given["token_file"]) as api:
        alert = await api.pick(alert, "active")
        if not given["yes"]:
            shown = AlertView.model_validate(await api.get(f"/alerts/{alert}"))
            await _confirm_end(api, shown, given["reason"])
        form = {"reason_code": given["reason"], "why": given["why"], "confirm": True}
        done = await api.post(f"/alerts/{alert}/end", form)
    if given["as_json"]:
        write_json(done)
    else:
        click.echo(f"alert {alert} is {done['state']}; everyone who was told is being told so")


async def _confirm_end(api: Api, shown: AlertView, reason: str) -> None:
    texts = RenditionsView.model_validate(await api.get(f"/alerts/{shown.id}/renditions"))
    err.print(f"{shown.status.upper()}, case {escape(shown.case_reference)}, {shown.id}")
    for each in texts.renditions:
        if each.variant == reason and each.channel == "sms":
            err.rule(f"{each.kind} {each.channel} {each.language}", align="left")
            err.print(escape(each.text))
    click.confirm("End it and tell everyone who was told?", abort=True, err=True)
