"""`status`: how an alert and its deliveries stand, once or live."""

import asyncio
from pathlib import Path

import click

from alertd.cli.client import api_options, connect
from alertd.cli.common import (
    Session,
    alert_argument,
    json_option,
    out,
    pass_session,
    runs,
    write_json,
)
from alertd.client import Api
from alertd.progress import Bars, bars, is_settled, table
from alertd.shapes import AlertView, ProgressView, TakedownView

POLL_S = 0.5
OVER = frozenset({"ended", "cancelled", "expired"})


@click.command()
@alert_argument
@click.option("--watch", is_flag=True, help="Stay, with live bars, until all is settled.")
@json_option
@api_options
@pass_session
@runs
async def status(
    session: Session,
    alert: str | None,
    url: str | None,
    token_file: Path | None,
    *,
    watch: bool,
    as_json: bool,
) -> None:
    """Show how ALERT stands, by default the newest one."""
    async with connect(session.settings(), url, token_file) as api:
        alert = await api.pick(alert)
        if watch and not as_json:
            await watch_progress(api, alert)
        shown = await api.get(f"/alerts/{alert}")
        progress = await api.get(f"/alerts/{alert}/progress")
        over = shown["state"] in OVER
        takedown = await api.get(f"/alerts/{alert}/takedown") if over else None
    if as_json:
        write_json({"alert": shown, "progress": progress, "takedown": takedown})
        return
    _print_alert(AlertView.model_validate(shown))
    if takedown is not None:
        _print_takedown(TakedownView.model_validate(takedown))
    for dispatch in ProgressView.model_validate(progress).dispatches:
        out.print(table(dispatch))


async def watch_progress(api: Api, alert: str) -> ProgressView:
    """Show live bars until nothing of the alert is left to be tried."""
    with bars() as progress:
        moving = Bars(progress)
        while True:
            view = ProgressView.model_validate(await api.get(f"/alerts/{alert}/progress"))
            moving.show(view)
            if view.dispatches and all(map(is_settled, view.dispatches)):
                return view
            await asyncio.sleep(POLL_S)


def _print_alert(alert: AlertView) -> None:
    newest = alert.versions[0]
    out.print(f"{alert.id}  {alert.case_reference}  {alert.status.upper()}  [bold]{alert.state}[/]")
    out.print(
        f"version {newest.number} ({newest.kind}) for {', '.join(newest.regions)}"
        f" until {newest.expires_at:%Y-%m-%d %H:%M} UTC"
    )
    for each in newest.approvals:
        if each.voided_at is None:
            out.print(f"approved as {each.role} by {each.person} at {each.at:%H:%M:%S}")
    if newest.missing:
        out.print(f"waits for {', '.join(newest.missing)}")


def _print_takedown(takedown: TakedownView) -> None:
    """Show which endpoints said that they deleted what they had; addresses are masked."""
    for each in takedown.endpoints:
        answer = "no answer" if each.acknowledged_at is None else "acknowledged"
        out.print(f"{each.address}  {answer}, asked {each.asked} times", markup=False)
    for line in takedown.not_recallable:
        out.print(line)
