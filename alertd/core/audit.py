"""The audit chain: every entry's hash covers its body and the hash before it.

Pure: the caller brings entries, instants and salts.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

SALT_SIZE = 16  # bytes
DELIVERIES_SETTLED = "deliveries.settled"  # the action of an entry that covers attempts


def canonical(body: Mapping[str, Any]) -> str:
    """Give the one spelling of `body`: JSON, keys sorted, no spaces, no escapes but JSON's own."""
    return json.dumps(
        body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def link(previous: str, body: str) -> str:
    """Give the hash of an entry: SHA-256 over the hash before it, a line feed and its body."""
    return hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()


def instant(at: datetime) -> str:
    """Give the one spelling of an instant: UTC, six decimals, `Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def text_digest(salt: bytes, name: str, text: str) -> str:
    """Give what stands in the chain for a text that can be purged.

    Without the salt, which is purged with the text, no guess at the text can be tested.
    """
    return hmac.new(salt, f"{name}\n{text}".encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain."""

    seq: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `seq:hash`; raises ValueError."""
        seq, _, digest = text.partition(":")
        return cls(int(seq), digest)

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


GENESIS = Head(0, "0" * 64)


@dataclass(frozen=True, slots=True)
class Link:
    """One entry as it is stored. The columns beside `body` repeat it, for queries."""

    seq: int
    at: datetime
    actor: str
    action: str
    alert_id: str | None
    body: str
    previous: str
    hash: str


def chain(head: Head, entry: Mapping[str, Any], at: datetime) -> Link:
    """Give `entry` (actor, action, alert_id, and what else it says) as the link after `head`."""
    body = canonical({**entry, "seq": head.seq + 1, "at": instant(at)})
    return Link(
        seq=head.seq + 1,
        at=at,
        actor=entry["actor"],
        action=entry["action"],
        alert_id=entry["alert_id"],
        body=body,
        previous=head.hash,
        hash=link(head.hash, body),
    )


class Fault(StrEnum):
    """What can be wrong with a record."""

    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    CUT_OFF = "cut off"  # the end of the chain is missing
    REWRITTEN = "rewritten"  # a chain that verifies, but is not the one that was anchored
    FORGED = "forged"  # an anchor that the key did not sign
    LOST = "lost"  # an anchored entry is gone, and the chain itself says so


@dataclass(frozen=True, slots=True)
class Finding:
    fault: Fault
    seq: int  # of the entry, or of the batch that an attempt belongs to
    what: str

    def __str__(self) -> str:
        return f"entry {self.seq}: {self.fault}: {self.what}"


class Replay:
    """Walks a chain entry by entry, in the order in which it is stored."""

    def __init__(self, start: Head = GENESIS) -> None:
        self.head = start
        self.count = 0
        self._sound = True  # false after a fault, which explains the next break in the chain

    def add(self, entry: Link) -> list[Finding]:
        """Check one more entry against itself and against the one before it."""
        self.count += 1
        findings = [*self._place(entry), *_itself(entry)]
        if self._sound and not findings and entry.previous != self.head.hash:
            what = "does not follow the entry before it: one of the two is not the original"
            findings.append(Finding(Fault.INSERTED, entry.seq, what))
        self._sound = not findings
        self.head = Head(max(entry.seq, self.head.seq), entry.hash)
        return findings

    def _place(self, entry: Link) -> Iterator[Finding]:
        expected = self.head.seq + 1
        if entry.seq > expected:
            lost = (
                f"entries {expected} to {entry.seq - 1} are" if entry.seq - expected > 1 else "is"
            )
            yield Finding(Fault.REMOVED, expected, f"{lost} missing")
        elif entry.seq < expected:
            yield Finding(Fault.INSERTED, entry.seq, f"stands after entry {self.head.seq}")


def holds(entry: Link) -> bool:
    """Tell whether an entry is as its own hash says, whatever stands around it."""
    return not any(_itself(entry))


def _itself(entry: Link) -> Iterator[Finding]:
    if link(entry.previous, entry.body) != entry.hash:
        yield Finding(Fault.CHANGED, entry.seq, "its hash is not that of its body")
        return
    body = read_body(entry)
    if body.get("seq") != entry.seq:
        yield Finding(Fault.REORDERED, entry.seq, f"it was entry {body.get('seq')}")
    columns = {
        "at": instant(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "alert_id": entry.alert_id,
    }
    if wrong := [name for name, value in columns.items() if body.get(name) != value]:
        yield Finding(Fault.CHANGED, entry.seq, f"{', '.join(wrong)} not as in its body")


def read_body(entry: Link) -> dict[str, Any]:
    """Give what the entry says, or nothing when its body is no longer JSON."""
    try:
        body = json.loads(entry.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def verify(entries: Iterable[Link], head: Head | None = None) -> Iterator[Finding]:
    """Find what is wrong with a whole chain; `head`, where known, tells a cut-off end."""
    replay = Replay()
    for entry in entries:
        yield from replay.add(entry)
    if head is not None:
        yield from check_end(replay.head, head)


def check_end(found: Head, told: Head) -> Iterator[Finding]:
    """Compare the end of the chain with what the head mark tells."""
    if found.seq < told.seq:
        what = f"the chain ends at entry {found.seq}, its head mark says {told.seq}"
        yield Finding(Fault.CUT_OFF, found.seq + 1, what)
    elif found != told:
        yield Finding(Fault.CHANGED, found.seq, "the head mark does not name this entry's hash")


AttemptRow = tuple[int, int, int, int, str, str, str, str, str]
"""delivery_id, number, started_at, finished_at, result, reason, detail, provider_ref, node."""

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n"})
_TABS = 8  # in a line


def batch_digest(rows: Sequence[AttemptRow]) -> str:
    """Give the SHA-256 of attempts: a line each, tabs between fields, lines sorted.

    Backslash, tab and line feed inside a field are escaped, so that no two batches read alike.
    """
    text = _lines(rows)
    # Escaping is rarely needed and costs more than all the rest; counting tells.
    if "\\" in text or text.count("\t") != _TABS * len(rows) or text.count("\n") >= len(rows):
        text = _lines([_escaped(row) for row in rows])
    return hashlib.sha256(text.encode()).hexdigest()


def _lines(rows: Iterable[AttemptRow]) -> str:
    lines = [
        f"{delivery}\t{number}\t{started}\t{finished}\t{result}\t{reason}\t{detail}\t{ref}\t{node}"
        for delivery, number, started, finished, result, reason, detail, ref, node in rows
    ]
    lines.sort()
    return "\n".join(lines)


def _escaped(row: AttemptRow) -> AttemptRow:
    delivery, number, started, finished, *texts = row
    result, reason, detail, ref, node = [str(text).translate(_ESCAPES) for text in texts]
    return delivery, number, started, finished, result, reason, detail, ref, node
