"""`admin`: the first two administrators; after them it is break-glass, on record and alarmed."""

from datetime import datetime

import click
from sqlalchemy import Connection

from alertd.cli.common import Session, err, pass_session, runs
from alertd.node import Node
from alertd.pipeline import credentials, persons
from alertd.pipeline.accountchanges import ADMINISTRATOR
from alertd.pipeline.breakglass import Act, around, break_glass
from alertd.tools import CONSOLE


@click.command()
@click.argument("name")
@click.option("--language", default="en", show_default=True, help="That the console speaks.")
@click.option(
    "--break-glass",
    "reason",
    help="Why, when there are two administrators already: goes on record and alarms operators.",
)
@pass_session
@runs
async def admin(session: Session, name: str, language: str, reason: str | None) -> None:
    """Enter the administrator NAME and print the link by which they choose a password."""
    person = persons.NewPerson(name=name, language=language, roles={ADMINISTRATOR: False})
    async with Node.open(session.settings()) as node:
        tools = node.tools
        secret = await tools.store.write(_enter, person, reason, tools.clock())
    click.echo(f"{tools.console_url}/invitation/{secret}")
    err.print(f"The link of {name} holds for {credentials.INVITATION.days} days, and once.")


def _enter(conn: Connection, person: persons.NewPerson, reason: str | None, at: datetime) -> str:
    reason = around(conn, reason)
    number = persons.add(conn, CONSOLE, person, (), at)
    if reason:
        break_glass(conn, Act.ENTERED, number, reason, at)
    return credentials.invite(conn, number, at)
