"""Everything public at one moment: incidents, newest first, each with its current entries."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

from alertd.core.language import best_language
from alertd.core.photo import Photo
from alertd.pipeline import photos
from alertd.publishing.ledger import Published, open_body, read_cap, read_entries
from alertd.tools import Tools

MAX_ENTRIES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One approved entry, its slots filled."""

    identifier: str
    status: str
    category: str
    language: str
    title: str
    summary: str
    link: str
    cap_url: str
    regions: Sequence[str]  # that the alert names; it reaches more
    shape: Mapping[str, Any]  # polygon, circle, last_seen: points of latitude, longitude
    sent: str

    @classmethod
    def parse(cls, body: bytes) -> Self:
        said = json.loads(body)
        return cls(**{name: said[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Cap:
    """The CAP document that stands at `path`."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One alert, whatever number of versions it has had: it has one entry, or left with none."""

    alert_id: str
    id: str  # the same for every version: guid, atom:id, JSON Feed's id
    real: bool
    live: bool  # else over: what stands is the notice of its end
    identifier: str
    regions: frozenset[str]  # that any version of it has reached
    reaches: frozenset[str]  # that the current one reaches
    languages: Sequence[str]  # the first is the alert's own first
    first_sent_at: datetime
    sent_at: datetime
    until: datetime  # live: expiry; else when its notice leaves, or when it has left
    entries: Mapping[str, Entry] = field(default_factory=dict)  # by language; none: it has left
    cap: Cap | None = None
    photos: tuple[Photo, ...] = ()  # none once it is over

    def entry(self, language: str | None) -> Entry:
        """Give the entry in the language nearest to the one wanted."""
        offered = sorted(self.entries, key=lambda tag: _place(self.languages, tag))
        return self.entries[best_language(language or offered[0], tuple(offered))]


@dataclass(frozen=True, slots=True)
class Edition:
    """What is public since `sequence` came to be what it is."""

    sequence: int
    incidents: tuple[Incident, ...] = ()

    def without(self, alert_id: str) -> Self:
        """Give what is left once this alert is gone."""
        rest = tuple(each for each in self.incidents if each.alert_id != alert_id)
        return replace(self, incidents=rest)


def id_of(tools: Tools, alert_id: str) -> str:
    return f"{tools.public_url}/a/{alert_id}"


async def load_edition(tools: Tools, now: datetime) -> Edition:
    """Read and open all that is public."""
    by_alert: dict[str, list[Published]] = defaultdict(list)
    sequence, published = await tools.store.read(read_entries, now)
    for each in published:
        by_alert[each.alert_id].append(each)
    shown = await photos.shown(tools, now)
    incidents = [
        replace(incident, photos=shown.get(alert_id, ())) if incident.live else incident
        for alert_id, rows in by_alert.items()
        for incident in [await _incident(tools, rows, now)]
    ]
    incidents.sort(key=lambda each: (each.sent_at, each.alert_id), reverse=True)
    return Edition(sequence, tuple(incidents))


async def _incident(tools: Tools, rows: list[Published], now: datetime) -> Incident:
    """Make one incident of its published entries, the newest of which comes first."""
    newest: dict[str, Published] = {}
    for row in rows:
        newest.setdefault(row.language, row)
    current = rows[0]
    entries = {
        language: Entry.parse(body)
        for language, row in newest.items()
        if not row.over(now) and (body := await open_body(tools, row)) is not None
    }
    live = current.is_appeal and not current.over(now)
    return Incident(
        alert_id=current.alert_id,
        id=id_of(tools, current.alert_id),
        real=current.is_real,
        live=live,
        identifier=current.identifier,
        regions=frozenset(code for row in rows for code in row.regions),
        reaches=frozenset(current.regions),
        languages=current.languages,
        first_sent_at=min(row.sent_at for row in rows),
        sent_at=current.sent_at,
        until=_until(current, live=live),
        entries=entries,
        cap=await _cap(tools, current) if entries else None,
    )


def _until(current: Published, *, live: bool) -> datetime:
    if live or not current.is_appeal or current.closed_at is None:
        return current.deadline_at
    return min(current.deadline_at, current.closed_at)


async def _cap(tools: Tools, current: Published) -> Cap | None:
    document = await tools.store.read(read_cap, current.identifier)
    body = await open_body(tools, document)
    if body is None:
        return None
    return Cap(f"/cap/{current.identifier}.xml", len(body), hashlib.sha256(body).hexdigest())


def _place(languages: Sequence[str], tag: str) -> int:
    return languages.index(tag) if tag in languages else len(languages)


def instant(at: datetime) -> str:
    """Give RFC 3339, in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
