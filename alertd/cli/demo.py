"""`demo`: one alert through the whole daemon, against stand-ins on this machine."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import click

from alertd import log
from alertd.cli.common import Failure, out
from alertd.demo import play, ports
from alertd.sections import Log

F = TypeVar("F", bound=Callable[..., Any])


def port_options(command: F) -> F:
    for name, default in reversed(ports.DEFAULTS.items()):
        command = click.option(
            f"--{name}-port",
            type=click.IntRange(0, 65535),
            default=default,
            show_default=True,
            help="0 takes any free one." if name == "api" else None,
        )(command)
    return command


@click.command()
@click.option("--once", is_flag=True, help="Exit after the table; non-zero if anybody was missed.")
@port_options
def demo(*, once: bool, **options: int) -> None:
    """Play one exercise from submission to the last delivery, on this machine alone.

    Ignores alertd.toml, secret files and every ALERTD_ and TWILIO_ variable.
    """
    log.configure(Log(level="warning", format="console"))
    wanted = {name.removesuffix("_port"): port for name, port in options.items()}
    faults = asyncio.run(play.run(wanted, out, once=once))
    if faults:
        raise Failure(f"{len(faults)} things are not as they should be")
