"""`cap validate` and `cap verify`: any CAP document, ours or another's."""

import asyncio
import socket
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import click
from aiohttp.connector import AddrInfoType
from rich.markup import escape

from alertd.capprofiles import load_profiles
from alertd.capsign import load_certificates, read_signed
from alertd.cli.common import Session, err, json_option, out, pass_session, runs, write_json
from alertd.core.cap import MAX_BYTES, BrokenDocument, Finding, Level, judge, open_tree
from alertd.core.errors import Refused
from alertd.guard import Guard
from alertd.resources import home

_REDIRECTS = 3
_PATIENCE_S = 20.0

document_argument = click.argument("document", metavar="FILE|URL")


@click.group()
def cap() -> None:
    """Look at documents of the Common Alerting Protocol 1.2."""


@cap.command()
@document_argument
@click.option("--profile", "name", default="plain", show_default=True, help="Rules to hold it to.")
@json_option
@pass_session
@runs
async def validate(session: Session, document: str, name: str, *, as_json: bool) -> None:
    """Name everything that is wrong with a document; exit status 1 when something is an error.

    FILE may be - for standard input. Profiles: plain, eu-alert, ipaws, wmo.
    """
    profiles = load_profiles(home("config") / "cap-profiles")
    if name not in profiles:
        raise Refused(f"there is no profile {name}; there are: {', '.join(sorted(profiles))}")
    data = await _read(session, document)
    try:
        findings = judge(open_tree(data), profiles[name])
    except BrokenDocument as error:
        raise Refused(f"{document}: {error}") from None
    failed = any(each.level is Level.ERROR for each in findings)
    if as_json:
        write_json({"ok": not failed, "findings": [asdict(each) for each in findings]})
    else:
        _show(document, findings)
    raise click.exceptions.Exit(1 if failed else 0)


def _show(document: str, findings: list[Finding]) -> None:
    colours = {Level.ERROR: "red", Level.WARNING: "yellow"}
    for each in findings:
        where = escape(f"{document}:{each.line or 1}")
        level = f"[{colours[each.level]}]{each.level}[/]"
        what = escape(f"{each.message} ({each.path or 'alert'}; {each.rule}, {each.clause})")
        out.print(f"{where}: {level}: {what}")
    counts = [sum(each.level is level for each in findings) for level in Level]
    err.print(f"{counts[0]} errors, {counts[1]} warnings")


@cap.command()
@document_argument
@click.option(
    "--trust",
    type=click.Path(dir_okay=False, path_type=Path),
    help="PEM file: the signer's certificate, or that of its issuer.",
)
@json_option
@pass_session
@runs
async def verify(session: Session, document: str, trust: Path | None, *, as_json: bool) -> None:
    """Check a document's signature; exit status 1 when it does not hold.

    Without --trust only that nothing was changed since it was signed is known, not who did.
    """
    trusted = load_certificates(trust) if trust else None
    found = read_signed(await _read(session, document), trusted, datetime.now(UTC))
    said: dict[str, Any] = {
        "ok": True,
        "trusted": found.trusted,
        "subject": found.subject,
        "sha256": found.fingerprint,
        "not_after": found.certificate.not_valid_after_utc.isoformat(),
    }
    if as_json:
        write_json(said)
        return
    click.echo(f"signed by {found.subject}, and unchanged since")
    click.echo(f"certificate {found.fingerprint}, valid until {said['not_after']}")
    if not found.trusted:
        click.echo("nobody vouches for this certificate: name one you trust with --trust", err=True)


async def _read(session: Session, document: str) -> bytes:
    """Give the bytes of a file, of standard input or of a URL, bounded."""
    if document.startswith(("http://", "https://")):
        guard = Guard(map(str, session.settings().outbound.allow_addresses))
        return await _fetch(document, guard)
    return await asyncio.to_thread(_read_file, document)


def _read_file(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with Path(name).open("rb") as file:
        return file.read(MAX_BYTES + 1)


class _Forbidden(OSError):
    """This address is not on the public Internet; outbound.allow_addresses can allow it."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


async def _fetch(url: str, guard: Guard) -> bytes:
    """Fetch through the address guard: a redirect leads to no inner network either."""

    def make_socket(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, endpoint = info
        if guard.forbids(str(endpoint[0])):
            raise _Forbidden
        return socket.socket(family, kind, protocol)

    connector = aiohttp.TCPConnector(socket_factory=make_socket)
    timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as client,
            client.get(url, max_redirects=_REDIRECTS) as response,
        ):
            if response.status != HTTPStatus.OK:
                raise Refused(f"{url}: answered {response.status}")
            return await _bounded(response)
    except aiohttp.ClientConnectorError as error:
        raise Refused(
            f"{url}: cannot be reached: {error.os_error.strerror or error.os_error}"
        ) from None
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Refused(f"{url}: cannot be read: {type(error).__name__}") from None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    data = b""
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > MAX_BYTES:
            break
    return data
