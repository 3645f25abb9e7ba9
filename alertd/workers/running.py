"""A dispatch as a worker holds it: opened once, checked against what was approved."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection, RowMapping, select

from alertd.channel import Prepared
from alertd.core.approval import open_roles
from alertd.core.errors import AlertdError
from alertd.core.language import best_language
from alertd.core.rendition import BESIDE, Kind, Rendition, fill_some, split
from alertd.pipeline.contents import TO_OFFICIALS, digest_of
from alertd.pipeline.filling import at_activation
from alertd.pipeline.versions import (
    Version,
    key_of,
    open_facts,
    read_all,
    select_versions,
    standing,
)
from alertd.store.schema import dispatches, renditions, versions
from alertd.tools import Tools
from alertd.vault import Key

REMEMBERED = 64  # dispatches; bounds what a process keeps of renditions


class NotApproved(AlertdError):
    """The bytes that would go out are not the ones that were approved."""


@dataclass(slots=True, kw_only=True)
class Running:
    """One dispatch, its renditions ready to send."""

    id: int
    alert_id: str
    kind: Kind
    sent_at: datetime
    deadline_at: datetime
    exercise: bool
    prepared: dict[str, dict[str, Prepared]]  # by channel, then by language

    def choose(self, channel: str, wanted: str) -> Prepared | None:
        """Give the rendition that serves a recipient of this language best."""
        offered = self.prepared.get(channel)
        return offered[best_language(wanted, tuple(offered))] if offered else None


class RunningDispatches:
    """Opens dispatches on first use and keeps the latest ones."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._kept: OrderedDict[int, Running] = OrderedDict()
        self._opening = asyncio.Lock()

    async def get(self, dispatch_id: int) -> Running:
        """Give a dispatch; raises NotApproved, and what store and vault raise."""
        if (kept := self._kept.get(dispatch_id)) is not None:
            return kept
        async with self._opening:
            if (kept := self._kept.get(dispatch_id)) is None:
                kept = self._kept[dispatch_id] = await self._open(dispatch_id)
                if len(self._kept) > REMEMBERED:
                    self._kept.popitem(last=False)
            return kept

    async def _open(self, dispatch_id: int) -> Running:
        stored = await self._tools.store.read(_read, dispatch_id)
        key = await key_of(self._tools, stored.version)
        return await asyncio.to_thread(_prepare, stored, key)


@dataclass(frozen=True)
class _Stored:
    dispatch: RowMapping
    first: RowMapping  # the occurrence that it repeats, or itself: a repetition says the same
    version: Version
    approved: bool
    renditions: list[RowMapping]

    @cached_property
    def kind(self) -> Kind:
        return Kind(self.dispatch["kind"])


def _read(conn: Connection, dispatch_id: int) -> _Stored:
    dispatch = conn.execute(select(dispatches).where(dispatches.c.id == dispatch_id))
    row = dispatch.mappings().one()
    version = read_all(conn, select_versions().where(versions.c.id == row["version_id"]))[0]
    approvals = standing(conn, version)
    rows = conn.execute(
        select(renditions).where(renditions.c.version_id == version.id).order_by(renditions.c.id)
    )
    filled = not open_roles(version.rules, version.kind, approvals)
    approved = filled and all(approval.digest == version.digest for approval in approvals)
    return _Stored(row, _first(conn, row), version, approved, list(rows.mappings().all()))


def _first(conn: Connection, row: RowMapping) -> RowMapping:
    if not row["occurrence"] or row["kind"] in TO_OFFICIALS:
        return row
    same = [dispatches.c[name] == row[name] for name in ("version_id", "kind", "variant")]
    query = select(dispatches).where(*same, dispatches.c.occurrence == 0)
    return conn.execute(query).mappings().one()


def _prepare(stored: _Stored, key: Key) -> Running:
    rendered = [_opened(row, key) for row in stored.renditions]
    if stored.kind not in TO_OFFICIALS:
        _check(stored, rendered, key)
    row = stored.dispatch
    prepared: dict[str, dict[str, Prepared]] = {}
    for rendition in rendered:
        own = (rendition.kind, rendition.variant) == (stored.kind, row["variant"])
        if own and rendition.form not in BESIDE:
            prepared.setdefault(rendition.channel, {})[rendition.language] = _fill(
                rendition, stored
            )
    return Running(
        id=row["id"],
        alert_id=row["alert_id"],
        kind=stored.kind,
        sent_at=row["sent_at"],
        deadline_at=row["deadline_at"],
        exercise=row["exercise"],
        prepared=prepared,
    )


def _opened(row: RowMapping, key: Key) -> Rendition:
    return Rendition(
        kind=Kind(row["kind"]),
        variant=row["variant"],
        channel=row["channel"],
        language=row["language"],
        form=row["form"],
        media_type=row["media_type"],
        body=key.open(row["body"]),
    )


def _check(stored: _Stored, rendered: list[Rendition], key: Key) -> None:
    """Hold the very bytes against the digest that every approval names."""
    facts = open_facts(key, stored.version)
    if not stored.approved or digest_of(facts, rendered) != stored.version.digest:
        raise NotApproved(f"dispatch {stored.dispatch['id']}: these bytes were not approved")


def _fill(rendition: Rendition, stored: _Stored) -> Prepared:
    values = at_activation(
        rendition.language,
        sent_at=stored.first["sent_at"],
        zone=stored.version.rules.authority_timezone,
        references=stored.first["references"],
    )
    return Prepared(rendition, split(fill_some(rendition.body, values)))
