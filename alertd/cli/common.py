"""What commands share: the session, errors as exit statuses, output for people and machines."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import BaseModel
from rich.console import Console

from alertd import log, plugins
from alertd.core.errors import AlertdError, ConfigError, InvalidAlert
from alertd.sections import Log
from alertd.settings import Settings, load

EX_CONFIG = 78  # sysexits.h: something was found in an unconfigured or misconfigured state

T = TypeVar("T")
err = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False, soft_wrap=True)


class Failure(click.ClickException):
    """Ends the command with a clear text and exit status 1."""


class Misconfigured(Failure):
    """Ends the command because the configuration cannot be used."""

    exit_code = EX_CONFIG


class Commands(click.Group):
    """Loads a command when it is called, and turns alertd's errors into exit statuses."""

    def __init__(self, *args: Any, table: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return list(self._table)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in self._table:
            return None
        module, _, attribute = self._table[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self._table and not args[0].startswith("-"):
            near = get_close_matches(args[0], self._table, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"there is no command {args[0]}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AlertdError as error:
            if ctx.params.get("debug"):
                raise
            ending = Misconfigured if isinstance(error, ConfigError) else Failure
            raise ending(told(error)) from None
        except OSError as error:  # a folder that may not be written to, a full disk
            if ctx.params.get("debug"):
                raise
            raise Failure(str(error)) from None


def told(error: AlertdError) -> str:
    """Give an error as people read it: one problem a line."""
    if isinstance(error, InvalidAlert):
        return "\n".join(["refused:", *(f"  {p.field}: {p.message}" for p in error.problems)])
    return str(error) or str(type(error).__doc__)


@dataclass(frozen=True)
class Session:
    """What the options before the command say."""

    config: Path | None
    debug: bool = False

    def settings(self) -> Settings:
        """Read the settings, channels included; raises ConfigError with every problem."""
        return load(self.config, channels=channel_settings())


pass_session = click.make_pass_decorator(Session)
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON for machines.")
alert_argument = click.argument("alert", required=False)


def channel_settings() -> dict[str, type[BaseModel]]:
    """Give every known channel's Settings."""
    return {name: plugins.channel_class(name).Settings for name in plugins.known()}


def runs(command: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., T]:
    """Make a plain command of a coroutine function; only warnings are logged."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> T:
        log.configure(Log(level="warning", format="console"))
        return asyncio.run(command(*args, **kwargs))

    return run


def write_json(value: Mapping[str, Any] | list[Any]) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
