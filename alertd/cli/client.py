"""How commands find the API, and as whom they speak."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from alertd.client import Api
from alertd.core.errors import Refused
from alertd.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def api_options(command: F) -> F:
    """Add what every command that talks to the daemon takes."""
    for option in (
        click.option("--token-file", type=click.Path(path_type=Path), help="File with the token."),
        click.option("--url", envvar="ALERTD_URL", help="The API; else as the settings say."),
    ):
        command = option(command)
    return command


def connect(settings: Settings, url: str | None, token_file: Path | None) -> Api:
    """Give the API at `url`, or where the settings put it; raises Refused without a token."""
    token = os.environ.get("ALERTD_TOKEN", "")
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"{token_file}: cannot be read: {error}") from None
    if not token:
        raise Refused("a token is needed: set ALERTD_TOKEN or give --token-file")
    scheme = "https" if settings.tls.cert else "http"
    return Api(url or f"{scheme}://{settings.api.host}:{settings.api.port}", token)
