"""An export can be checked without the ledger, by the public key alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from alertd.core.audit import Fault
from alertd.pipeline.auditor import Report
from alertd.pipeline.export import export, verify_export

from .conftest import Ledger, attempt


async def exported(ledger: Ledger, *, texts: bool = True) -> list[str]:
    """Three entries, two of them with a text, anchored at the second."""
    await ledger.record("alert.submitted", why="Παράδειγμα one")
    await ledger.record("alert.edited", why="Παράδειγμα two")
    anchor = await ledger.anchor()
    await ledger.settle([attempt()])
    vault = ledger.vault if texts else None
    return [line async for line in export(ledger.store, anchors=[anchor], vault=vault)]


def check(ledger: Ledger, lines: list[str]) -> Report:
    return verify_export(lines, [ledger.signer.verifier])


def faults(report: Report) -> list[tuple[Fault, int]]:
    return [(finding.fault, finding.seq) for finding in report.findings]


async def test_untouched_export_verifies(ledger: Ledger) -> None:
    report = check(ledger, await exported(ledger))
    assert report.findings == []
    assert (report.entries, report.texts, report.anchors) == (3, 2, 1)
    assert report.after_last_anchor == 1


async def test_export_without_texts_verifies_and_holds_none(ledger: Ledger) -> None:
    lines = await exported(ledger, texts=False)
    assert "Παράδειγμα" not in "".join(lines)
    report = check(ledger, lines)
    assert (report.findings, report.texts, report.texts_unread) == ([], 0, 2)


async def test_export_with_texts_holds_them_readable(ledger: Ledger) -> None:
    assert "Παράδειγμα two" in (await exported(ledger))[2]


def change(line: int, edit: Callable[[dict[str, Any]], object]) -> Callable[[list[str]], list[str]]:
    def apply(lines: list[str]) -> list[str]:
        fields = json.loads(lines[line])
        edit(fields)
        return [*lines[:line], json.dumps(fields), *lines[line + 1 :]]

    return apply


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (change(2, lambda f: f.update(actor="person:9")), (Fault.CHANGED, 2)),
        (change(2, lambda f: f.update(body="{}")), (Fault.CHANGED, 2)),
        (change(2, lambda f: f["texts"]["why"].update(text="x")), (Fault.CHANGED, 2)),
        (change(2, lambda f: f["texts"].clear()), (Fault.REMOVED, 2)),
        (change(2, lambda f: f.pop("hash")), (Fault.CHANGED, 2)),
        (change(0, lambda f: f["anchor"].update(seq=3)), (Fault.FORGED, 3)),
        (lambda lines: [*lines[:2], *lines[3:]], (Fault.REMOVED, 2)),
        (lambda lines: lines[:2], (Fault.CUT_OFF, 2)),
        (lambda lines: [*lines[:2], "not json", *lines[2:]], (Fault.CHANGED, 2)),
        (lambda lines: [*lines[:2], "[]", *lines[2:]], (Fault.CHANGED, 2)),
    ],
    ids=[
        "column",
        "body",
        "text",
        "text gone",
        "no hash",
        "anchor",
        "removed",
        "cut off",
        "not json",
        "no entry",
    ],
)
async def test_tampering_with_an_export_is_found(
    ledger: Ledger, tamper: Callable[[list[str]], list[str]], found: tuple[Fault, int]
) -> None:
    assert found in faults(check(ledger, tamper(await exported(ledger))))


async def test_report_can_be_printed_as_json(ledger: Ledger) -> None:
    report = check(ledger, (await exported(ledger))[:1])
    said = json.loads(json.dumps(report.as_json()))
    assert (said["ok"], said["findings"][0]["fault"]) == (False, "cut off")
