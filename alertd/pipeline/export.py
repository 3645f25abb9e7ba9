"""The audit log as JSON lines that anybody can check with the public key alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from alertd.anchors import Anchor, Verifier
from alertd.core.audit import Fault, Finding, Link, canonical, instant
from alertd.pipeline.auditor import Auditor, OpenedText, Report
from alertd.pipeline.verify import open_texts, read_chunk
from alertd.store.store import Store
from alertd.vault import Vault


async def export(
    store: Store, *, anchors: Iterable[Anchor | Finding], vault: Vault | None = None
) -> AsyncIterator[str]:
    """Give a line per anchor, then a line per entry, with its texts where `vault` is given."""
    for anchor in anchors:
        if isinstance(anchor, Anchor):
            yield canonical({"anchor": asdict(anchor)})
    last = 0
    while (chunk := await store.read(read_chunk, last)).links:
        for entry in chunk.links:
            fields: dict[str, Any] = {**asdict(entry), "at": instant(entry.at)}
            if vault is not None and entry.seq in chunk.texts:
                fields["texts"] = _texts(await open_texts(entry, chunk, vault))
            yield canonical(fields)
        last = chunk.links[-1].seq


def _texts(opened: dict[str, OpenedText | None]) -> dict[str, Any]:
    return {
        name: None if text is None else {"salt": text[0].hex(), "text": text[1]}
        for name, text in opened.items()
    }


def verify_export(lines: Iterable[str], verifiers: Sequence[Verifier]) -> Report:
    """Check an export: chain, anchors and such texts as it holds.

    Attempts and deliveries are not in it: their digests are, for whoever has the ledger.
    """
    auditor = Auditor(verifiers)
    for number, line in enumerate(lines, 1):
        try:
            _take(auditor, json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError):
            what = f"line {number} of the export cannot be read"
            auditor.report.add([Finding(Fault.CHANGED, auditor.head.seq + 1, what)])
    auditor.finish()
    return auditor.report


def _take(auditor: Auditor, fields: dict[str, Any]) -> None:
    if "anchor" in fields:
        auditor.add_anchor(Anchor.parse(canonical(fields["anchor"])))
        return
    texts = fields.pop("texts", None)
    entry = Link(**{**fields, "at": datetime.fromisoformat(fields["at"])})
    auditor.add(entry)
    if texts is None:
        auditor.skip_texts(entry)
        return
    opened: dict[str, OpenedText | None] = {
        name: None if text is None else (bytes.fromhex(text["salt"]), text["text"])
        for name, text in texts.items()
    }
    auditor.add_texts(entry, opened)
