"""The command line: one small module per group of commands, loaded when it is called."""

from pathlib import Path

import click

from alertd.cli.common import Commands, Session

COMMANDS = {
    "serve": "alertd.cli.server:serve",
    "public": "alertd.cli.server:public",
    "check": "alertd.cli.server:check",
    "demo": "alertd.cli.demo:demo",
    "admin": "alertd.cli.admin:admin",
    "token": "alertd.cli.people:token",
    "recipients": "alertd.cli.people:recipients",
    "submit": "alertd.cli.alerts:submit",
    "approve": "alertd.cli.alerts:approve",
    "end": "alertd.cli.alerts:end",
    "status": "alertd.cli.status:status",
    "dead-letters": "alertd.cli.dead_letters:dead_letters",
    "audit": "alertd.cli.audit:audit",
    "cap": "alertd.cli.cap:cap",
    "backup": "alertd.cli.backup:backup",
    "release": "alertd.cli.backup:release",
}


@click.group(cls=Commands, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="alertd")
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Configuration file; else $ALERTD_CONFIG, else ./alertd.toml if it is there.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def main(context: click.Context, config: Path | None, *, debug: bool) -> None:
    """One approved child alert to every phone, mailbox, newsroom and partner system."""
    context.obj = Session(config, debug=debug)
