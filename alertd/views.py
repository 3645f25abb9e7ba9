"""Read models: what people look at, as plain functions of a connection.

No address is given in full. Keys are loaded before the transaction and passed in.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, func, select, tuple_

from alertd.core.approval import Approval, open_roles
from alertd.core.delivery import State
from alertd.core.errors import InvalidAlert, NotFound, Problem
from alertd.core.lifecycle import VersionState
from alertd.core.rendition import Kind
from alertd.masking import mask
from alertd.pipeline import versions as stages
from alertd.pipeline.jurisdiction import Eyes, Sight
from alertd.pipeline.pseudonyms import mask_reached
from alertd.pipeline.requeue import STANDING
from alertd.shapes import (
    AlertSummary,
    AlertView,
    ApprovalView,
    ChannelProgress,
    DeadLetter,
    DeliveryView,
    DispatchProgress,
    Page,
    ProgressView,
    RecipientView,
    Tally,
    VersionView,
)
from alertd.store.schema import (
    addresses,
    alerts,
    approvals,
    deliveries,
    dispatches,
    from_micros,
    persons,
    progress,
    recipient_regions,
    recipients,
    versions,
)
from alertd.vault import Key

_CHUNK = 200  # alerts read at a time where not all are seen
LOOKED = 1000  # dead letters read at a time where not all are seen
_APPROVED = frozenset({Kind.ALERT, Kind.UPDATE})
_NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


def read_cursor(text: str | None, parts: int = 1) -> tuple[int, ...] | None:
    """Read what a page gave as `next_cursor`; raises InvalidAlert for anything else."""
    if text is None:
        return None
    numbers = text.split(".")
    if len(numbers) != parts or not all(_NUMBER.fullmatch(number) for number in numbers):
        raise InvalidAlert([Problem("cursor", "is not one that a page of this list gave")])
    return tuple(map(int, numbers))


# --- alerts ----------------------------------------------------------------------------------


def key_id(conn: Connection, alert_id: str) -> str:
    """Name the key that an alert's personal fields are under."""
    found: str | None = conn.scalar(select(alerts.c.key_id).where(alerts.c.id == alert_id))
    if found is None:
        raise NotFound("there is no such alert")
    return found


def list_alerts(
    conn: Connection,
    *,
    state: VersionState | None,
    before: str | None,
    limit: int,
    sees: Sight | None = None,
    case_reference: str | None = None,
) -> Page[AlertSummary]:
    """Give alerts, newest first; with `sees`, those that it lets through.

    Those in state ACTIVE are all that are out, also while an update of them waits.
    """
    others = versions.alias("others")
    newest = select(func.max(others.c.number)).where(others.c.alert_id == alerts.c.id)
    standing = newest.where(others.c.state != VersionState.REJECTED)
    counts = func.coalesce(standing.scalar_subquery(), newest.scalar_subquery())
    live = alerts.c.id.in_(select(others.c.alert_id).where(others.c.state == VersionState.ACTIVE))
    query = (
        select(
            alerts.c.id,
            alerts.c.programme,
            alerts.c.status,
            alerts.c.case_reference,
            alerts.c.created_at,
            versions.c.state,
            live.label("live"),
            versions.c.number.label("version"),
            versions.c.expires_at,
            versions.c.regions,
        )
        .select_from(alerts)
        .join(versions, (versions.c.alert_id == alerts.c.id) & (versions.c.number == counts))
        .order_by(alerts.c.id.desc())
    )
    if state is not None:
        query = query.where(live if state is VersionState.ACTIVE else versions.c.state == state)
    if case_reference is not None:
        query = query.where(alerts.c.case_reference == case_reference)
    if before is not None:
        query = query.where(alerts.c.id < before)
    rows, more = _take(conn, query, limit) if sees is None else _seen(conn, query, limit, sees)
    items = [AlertSummary(**{n: row[n] for n in AlertSummary.model_fields}) for row in rows]
    return Page(items=items, next_cursor=items[-1].id if more else None)


def _seen(
    conn: Connection, query: Select[Any], limit: int, sees: Sight
) -> tuple[Sequence[RowMapping], bool]:
    """Read on until enough alerts are found that are seen."""
    found: list[RowMapping] = []
    read = query
    while True:
        rows = conn.execute(read.limit(_CHUNK)).mappings().all()
        found += [row for row in rows if sees(row["programme"], row["regions"])]
        if len(found) > limit or len(rows) < _CHUNK:
            return found[:limit], len(found) > limit
        read = query.where(alerts.c.id < rows[-1]["id"])


