"""`dead-letters`: what is not tried again by itself, and another chance for it."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import click
from rich.table import Table

from alertd.cli.client import api_options, connect
from alertd.cli.common import Failure, Session, json_option, out, pass_session, runs, write_json
from alertd.client import Api, ApiRefused
from alertd.core.errors import Refused
from alertd.shapes import DeadLetter

REQUEUE = "requeue"
COLUMNS = ("id", "alert", "case", "kind", "channel", "address", "attempts", "state", "reason")


@click.command()
@click.argument("words", nargs=-1, metavar="[ALERT] [requeue [ID]...]")
@json_option
@api_options
@pass_session
@runs
async def dead_letters(
    session: Session,
    words: tuple[str, ...],
    url: str | None,
    token_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """List dead letters, all or of ALERT; `requeue` tries those named by ID, or all, again."""
    alert, ids = _understood(words)
    async with connect(session.settings(), url, token_file) as api:
        found = [letter async for letter in _letters(api, alert)]
        if ids is not None:
            await _requeue(api, ids or [letter.id for letter in found])
            return
    if as_json:
        write_json([letter.model_dump(mode="json") for letter in found])
    elif found:
        out.print(_table(found))
    else:
        click.echo("there are no dead letters")


def _understood(words: tuple[str, ...]) -> tuple[str | None, list[int] | None]:
    """Give the alert that was named, and the ids to requeue; None when only to list."""
    rest = list(words)
    alert = rest.pop(0) if rest and rest[0] != REQUEUE else None
    if not rest:
        return alert, None
    if rest.pop(0) != REQUEUE:
        raise Refused("say `dead-letters [ALERT]` or `dead-letters [ALERT] requeue [ID]...`")
    if wrong := [word for word in rest if not word.isdecimal()]:
        raise Refused(f"no id of a delivery: {', '.join(wrong)}")
    return alert, [int(word) for word in rest]


async def _letters(api: Api, alert: str | None) -> AsyncIterator[DeadLetter]:
    cursor = None
    while True:
        page = await api.get("/dead-letters", cursor=cursor)
        for item in page["items"]:
            letter = DeadLetter.model_validate(item)
            if alert in {None, letter.alert_id}:
                yield letter
        cursor = page["next_cursor"]
        if cursor is None:
            return


async def _requeue(api: Api, ids: Iterable[int]) -> None:
    refused = []
    queued = 0
    for delivery in ids:
        try:
            await api.post(f"/deliveries/{delivery}/requeue")
            queued += 1
        except ApiRefused as error:
            refused.append(f"{delivery}: {error}")
    click.echo(f"{queued} queued again")
    if refused:
        raise Failure("\n".join(refused))


def _table(letters: Iterable[DeadLetter]) -> Table:
    shown = Table()
    for name in COLUMNS:
        shown.add_column(name)
    for each in letters:
        shown.add_row(
            str(each.id),
            each.alert_id,
            each.case_reference,
            each.kind,
            each.channel,
            each.address,
            str(each.attempts),
            each.state,
            each.reason or "",
        )
    return shown
