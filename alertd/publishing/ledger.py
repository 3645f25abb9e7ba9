"""Which renditions are public: what a feed delivery has marked, until it ends or expires."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
)

from alertd.core.delivery import State
from alertd.core.errors import Busy, NotFound
from alertd.core.lifecycle import VersionState
from alertd.core.rendition import Kind, Slot, fill_some
from alertd.core.ruleset import RuleSet
from alertd.pipeline.activate import PUBLIC
from alertd.pipeline.filling import at_activation
from alertd.pipeline.lanes import is_held
from alertd.pipeline.photos import was_public
from alertd.pipeline.signatures import document_of
from alertd.store.schema import (
    addresses,
    alerts,
    deliveries,
    dispatches,
    documents,
    photos,
    progress,
    renditions,
    rule_sets,
    versions,
)
from alertd.tools import Tools

REMEMBERED = timedelta(days=30)  # how long a feed names the ids of what has left it

APPEALS = frozenset({Kind.ALERT, Kind.UPDATE})
_CLOSED = (VersionState.ENDED, VersionState.CANCELLED, VersionState.EXPIRED)


@dataclass(frozen=True, slots=True)
class Published:
    """A rendition whose dispatch is public, still sealed."""

    dispatch_id: int
    form: str
    alert_id: str
    status: str
    identifier: str
    kind: Kind
    language: str
    languages: tuple[str, ...]  # of the alert, the first one first
    regions: tuple[str, ...]  # whom it reaches
    body: bytes | None
    key_id: str
    sent_at: datetime
    deadline_at: datetime
    closed_at: datetime | None
    references: str
    zone: str
    closed: bool  # this version is over, or the alert as a whole

    @property
    def is_appeal(self) -> bool:
        return self.kind in APPEALS

    @property
    def is_real(self) -> bool:
        return self.status == "actual"

    def over(self, now: datetime) -> bool:
        """Tell whether the child may not be named any more."""
        return self.body is None or self.deadline_at <= now or (self.is_appeal and self.closed)

    def slots(self) -> dict[Slot, bytes]:
        return at_activation(
            self.language, sent_at=self.sent_at, zone=self.zone, references=self.references
        )


def read_sequence(conn: Connection, now: datetime) -> int:
    """Give the number that grows whenever a public document changes: cheap, asked all the time.

    It counts what can only become more: public dispatches, those over, those forgotten,
    deliveries to feeds, alerts purged, CAP documents signed, public photos revoked. Nothing
    before the activation moves it. Raises Busy while a restored ledger is held: it may show
    children who were found since.
    """
    if is_held(conn):
        raise Busy("this install was restored and waits for its operator")
    public = and_(dispatches.c.kind.in_(PUBLIC), dispatches.c.occurrence == 0)
    opened, over, forgotten = conn.execute(
        select(
            func.count(),
            func.count().filter(dispatches.c.deadline_at <= now),
            func.count().filter(dispatches.c.deadline_at <= now - REMEMBERED),
        )
        .select_from(dispatches)
        .where(public)
    ).one()
    settled = conn.scalar(
        select(func.coalesce(func.sum(progress.c.count), 0))
        .join(dispatches, dispatches.c.id == progress.c.dispatch_id)
        .where(public, progress.c.channel == "feed", progress.c.state == State.DELIVERED)
    )
    purged = conn.scalar(
        select(func.count()).select_from(alerts).where(alerts.c.purged_at.is_not(None))
    )
    signed = conn.scalar(select(func.count()).select_from(documents))
    revoked = conn.scalar(
        select(func.count())
        .select_from(photos)
        .where(photos.c.revoked_at.is_not(None), was_public())
    )
    return sum(int(n or 0) for n in (opened, over, forgotten, settled, purged, signed, revoked))


def read_entries(conn: Connection, now: datetime) -> tuple[int, list[Published]]:
    """Give every published entry of alerts that are live or were lately, the newest first.

    Beside them the number of read_sequence, of the same moment.
    """
    lately = select(dispatches.c.alert_id).where(
        dispatches.c.kind.in_(PUBLIC), dispatches.c.deadline_at > now - REMEMBERED
    )
    query = _select_published("entry", languages=True).where(dispatches.c.alert_id.in_(lately))
    return read_sequence(conn, now), _read(conn, query.order_by(dispatches.c.id.desc()))


def read_pages(conn: Connection, alert_id: str) -> dict[str, Published]:
    """Give the newest published page of each language; raises NotFound before there is one."""
    query = _select_published("page", languages=True).where(dispatches.c.alert_id == alert_id)
    newest: dict[str, Published] = {}
    for page in _read(conn, query.order_by(dispatches.c.id.desc())):
        newest.setdefault(page.language, page)
    if not newest:
        raise NotFound("there is no such page")
    return newest


def read_cap(conn: Connection, identifier: str) -> Published:
    """Give the CAP document of that identifier; raises NotFound before it is public."""
    query = _select_published("cap", languages=False).where(dispatches.c.identifier == identifier)
    found = _read(conn, query.order_by(dispatches.c.id).limit(1))
    if not found:
        raise NotFound("there is no such document")
    return found[0]


def read_documents(conn: Connection) -> dict[str, list[str]]:
    """Give every alert that was ever public, with the identifiers of its CAP documents."""
    query = (
        select(dispatches.c.alert_id, dispatches.c.identifier)
        .where(dispatches.c.kind.in_(PUBLIC), dispatches.c.occurrence == 0)
        .where(_is_delivered(languages=False))
        .order_by(dispatches.c.id)
    )
    found: dict[str, list[str]] = {}
    for alert_id, identifier in conn.execute(query):
        found.setdefault(alert_id, []).append(identifier)
    return found


def _select_published(form: str, *, languages: bool) -> Select[Any]:
    """Give the query for renditions of which a feed delivery is done; `languages`: of the same.

    What is sent again says nothing new, so only the first occurrence counts.
    """
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
            dispatches.c.id.label("dispatch_id"),
            dispatches.c.alert_id,
            dispatches.c.identifier,
            dispatches.c.kind,
            dispatches.c.sent_at,
            dispatches.c.deadline_at,
            dispatches.c.references,
            versions.c.languages,
            versions.c.regions,
            versions.c.closed_at,
            renditions.c.form,
            renditions.c.language,
            renditions.c.body,
            alerts.c.status,
            alerts.c.key_id,
            rule_sets.c.body.label("rules"),
            _is_over().label("closed"),
        )
        .join(renditions, rendered)
        .join(versions, versions.c.id == dispatches.c.version_id)
        .join(alerts, alerts.c.id == dispatches.c.alert_id)
        .join(rule_sets, ruled)
        # One slip in the ledger must not make an exercise real: both have to say the same.
        .where(dispatches.c.exercise == (alerts.c.status != "actual"))
        .where(dispatches.c.occurrence == 0, _is_delivered(languages=languages))
    )


def _is_delivered(*, languages: bool) -> ColumnElement[bool]:
    """Tell whether the feeds have it: by the few addresses of feeds, not among a million others."""
    done = exists().where(
        addresses.c.channel == "feed",
        deliveries.c.dispatch_id == dispatches.c.id,
        deliveries.c.address_id == addresses.c.id,
        deliveries.c.state == State.DELIVERED,
    )
    return done.where(deliveries.c.language == renditions.c.language) if languages else done


def _is_over() -> ColumnElement[bool]:
    siblings = versions.alias("siblings")
    lives = exists().where(
        siblings.c.alert_id == alerts.c.id, siblings.c.state == VersionState.ACTIVE
    )
    return or_(versions.c.state.in_(_CLOSED), ~lives)


def _read(conn: Connection, query: Select[Any]) -> list[Published]:
    return [_published(row) for row in conn.execute(query).mappings()]


def _published(row: Mapping[Any, Any]) -> Published:
    zone = RuleSet.model_validate(row["rules"]).authority_timezone
    values: dict[str, Any] = {**row, "kind": Kind(row["kind"]), "zone": zone}
    values |= {name: tuple(row[name]) for name in ("languages", "regions")}
    return Published(**{name: values[name] for name in Published.__dataclass_fields__})


async def open_body(tools: Tools, published: Published) -> bytes | None:
    """Give the bytes that were approved, slots filled; None once their key is destroyed.

    A CAP document is the one that was signed, where there is a signer; None when that fails.
    """
    if published.body is None:
        return None
    try:
        key = await tools.vault.key(published.key_id)
    except NotFound:
        return None
    body = fill_some(key.open(published.body), published.slots())
    if published.form == "cap":
        return await document_of(tools, published.dispatch_id, key, body)
    return body
