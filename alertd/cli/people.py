"""`token` and `recipients import`: who may act, and who is told; on the database directly."""

import csv
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import click
from rich.progress import Progress, TaskID
from sqlalchemy import Connection, select

from alertd.cli.common import Failure, Session, err, json_option, pass_session, runs, write_json
from alertd.core.errors import InvalidAlert, Problem, Refused
from alertd.node import Node
from alertd.pipeline import persons
from alertd.pipeline.breakglass import Act, around, break_glass
from alertd.pipeline.persons import Minted, NewPerson
from alertd.pipeline.recipients import Imported, import_rows
from alertd.store import schema
from alertd.tools import CONSOLE, Tools

# Besides the approval roles of the rule sets.
ROLES = ("submitter", "operator", "reader", "administrator")
SHOWN_REFUSALS = 50


@click.command()
@click.argument("name")
@click.option("--role", "roles", multiple=True, help="A role of a person who is new; repeatable.")
@click.option("--deputy", is_flag=True, help="Asked for approvals only after the others.")
@click.option("--sms", multiple=True, help="Number that requests for approval go to.")
@click.option("--email", multiple=True, help="Mailbox that requests for approval go to.")
@click.option("--language", default="en", show_default=True, help="That requests are written in.")
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True)
@click.option("--label", default="console", show_default=True, help="What the token is for.")
@click.option(
    "--break-glass",
    "reason",
    help="Why, when there are two administrators already: goes on record and alarms operators.",
)
@json_option
@pass_session
@runs
async def token(session: Session, name: str, **given: Any) -> None:
    """Print a new token for the person NAME, once; who is new is entered with the given roles."""
    async with Node.open(session.settings()) as node:
        reason = await node.tools.store.read(around, given["reason"])
        person_id = await node.tools.store.read(_person, name)
        if person_id is None:
            person_id = await _enter(node.tools, name, given)
        elif given["roles"] or given["sms"] or given["email"]:
            raise Refused("this person is entered already: leave --role, --sms and --email out")
        if reason:
            now = node.tools.clock()
            await node.tools.store.write(break_glass, Act.GIVEN, person_id, reason, now)
        minted = await persons.mint(
            node.tools,
            CONSOLE,
            person_id,
            label=given["label"],
            lifetime=timedelta(days=given["days"]),
        )
    _print_token(name, person_id, minted, as_json=given["as_json"])


def _person(conn: Connection, name: str) -> int | None:
    found = conn.scalar(select(schema.persons.c.id).where(schema.persons.c.name == name.strip()))
    return None if found is None else int(found)


async def _enter(tools: Tools, name: str, given: dict[str, Any]) -> int:
    rule_sets = map(tools.rulebook.current, tools.rulebook.programmes())
    known = {*ROLES, *(role.name for rules in rule_sets for role in rules.approvals)}
    if not given["roles"]:
        raise Refused(f"{name} is new: give --role; there are: {', '.join(sorted(known))}")
    if unknown := set(given["roles"]) - known:
        problem = f"is no role; there are: {', '.join(sorted(known))}"
        raise InvalidAlert([Problem(role, problem) for role in sorted(unknown)])
    addresses = [(channel, to) for channel in ("sms", "email") for to in given[channel]]
    person = NewPerson(
        name=name,
        language=given["language"],
        roles=dict.fromkeys(given["roles"], given["deputy"]),
        addresses=addresses,
    )
    return await persons.create(tools, CONSOLE, person)


def _print_token(name: str, person_id: int, minted: Minted, *, as_json: bool) -> None:
    if as_json:
        shown = {
            "person": person_id,
            "token_id": minted.token_id,
            "token": minted.token,
            "expires_at": minted.expires_at,
        }
        write_json(shown)
        return
    click.echo(minted.token)
    err.print(f"The token of {name} until {minted.expires_at:%Y-%m-%d}; it is not shown again.")


@click.group()
def recipients() -> None:
    """Who is told."""


@recipients.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--secrets",
    "secrets_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="New file for the secrets of new webhooks: line and secret; else they are printed.",
)
@json_option
@pass_session
def import_command(
    session: Session, file: Path, secrets_file: Path | None, *, as_json: bool
) -> None:
    """Import recipients from FILE (CSV); again it changes nothing. Bad rows are left out.

    Columns: channel, address, language, regions, class, exercise, label, consent, consent_at.
    """
    if secrets_file is not None and secrets_file.exists():
        raise Refused(f"{secrets_file}: is there already; secrets go to a new file")
    with (
        Progress(console=err, transient=True, disable=as_json) as progress,
        file.open(encoding="utf-8-sig", newline="") as lines,
    ):
        task = progress.add_task("recipients", total=_count_lines(file))
        told = partial(_moved, progress, task)
        done = _import(session, lines, told)
    if as_json:
        write_json(_as_json(done))
    else:
        _print_report(done, secrets_file)
    if done.refused:
        raise Failure(f"{len(done.refused)} rows were left out")


@runs
async def _import(session: Session, lines: TextIO, told: Callable[[int], None]) -> Imported:
    async with Node.open(session.settings()) as node:
        return await import_rows(node.tools, CONSOLE, lines, told=told)


def _moved(progress: Progress, task: TaskID, line: int) -> None:
    progress.update(task, completed=line)


def _count_lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def _as_json(done: Imported) -> dict[str, Any]:
    return {
        "added": done.added,
        "changed": done.changed,
        "unchanged": done.unchanged,
        "refused": [
            {"line": row.line, "problems": {p.field: p.message for p in row.problems}}
            for row in done.refused
        ],
        "secrets": done.secrets,
    }


def _print_report(done: Imported, secrets_file: Path | None) -> None:
    err.print(f"{done.added} added, {done.changed} changed, {done.unchanged} unchanged")
    for line in _refusals(done):
        err.print(line, markup=False)
    if not done.secrets:
        return
    if secrets_file is None:
        _write_secrets(done, sys.stdout)
    else:
        opened = os.open(secrets_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(opened, "w", encoding="utf-8") as kept:
            _write_secrets(done, kept)
    err.print("Give each webhook's owner its secret; they are not shown again.")


def _refusals(done: Imported) -> Iterator[str]:
    for row in done.refused[:SHOWN_REFUSALS]:
        for problem in row.problems:
            yield f"line {row.line}: {problem.field}: {problem.message}"
    if len(done.refused) > SHOWN_REFUSALS:
        yield f"and {len(done.refused) - SHOWN_REFUSALS} more rows; --json lists them all"


def _write_secrets(done: Imported, where: TextIO) -> None:
    rows: Iterable[tuple[int | str, str]] = (("line", "secret"), *done.secrets.items())
    csv.writer(where).writerows(rows)
