"""`backup` copies the ledger while it is at work; `release` lets a restored one send again."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table

from alertd.cli.common import Session, json_option, out, pass_session, runs, write_json
from alertd.node import Node
from alertd.pipeline.hold import Held, held
from alertd.pipeline.hold import release as let_go
from alertd.pipeline.lanes import is_held
from alertd.store.backup import backup as copy_ledger
from alertd.tools import CONSOLE


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@pass_session
@runs
async def backup(session: Session, target: Path) -> None:
    """Write a consistent copy of the ledger to TARGET, without the keys.

    Keep the keys' database and the secret files elsewhere: a copy that holds both undoes every
    purge.
    """
    size = await copy_ledger(session.settings().database.url, target)
    out.print(f"{target}: the ledger as it stands, {size:,} bytes")


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_session
@runs
async def release(session: Session, *, yes: bool, as_json: bool) -> None:
    """Show what a restored ledger would send, and let it.

    alertd holds everything when its ledger is an older copy than the one it last worked on:
    alerts in it may be of children who were found since. End those first.
    """
    async with Node.open(session.settings()) as node:
        tools = node.tools
        if not await tools.store.read(is_held):
            out.print("nothing is held")
            return
        rows = await tools.store.read(held, tools.clock())
        if as_json:
            write_json([{n: getattr(row, n) for n in row.__slots__} for row in rows])
        else:
            out.print(_table(rows) if rows else "nothing waits to be sent; feeds would open again")
        if yes or click.confirm("Send all of this?"):
            await let_go(tools, CONSOLE)
            out.print("released")


def _table(rows: Sequence[Held]) -> Table:
    table = Table("alert", "case", "status", "message", "waiting", "until")
    for row in rows:
        waiting = f"{row.waiting:,}" + (" and more" if row.expanding else "")
        until = f"{row.deadline_at:%Y-%m-%d %H:%M} UTC"
        table.add_row(row.alert_id, row.case_reference, row.status, row.kind, waiting, until)
    return table
