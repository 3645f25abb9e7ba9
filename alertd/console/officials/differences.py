"""What differs between two versions: fact by fact, and word by word in a text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from alertd.core.alert import ChildAlert
from alertd.core.regions import Atlas
from alertd.pipeline import facts
from alertd.pipeline.wording import Wording

_WORDS = re.compile(r"\s+|[^\s]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that stayed, was taken out, or was put in."""

    state: Literal["same", "old", "new"]
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact before and after; empty where it was not, or is no longer, told."""

    label: str
    before: str
    after: str


def compare(old: str, new: str) -> tuple[Piece, ...]:
    """Mark the words that differ."""
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    pieces: list[Piece] = []
    # Blanks match where words beside them do: held against each other, all by all, they took
    # most of a page's time.
    matcher = SequenceMatcher(str.isspace, before, after, autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            pieces.append(Piece("same", "".join(after[k:m])))
            continue
        if j > i:
            pieces.append(Piece("old", "".join(before[i:j])))
        if m > k:
            pieces.append(Piece("new", "".join(after[k:m])))
    return tuple(pieces)


def differences(
    old: ChildAlert, new: ChildAlert, wording: Wording, atlas: Atlas
) -> list[Difference]:
    """Give every printed fact that differs, in the order in which they are printed."""
    before, after = dict(_told(old, wording, atlas)), dict(_told(new, wording, atlas))
    order = list(dict.fromkeys([*after, *before]))
    return [
        Difference(label, before.get(key, ""), after.get(key, ""))
        for key in order
        for _, label in [key]
        if before.get(key, "") != after.get(key, "")
    ]


Told = tuple[tuple[str, str], str]
"""Where a fact stands with its label, and its value in words."""


def _told(alert: ChildAlert, wording: Wording, atlas: Atlas) -> Iterator[Told]:
    names = facts.labels(wording)
    seen = facts.view(alert, wording)
    for holder in ("children", "companions"):
        for number, person in enumerate(seen[holder]):
            whose = f"{names[holder]}: " if holder == "companions" else ""
            for row in person["rows"]:
                yield (f"{holder}.{number}.{row.field}", f"{whose}{row.label}"), row.value
    for row in (seen["vehicle"] or {"rows": ()})["rows"]:
        yield (row.field, f"{names['vehicle']}: {row.label}"), row.value
    for row in seen["last_seen"]["rows"]:
        yield (row.field, row.label), row.value
    yield ("circumstances", names["circumstances"]), seen["circumstances"]
    neutral = facts.neutral_view(alert, wording, atlas)
    yield ("area", names["area"]), neutral["area"]
    yield ("authority", names["authority"]), alert.authority
    yield ("expires_at", names["expires_at"]), seen["expires"]
    phones = ", ".join(f"{each['number']} {each['label']}" for each in neutral["phones"])
    yield ("phone_lines", names["phone_lines"]), phones


def rows(
    alert: ChildAlert, wording: Wording, atlas: Atlas, *, gaps: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """Give every printed fact with its label; what stands in for a gap is left empty."""
    return [
        (label, "" if _is_gap(key, gaps) else value)
        for (key, label), value in _told(alert, wording, atlas)
    ]


_GAPS = {"last_seen_at": "last_seen.at", "last_seen_place": "last_seen.place"}


def _is_gap(key: str, gaps: Sequence[str]) -> bool:
    name = _GAPS.get(key, key)
    return any(
        gap == name or gap.startswith(f"{name}.") or name.startswith(f"{gap}.") for gap in gaps
    )
