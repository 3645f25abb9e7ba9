"""What an audit checks, entry by entry, whether they come from the ledger or from an export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from alertd.anchors import Anchor, Verifier
from alertd.core.audit import Fault, Finding, Head, Link, Replay, read_body, text_digest

ALERT_PURGED = "alert.purged"
WENT_BACK = "ledger.went_back"  # names the entries that a fail-over lost, `kept` to `known`
ALERT_THINNED = "alert.thinned"  # its `texts` names those that it emptied, wherever they stand
MAX_FINDINGS = 1000  # kept; beyond that they are counted

OpenedText = tuple[bytes, str]  # salt and text
_Texts = tuple[str | None, str]  # of which alert, and what they are called


@dataclass(slots=True)
class Report:
    """What an audit found; `ok` when nothing is wrong."""

    entries: int = 0
    attempts: int = 0
    deliveries: int = 0
    texts: int = 0
    texts_purged: int = 0
    texts_unread: int = 0  # there was no key at hand, or none were exported
    anchors: int = 0
    last_anchor: Anchor | None = None  # the last one that the chain holds
    findings: list[Finding] = field(default_factory=list)
    findings_left_out: int = 0

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def only_lost(self) -> bool:
        """Tell whether nothing is wrong but losses that the record itself tells of."""
        return bool(self.findings) and all(each.fault is Fault.LOST for each in self.findings)

    @property
    def after_last_anchor(self) -> int:
        """Count the entries that only the chain itself vouches for."""
        return self.entries - (self.last_anchor.seq if self.last_anchor else 0)

    def add(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if len(self.findings) < MAX_FINDINGS:
                self.findings.append(finding)
            else:
                self.findings_left_out += 1

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok, "after_last_anchor": self.after_last_anchor}

    def lines(self) -> Iterator[str]:
        """Give the report for people."""
        yield f"{self.entries} entries, {self.attempts} attempts, {self.deliveries} deliveries"
        yield (
            f"{self.texts} texts hold, {self.texts_purged} are purged,"
            f" {self.texts_unread} were not read"
        )
        if self.last_anchor is None:
            yield f"{self.anchors} anchors, none holds: a chain made anew could not be told"
        else:
            yield (
                f"{self.anchors} anchors; the last that holds is of entry {self.last_anchor.seq},"
                f" {self.last_anchor.at}; {self.after_last_anchor} entries came after it"
            )
        yield from map(str, self.findings)
        if self.findings_left_out:
            yield f"and {self.findings_left_out} more findings"
        yield self._verdict()

    def _verdict(self) -> str:
        if self.ok:
            return "nothing is wrong"
        if self.only_lost:
            return "ENTRIES WERE LOST, as the record itself says; nothing else is wrong"
        return "THE RECORD WAS TAMPERED WITH OR IS DAMAGED"


class Auditor:
    """Checks a chain with its texts and anchors, in one pass."""

    def __init__(self, verifiers: Iterable[Verifier]) -> None:
        self.report = Report()
        self._verifiers = tuple(verifiers)
        self._replay = Replay()
        self._anchors: dict[int, list[Anchor]] = {}
        self._astray: list[Anchor] = []  # of an entry that the chain has not got
        self._losses: list[_Loss] = []
        # Texts that are no longer there, per alert and name, and where the first of them stood.
        self._gone: Counter[_Texts] = Counter()
        self._gone_at: dict[_Texts, int] = {}
        self._purged: set[str | None] = set()

    @property
    def head(self) -> Head:
        return self._replay.head

    def add_anchor(self, anchor: Anchor | Finding) -> None:
        """Take an anchor, or what was found in its place; all of them before any entry."""
        if isinstance(anchor, Finding):
            self.report.add([anchor])
            return
        self.report.anchors += 1
        if any(verifier.holds(anchor) for verifier in self._verifiers):
            self._anchors.setdefault(anchor.seq, []).append(anchor)
        else:
            what = f"the anchor of {anchor.at} was not signed by this install's key"
            self.report.add([Finding(Fault.FORGED, anchor.seq, what)])

    def add(self, entry: Link) -> None:
        """Check the next entry and the anchors of it."""
        self.report.entries += 1
        self.report.add(self._replay.add(entry))
        if entry.action == ALERT_PURGED:
            self._purged.add(entry.alert_id)
        if entry.action == ALERT_THINNED:
            self._explain(entry)
        if entry.action == WENT_BACK:
            self._losses.append(_loss(entry))
        for anchor in self._anchors.pop(entry.seq, ()):
            if anchor.hash == entry.hash:
                self.report.last_anchor = anchor
            else:
                self._astray.append(anchor)

    def add_texts(self, entry: Link, found: Mapping[str, OpenedText | None]) -> None:
        """Check the texts of an entry; None stands for one that cannot be opened any more."""
        digests = _digests(entry)
        for name, digest in digests.items():
            opened = found.get(name)
            if opened is None:
                self._gone[entry.alert_id, name] += 1
                self._gone_at.setdefault((entry.alert_id, name), entry.seq)
            elif text_digest(opened[0], name, opened[1]) == digest:
                self.report.texts += 1
            else:
                what = f"its text {name!r} is another"
                self.report.add([Finding(Fault.CHANGED, entry.seq, what)])
        for name in found.keys() - digests.keys():
            what = f"it never had a text {name!r}"
            self.report.add([Finding(Fault.INSERTED, entry.seq, what)])

    def skip_texts(self, entry: Link) -> None:
        self.report.texts_unread += len(_digests(entry))

    def _explain(self, thinned: Link) -> None:
        """Take what is gone of the entries before this one as purged, where it names it."""
        for name in read_body(thinned).get("data", {}).get("texts", ()):
            self.report.texts_purged += self._gone.pop((thinned.alert_id, name), 0)
            self._gone_at.pop((thinned.alert_id, name), None)

    def finish(self) -> None:
        """Draw the conclusions that need the whole chain."""
        unexplained: Counter[str | None] = Counter()
        first: dict[str | None, int] = {}
        for (alert_id, name), count in self._gone.items():
            if alert_id in self._purged:
                self.report.texts_purged += count
                continue
            unexplained[alert_id] += count
            at = self._gone_at[alert_id, name]
            first[alert_id] = min(at, first.get(alert_id, at))
        for alert_id, count in unexplained.items():
            whose = f"alert {alert_id}" if alert_id else "the install"
            what = f"{count} texts of {whose} are gone, and no purge tells why"
            self.report.add([Finding(Fault.REMOVED, first[alert_id], what)])
        self._judge_anchors()

    def _judge_anchors(self) -> None:
        """Say of anchors without their entry what became of it."""
        missing = [anchor for seq in sorted(self._anchors) for anchor in self._anchors[seq]]
        # Believed once alertd signed it: a chain made anew could tell of any loss.
        signed = self.report.last_anchor.seq if self.report.last_anchor else 0
        self._losses = [loss for loss in self._losses if loss.noted <= signed]
        for loss in self._losses:
            if gone := [each for each in (*self._astray, *missing) if loss.tells_of(each)]:
                what = f"entry {loss.noted} tells of this loss; {len(gone)} anchors are of it"
                self.report.add([Finding(Fault.LOST, loss.kept + 1, what)])
        astray, missing = self._untold(self._astray), self._untold(missing)
        if astray:
            what = f"this is not the entry that was anchored at {astray[0].at}"
            self.report.add([Finding(Fault.REWRITTEN, astray[0].seq, what)])
        if len(astray) > 1:
            what = f"{len(astray)} anchors in all are of another chain"
            self.report.add([Finding(Fault.REWRITTEN, self.head.seq, what)])
        if missing:
            what = f"entry {missing[-1].seq} was anchored at {missing[-1].at} and is missing"
            self.report.add([Finding(Fault.CUT_OFF, missing[0].seq, what)])

    def _untold(self, anchors: Iterable[Anchor]) -> list[Anchor]:
        return [each for each in anchors if not any(loss.tells_of(each) for loss in self._losses)]


@dataclass(frozen=True, slots=True)
class _Loss:
    """What the chain says of entries that a fail-over lost."""

    noted: int  # the entry that says so
    kept: int  # the last one that was left
    known: int  # the last one that is known to have been there

    def tells_of(self, anchor: Anchor) -> bool:
        return self.kept < anchor.seq <= self.known


def _loss(entry: Link) -> _Loss:
    data = read_body(entry).get("data", {})
    return _Loss(entry.seq, int(data.get("kept", 0)), int(data.get("known", 0)))


def _digests(entry: Link) -> dict[str, str]:
    texts = read_body(entry).get("texts")
    return texts if isinstance(texts, dict) else {}
