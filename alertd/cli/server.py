"""`serve` runs the daemon; `check` looks at everything that could keep it from running."""

import asyncio
import os
import signal
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import click

from alertd import plugins
from alertd.app import App, make_provider
from alertd.atlas import load_atlas
from alertd.capprofiles import load_profiles
from alertd.capsign import load_certificates, make_signer
from alertd.channel import Environment
from alertd.cli.common import (
    EX_CONFIG,
    Misconfigured,
    Session,
    channel_settings,
    json_option,
    pass_session,
    write_json,
)
from alertd.cli.running import give_way, run, send_along, settle_in
from alertd.core.errors import ConfigError, Reason
from alertd.example import example
from alertd.oidc import ProviderError, Unreached
from alertd.resources import home
from alertd.rulebook import Rulebook
from alertd.settings import Settings, inspect
from alertd.templating import Templates
from alertd.vault import SECRET_SIZE, load_or_create_secret
from alertd.workers.processes import helped_by

STOP_S = 5.0  # beyond draining, for closing up


@click.command()
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that send, on this machine.")
@click.option("--no-public", is_flag=True, help="Leave the public listener to `alertd public`.")
@pass_session
def serve(session: Session, workers: int | None, *, no_public: bool) -> None:
    """Run the daemon until SIGTERM or Ctrl-C."""
    settings = session.settings()
    if workers is not None:
        dispatch = settings.dispatch.model_copy(update={"workers": workers})
        settings = settings.model_copy(update={"dispatch": dispatch})
    run(partial(_serve, public=not no_public), settings)


@click.command()
@pass_session
def public(session: Session) -> None:
    """Serve feeds, pages and callbacks alone, beside `serve --no-public`."""
    give_way()
    run(_publish, session.settings())


async def _publish(settings: Settings) -> None:
    stop = _told_to_stop()
    async with App.open(settings) as app:
        settle_in()
        await app.publish(stop)


def _told_to_stop() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _serve(settings: Settings, *, public: bool) -> None:
    stop = _told_to_stop()
    dispatch = settings.dispatch
    patience_s = dispatch.drain_s + STOP_S
    async with (
        App.open(settings) as app,  # first, for it makes secrets and brings the schema up to date
        helped_by(dispatch.workers - 1, partial(send_along, settings), patience_s),
    ):
        settle_in()
        await app.serve(stop, public=public)


@click.command()
@click.option("--example", "show_example", is_flag=True, help="Print alertd.toml.example.")
@click.option("--outward", is_flag=True, help="Print which fields may leave by which channel.")
@json_option
@pass_session
def check(session: Session, *, show_example: bool, outward: bool, as_json: bool) -> None:
    """Look at configuration, rule sets, templates and secrets; name every problem at once."""
    if show_example:
        click.echo(example(channel_settings()), nl=False)
        return
    if outward:
        _print_outward(session.settings(), as_json=as_json)
        return
    settings, problems = inspect(session.config, channels=channel_settings())
    if settings is not None:
        problems += dict.fromkeys(_problems(settings, channels=not problems))
        wrong, unknown = _ask_provider(settings)
        problems += wrong
    else:
        unknown = []
    if as_json:
        write_json({"ok": not problems, "problems": problems, "unknown": unknown})
        raise click.exceptions.Exit(EX_CONFIG if problems else 0)
    for line in unknown:
        click.echo(line, err=True)
    if problems:
        raise Misconfigured("\n".join(problems))
    click.echo("everything can be used")


def _print_outward(settings: Settings, *, as_json: bool) -> None:
    """Show, per rule set, what may enter messages that cannot be recalled."""
    rulebook = Rulebook.load(settings.rulesets_dir or home("config") / "rulesets")
    lists = {
        f"{programme} {version}": rules.outward
        for (programme, version), rules in sorted(rulebook.rule_sets.items())
    }
    if as_json:
        write_json(lists)
        return
    for name, channels in lists.items():
        click.echo(name)
        for channel, fields in channels.items():
            click.echo(f"  {channel}: {', '.join(fields) or 'the link alone'}")


def _problems(settings: Settings, *, channels: bool) -> Iterator[str]:
    config = home("config")
    looks: list[Callable[[], Any]] = [
        lambda: Rulebook.load(settings.rulesets_dir or config / "rulesets"),
        lambda: load_atlas(config / "regions"),
        lambda: Templates(settings.templates_dir),
    ]
    if channels:  # else each of their problems has been named with its line
        environment = Environment(public_url=settings.public_url, sender_domain="localhost")
        looks.append(lambda: _load_channels(settings, environment))
    looks += [
        partial(load_or_create_secret, path, SECRET_SIZE, create=False)
        for path in (settings.keys.master_key_file, settings.anchors.key_file)
        if path.exists()  # else it is made at first start
    ]
    for look in looks:
        try:
            look()
        except ConfigError as error:
            yield from str(error).splitlines()
    yield from _tls_problems(settings)
    yield from _cap_problems(settings)


def _ask_provider(settings: Settings) -> tuple[list[str], list[str]]:
    """Give what is wrong with the identity provider, and what cannot be told from here.

    A machine without the network may well check its files; one that reaches the wrong address
    may not.
    """
    if (provider := make_provider(settings)) is None:
        return [], []
    named = f"oidc.issuer: {provider.issuer}"
    try:
        asyncio.run(provider.check(datetime.now(UTC)))
    except Unreached as error:
        if error.reason is Reason.ADDRESS_FORBIDDEN:
            return [f"{named}: is on a private network: name that in outbound.allow_addresses"], []
        remedy = "so nothing of it was checked: try again where it can be reached"
        return [], [f"{named}: {error}, {remedy}"]
    except ProviderError as error:
        return [f"{named}: {error}; {error.remedy}"], []
    return [], []


def _load_channels(settings: Settings, environment: Environment) -> None:
    loaded = plugins.load(settings.channels, environment)
    plugins.uncertain_policies(loaded, settings.dispatch.uncertain)


def _tls_problems(settings: Settings) -> Iterator[str]:
    cert, key = settings.tls.cert, settings.tls.key
    if cert is None or key is None:
        return
    missing = [path for path in (cert, key) if not os.access(path, os.R_OK)]
    yield from (f"tls: {path}: cannot be read" for path in missing)
    if not missing:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)
        except (ssl.SSLError, OSError):
            yield f"tls: {cert} and {key} are no pair of certificate and private key"


def _cap_problems(settings: Settings) -> Iterator[str]:
    signer = make_signer(settings.cap)
    if signer and signer.trouble(datetime.now(UTC)) and signer.fault:
        yield f"cap: {signer.fault}"
    for sender, path in settings.cap.senders.items():
        try:
            load_certificates(path)
        except ConfigError as error:
            yield f"cap.senders.{sender}: {error}"
    try:
        load_profiles(home("config") / "cap-profiles")
    except ConfigError as error:
        yield from str(error).splitlines()