def show_alert(conn: Connection, alert_id: str, key: Key | None) -> AlertView:
    """Give an alert with all its versions; with `key`, also what they say."""
    row = (
        conn.execute(
            select(alerts, persons.c.name.label("author"))
            .join(persons, persons.c.id == alerts.c.created_by)
            .where(alerts.c.id == alert_id)
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFound("there is no such alert")
    shown = _versions(conn, alert_id, key)
    live = [version.number for version in shown if version.state == VersionState.ACTIVE]
    return AlertView(
        **{**row, "created_by": row["author"]},
        state=shown[0].state,
        live_version=live[0] if live else None,
        versions=shown,
    )


def _versions(conn: Connection, alert_id: str, key: Key | None) -> list[VersionView]:
    query = stages.select_versions().where(versions.c.alert_id == alert_id)
    sealed = {version.id: version for version in stages.read_all(conn, query)}
    given = _approvals(conn, alert_id)
    rows = (
        select(versions, persons.c.name.label("author"))
        .join(persons, persons.c.id == versions.c.created_by)
        .where(versions.c.alert_id == alert_id)
        .order_by(versions.c.number.desc())
    )
    return [
        _version(row, sealed[row["id"]], given[row["id"]], key)
        for row in conn.execute(rows).mappings()
    ]


def _version(
    row: RowMapping, version: stages.Version, given: Sequence[RowMapping], key: Key | None
) -> VersionView:
    standing = [
        Approval(each["role"], each["person_id"], each["digest"])
        for each in given
        if not each["voided_at"]
    ]
    missing = open_roles(version.rules, version.kind, standing) if _waits(version) else ()
    facts = stages.open_facts(key, version) if key is not None and version.facts else None
    return VersionView(
        **{**row, "created_by": row["author"], "facts": facts},
        approvals=[ApprovalView(**each, person=each["name"]) for each in given],
        missing=[role.name for role in missing],
    )


def _waits(version: stages.Version) -> bool:
    return version.state in stages.OPEN and version.kind in _APPROVED


def _approvals(conn: Connection, alert_id: str) -> dict[int, list[RowMapping]]:
    found: dict[int, list[RowMapping]] = defaultdict(list)
    query = (
        select(approvals, persons.c.name)
        .join(persons, persons.c.id == approvals.c.person_id)
        .join(versions, versions.c.id == approvals.c.version_id)
        .where(versions.c.alert_id == alert_id)
        .order_by(approvals.c.id)
    )
    for row in conn.execute(query).mappings():
        found[row["version_id"]].append(row)
    return found


# --- deliveries ------------------------------------------------------------------------------


def list_deliveries(
    conn: Connection,
    alert_id: str,
    *,
    channel: str | None,
    state: State | None,
    after: tuple[int, ...] | None,
    limit: int,
) -> Page[DeliveryView]:
    """Give an alert's deliveries in the order of their dispatches."""
    key_id(conn, alert_id)
    query = (
        _select_deliveries()
        .where(dispatches.c.alert_id == alert_id)
        .order_by(deliveries.c.dispatch_id, deliveries.c.address_id)
    )
    if channel is not None:
        query = query.where(deliveries.c.channel == channel)
    if state is not None:
        query = query.where(deliveries.c.state == state)
    if after is not None:
        place = tuple_(deliveries.c.dispatch_id, deliveries.c.address_id)
        query = query.where(place > tuple_(*after))
    rows, more = _take(conn, query, limit)
    last = f"{rows[-1]['dispatch_id']}.{rows[-1]['address_id']}" if more else None
    return Page(items=[DeliveryView(**_delivery(row)) for row in rows], next_cursor=last)


def delivery_of(conn: Connection, alert_id: str, delivery_id: int) -> None:
    """Raise NotFound unless the delivery is one of this alert's."""
    query = (
        select(deliveries.c.id)
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .where(deliveries.c.id == delivery_id, dispatches.c.alert_id == alert_id)
    )
    if conn.scalar(query) is None:
        raise NotFound("this alert has no such delivery")


def dead_letters(
    conn: Connection, *, before: tuple[int, ...] | None, limit: int, sees: Sight | None = None
) -> Page[DeadLetter]:
    """Give what will not be tried again by itself, newest first; with `sees`, of whose alert.

    A page then holds what was found among LOOKED at, and may be short though it goes on.
    """
    query = (
        _select_deliveries()
        .add_columns(alerts.c.id.label("alert_id"), alerts.c.case_reference)
        .join(alerts, alerts.c.id == dispatches.c.alert_id)
        .where(deliveries.c.state.in_(STANDING))
        .order_by(deliveries.c.id.desc())
    )
    if before is not None:
        query = query.where(deliveries.c.id < before[0])
    rows, more = _take(conn, query, limit if sees is None else LOOKED)
    last = rows[-1]["id"] if more else None
    if sees is not None:
        seen = Eyes(conn, sees).choose(row["alert_id"] for row in rows)
        rows = [row for row in rows if row["alert_id"] in seen]
        rows, last = rows[:limit], rows[limit - 1]["id"] if len(rows) > limit else last
    items = [DeadLetter(**_delivery(row)) for row in rows]
    return Page(items=items, next_cursor=None if last is None else str(last))


def _select_deliveries() -> Select[Any]:
    return (
        select(
            deliveries,
            dispatches.c.kind,
            dispatches.c.variant,
            dispatches.c.occurrence,
            addresses.c.address,
        )
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .outerjoin(addresses, addresses.c.id == deliveries.c.address_id)
    )


def _delivery(row: RowMapping) -> dict[str, Any]:
    return {
        **row,
        "address": mask_reached(row["address_id"], row["address"]),
        "next_at": from_micros(row["next_at"]) if row["state"] == State.QUEUED else None,
        "sent_at": _instant(row["sent_at"]),
        "delivered_at": _instant(row["delivered_at"]),
    }


def show_progress(conn: Connection, alert_id: str, now: datetime) -> ProgressView:
    """Give the counts of every dispatch as they are kept, without counting deliveries."""
    key_id(conn, alert_id)
    mine = dispatches.c.alert_id == alert_id
    counts: dict[int, dict[str, dict[str, Tally]]] = defaultdict(lambda: defaultdict(dict))
    kept = (
        select(progress)
        .join(dispatches, dispatches.c.id == progress.c.dispatch_id)
        .where(mine)
        .order_by(progress.c.channel, progress.c.state)
    )
    for row in conn.execute(kept).mappings():
        counts[row["dispatch_id"]][row["channel"]][row["state"]] = Tally(
            count=row["count"],
            first_at=_instant(row["first_at"]),
            last_at=_instant(row["last_at"]),
        )
    rows = conn.execute(select(dispatches).where(mine).order_by(dispatches.c.id)).mappings()
    return ProgressView(
        alert_id=alert_id,
        as_of=now,
        dispatches=[
            DispatchProgress(
                **{name: row[name] for name in DispatchProgress.model_fields if name != "channels"},
                channels=[
                    ChannelProgress(
                        channel=channel,
                        planned=sum(tally.count for tally in states.values()),
                        states=states,
                    )
                    for channel, states in counts[row["id"]].items()
                ],
            )
            for row in rows
        ],
    )


# --- recipients -----------------------------------------------------------------------------


def select_recipients() -> Select[Any]:
    """Give the query for what `recipient_views` needs, in the order of entry."""
    return (
        select(
            recipients,
            addresses.c.channel,
            addresses.c.address,
            addresses.c.suppressed_at,
            addresses.c.suppressed_reason,
        )
        .join(addresses, addresses.c.id == recipients.c.address_id)
        .order_by(recipients.c.id)
    )


def recipient_views(conn: Connection, rows: Sequence[RowMapping]) -> list[RecipientView]:
    """Give recipients as they may be seen: addresses masked."""
    if not rows:
        return []
    regions = _regions(conn, [row["id"] for row in rows])
    return [
        RecipientView(**{**row, "address": mask(row["address"])}, regions=regions[row["id"]])
        for row in rows
    ]


def _regions(conn: Connection, numbers: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    query = (
        select(recipient_regions.c.recipient_id, recipient_regions.c.region)
        .where(recipient_regions.c.recipient_id.in_(numbers))
        .order_by(recipient_regions.c.region)
    )
    for recipient_id, region in conn.execute(query):
        found[recipient_id].append(region)
    return found


def _take(conn: Connection, query: Select[Any], limit: int) -> tuple[list[RowMapping], bool]:
    """Give at most `limit` rows, and whether there are more."""
    rows = list(conn.execute(query.limit(limit + 1)).mappings())
    return rows[:limit], len(rows) > limit


def _instant(number: int | None) -> datetime | None:
    return None if number is None else from_micros(number)
