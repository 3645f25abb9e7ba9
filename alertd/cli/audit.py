"""`audit verify` and `audit export`: the record, held against its anchors."""

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import click

from alertd.anchors import Anchor, Signer, Verifier, read_anchors
from alertd.cli.common import Failure, Session, json_option, pass_session, runs, write_json
from alertd.core.audit import Finding
from alertd.pipeline.auditor import Report
from alertd.pipeline.export import export, verify_export
from alertd.pipeline.verify import verify
from alertd.settings import Settings
from alertd.store.store import open_store
from alertd.vault import SECRET_SIZE, load_or_create_secret, open_vault

TAMPERED = 2  # exit status: the record could be read, and does not hold
LOST = 3  # exit status: it lacks what a fail-over lost, and tells of it; nothing else is wrong

anchors_option = click.option(
    "--anchors",
    "anchors_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of anchors; else the one of the settings.",
)


@click.group()
def audit() -> None:
    """Check or export the audit log."""


@audit.command("verify")
@click.argument("export_file", required=False, type=click.File(encoding="utf-8"))
@anchors_option
@click.option(
    "--public-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Public key (PEM) that the anchors were signed with; else of the settings' key.",
)
@json_option
@pass_session
@runs
async def verify_command(
    session: Session,
    export_file: TextIO | None,
    anchors_file: Path | None,
    public_key: Path | None,
    *,
    as_json: bool,
) -> None:
    """Find every changed, removed or cut-off entry, and say what lies after the last anchor.

    Checks the ledger, or an EXPORT_FILE that `audit export` wrote. Exit status 2 when the record
    does not hold, 3 when it only lacks what a fail-over lost, and itself tells of that loss.
    """
    if export_file is not None and public_key is not None:
        report = verify_export(export_file, [_public(public_key)])
    else:
        settings = session.settings()
        verifier = _public(public_key) if public_key else _own(settings)
        if export_file is not None:
            report = verify_export(export_file, [verifier])
        else:
            report = await _verify_ledger(settings, verifier, anchors_file)
    if as_json:
        write_json(report.as_json())
    else:
        click.echo("\n".join(report.lines()))
    if not report.ok:
        raise click.exceptions.Exit(LOST if report.only_lost else TAMPERED)


async def _verify_ledger(
    settings: Settings, verifier: Verifier, anchors_file: Path | None
) -> Report:
    master = load_or_create_secret(settings.keys.master_key_file, SECRET_SIZE, create=False)
    async with (
        open_store(settings.database.url) as store,
        open_vault(settings.keys.url, master) as vault,
    ):
        anchors = list(_anchors(anchors_file or settings.anchors.file))
        return await verify(store, anchors=anchors, verifiers=[verifier], vault=vault)


@audit.command("export")
@click.option("--output", type=click.File("w", encoding="utf-8", lazy=True), default="-")
@click.option("--texts", is_flag=True, help="Also what was written: reasons and facts of cases.")
@anchors_option
@pass_session
@runs
async def export_command(
    session: Session, output: TextIO, anchors_file: Path | None, *, texts: bool
) -> None:
    """Write the audit log as JSON lines that anybody can check with the public key alone."""
    settings = session.settings()
    master = load_or_create_secret(settings.keys.master_key_file, SECRET_SIZE, create=False)
    async with (
        open_store(settings.database.url) as store,
        open_vault(settings.keys.url, master) as vault,
    ):
        anchors = list(_anchors(anchors_file or settings.anchors.file))
        async for line in export(store, anchors=anchors, vault=vault if texts else None):
            output.write(f"{line}\n")


@audit.command("public-key")
@pass_session
def public_key_command(session: Session) -> None:
    """Print the public key that auditors check anchors with."""
    click.echo(_own(session.settings()).pem.decode(), nl=False)


def _own(settings: Settings) -> Verifier:
    seed = load_or_create_secret(settings.anchors.key_file, SECRET_SIZE, create=False)
    return Signer(seed).verifier


def _public(path: Path) -> Verifier:
    return Verifier.from_pem(path.read_bytes())


def _anchors(path: Path | None) -> Iterator[Anchor | Finding]:
    if path is None or not path.exists():
        return
    try:
        with path.open(encoding="utf-8") as lines:
            yield from read_anchors(lines)
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{path}: cannot be read: {error}") from None
