"""What is public now: whatever a feed delivery has marked, until it ends or expires."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
)

from alertd.core.delivery import State
from alertd.core.errors import NotFound
from alertd.core.language import best_language
from alertd.core.lifecycle import VersionState
from alertd.core.rendition import Kind, Slot, fill_some
from alertd.core.ruleset import RuleSet
from alertd.pipeline.filling import at_activation
from alertd.pipeline.lanes import is_held
from alertd.store.schema import (
    alerts,
    deliveries,
    dispatches,
    progress,
    renditions,
    rule_sets,
    versions,
)
from alertd.tools import Tools
from alertd.web.problems import Busy, Gone

MAX_ENTRIES = 100

_APPEALS = frozenset({Kind.ALERT, Kind.UPDATE})
_NOTICES = frozenset({Kind.END, Kind.CORRECTION})
_CLOSED = (VersionState.ENDED, VersionState.CANCELLED, VersionState.EXPIRED)

Revision = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One approved entry, its slots filled."""

    identifier: str
    category: str
    title: str
    summary: str
    link: str
    cap_url: str
    published: str


@dataclass(frozen=True, slots=True)
class Published:
    """A rendition whose dispatch is public, still sealed."""

    alert_id: str
    kind: Kind
    language: str
    languages: tuple[str, ...]  # of the alert, the first one first
    body: bytes | None
    key_id: str
    sent_at: datetime
    references: str
    zone: str
    deadline_at: datetime
    closed: bool  # this version is over, or the alert as a whole

    def shown(self, now: datetime) -> bool:
        if self.body is None or self.deadline_at <= now:
            return False
        return self.kind in _NOTICES or (self.kind in _APPEALS and not self.closed)

    def slots(self) -> dict[Slot, bytes]:
        return at_activation(
            self.language, sent_at=self.sent_at, zone=self.zone, references=self.references
        )


def read_revision(conn: Connection, now: datetime) -> Revision:
    """Give what changes whenever a public document does: cheap, asked at every request.

    Raises Busy while a restored ledger is held: it may show children who were found since.
    """
    if is_held(conn):
        raise Busy("this install was restored and waits for its operator")
    opened, over = conn.execute(
        select(
            func.coalesce(func.max(dispatches.c.id), 0),
            func.count().filter(dispatches.c.deadline_at <= now),
        )
    ).one()
    settled = conn.scalar(
        select(func.coalesce(func.sum(progress.c.count), 0)).where(
            progress.c.channel == "feed", progress.c.state == State.DELIVERED
        )
    )
    return opened, over, int(settled or 0)


def read_entries(conn: Connection, now: datetime, *, exercise: bool) -> list[Published]:
    """Give the newest published entry of each alert and language that is to be shown now."""
    lively = select(dispatches.c.alert_id).where(
        dispatches.c.deadline_at > now, dispatches.c.exercise.is_(exercise)
    )
    query = _select_published("entry", languages=True).where(
        dispatches.c.alert_id.in_(lively),
        dispatches.c.exercise.is_(exercise),
        (alerts.c.status != "actual") if exercise else (alerts.c.status == "actual"),
    )
    newest: dict[tuple[str, str], Published] = {}
    for row in conn.execute(query.order_by(dispatches.c.id.desc())).mappings():
        newest.setdefault((row["alert_id"], row["language"]), _published(row))
    return [entry for entry in newest.values() if entry.shown(now)]


def read_cap(conn: Connection, identifier: str, now: datetime) -> Published:
    """Give the CAP document of that identifier; raises NotFound before it is public, then Gone."""
    query = _select_published("cap", languages=False).where(dispatches.c.identifier == identifier)
    row = conn.execute(query.order_by(dispatches.c.id).limit(1)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such document")
    document = _published(row)
    over = document.closed or document.deadline_at <= now
    if document.body is None or (over and document.kind in _APPEALS):
        raise Gone("this alert is over, and its document is no longer published")
    return document


def _select_published(form: str, *, languages: bool) -> Select[Any]:
    """Give the query for renditions of which a feed delivery is done; `languages`: of the same."""
    rendered = and_(
        renditions.c.version_id == dispatches.c.version_id,
        renditions.c.kind == dispatches.c.kind,
        renditions.c.variant == dispatches.c.variant,
        renditions.c.channel == "feed",
        renditions.c.form == form,
    )
    ruled = and_(
        rule_sets.c.programme == alerts.c.programme,
        rule_sets.c.version == versions.c.rule_set_version,
    )
    return (
        select(
            dispatches.c.alert_id,
            dispatches.c.kind,
            dispatches.c.sent_at,
            dispatches.c.deadline_at,
            dispatches.c.references,
            versions.c.languages,
            renditions.c.language,
            renditions.c.body,
            alerts.c.key_id,
            rule_sets.c.body.label("rules"),
            _is_over().label("closed"),
        )
        .join(renditions, rendered)
        .join(versions, versions.c.id == dispatches.c.version_id)
        .join(alerts, alerts.c.id == dispatches.c.alert_id)
        .join(rule_sets, ruled)
        .where(_is_delivered(languages=languages))
    )


def _is_delivered(*, languages: bool) -> ColumnElement[bool]:
    done = exists().where(
        deliveries.c.dispatch_id == dispatches.c.id,
        deliveries.c.channel == "feed",
        deliveries.c.state == State.DELIVERED,
    )
    return done.where(deliveries.c.language == renditions.c.language) if languages else done


def _is_over() -> ColumnElement[bool]:
    siblings = versions.alias("siblings")
    lives = exists().where(
        siblings.c.alert_id == alerts.c.id, siblings.c.state == VersionState.ACTIVE
    )
    return or_(versions.c.state.in_(_CLOSED), ~lives)


def _published(row: RowMapping) -> Published:
    zone = RuleSet.model_validate(row["rules"]).authority_timezone
    values: dict[str, Any] = {**row, "kind": Kind(row["kind"]), "zone": zone}
    values |= {"languages": tuple(row["languages"])}
    return Published(**{name: values[name] for name in Published.__dataclass_fields__})


async def open_body(tools: Tools, published: Published) -> bytes | None:
    """Give the bytes that were approved, slots filled; None once their key is destroyed."""
    try:
        key = await tools.vault.key(published.key_id)
    except NotFound:
        return None
    return fill_some(key.open(published.body or b""), published.slots())


async def open_entries(
    tools: Tools, published: Iterable[Published], language: str | None
) -> list[FeedEntry]:
    """Give one entry per alert, newest first, in the language nearest to the one wanted."""
    chosen = sorted(_choose(published, language), key=lambda p: p.sent_at, reverse=True)
    entries = []
    for each in chosen[:MAX_ENTRIES]:
        if (body := await open_body(tools, each)) is not None:
            said = json.loads(body)
            fields = FeedEntry.__dataclass_fields__
            entries.append(FeedEntry(**{name: said[name] for name in fields}))
    return entries


def _choose(published: Iterable[Published], language: str | None) -> list[Published]:
    by_alert: dict[str, dict[str, Published]] = defaultdict(dict)
    for each in published:
        by_alert[each.alert_id][each.language] = each
    chosen = []
    for offered in by_alert.values():
        first = next(iter(offered.values())).languages
        tags = sorted(offered, key=lambda tag: first.index(tag) if tag in first else len(first))
        chosen.append(offered[best_language(language or tags[0], tuple(tags))])
    return chosen
