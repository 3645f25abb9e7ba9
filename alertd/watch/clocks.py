"""How long each stage of an alert took, or is taking: report, submission, approvals, delivery."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, func, select

from alertd.core.approval import needed_roles
from alertd.core.delivery import State
from alertd.core.errors import NotFound
from alertd.core.lifecycle import VersionState
from alertd.core.rendition import Kind
from alertd.pipeline.versions import Version, key_of, open_facts, read_all, select_versions
from alertd.sections import Watch
from alertd.store.schema import approvals, dispatches, from_micros, progress, versions
from alertd.tools import Tools

RECENT = timedelta(days=1)  # how long what is done stays on the clocks
MOST = 50  # versions
_PUBLIC = (Kind.ALERT, Kind.UPDATE)


class Stage(StrEnum):
    SUBMISSION = "submission"  # from the report
    APPROVAL = "approval"  # of one role, from submission
    FIRST_DELIVERY = "first_delivery"  # from the last approval


@dataclass(frozen=True, slots=True, kw_only=True)
class StageClock:
    """One stage of one version: when it began, when it was done, how long it may take."""

    alert_id: str
    case_reference: str
    version: int
    exercise: bool
    stage: Stage
    role: str = ""
    began_at: datetime
    done_at: datetime | None
    limit_s: int

    @property
    def runs(self) -> bool:
        return self.done_at is None

    def lasted(self, now: datetime) -> timedelta:
        return max((self.done_at or now) - self.began_at, timedelta())

    def is_late(self, now: datetime) -> bool:
        return self.lasted(now).total_seconds() > self.limit_s


@dataclass(frozen=True, slots=True)
class _Read:
    version: Version
    created_at: datetime
    approved: Mapping[str, datetime]
    delivered_at: datetime | None


@dataclass(slots=True)
class Clocks:
    """Reads the clocks; remembers when each version's child was reported missing."""

    limits: Watch
    _reported: dict[int, datetime] = field(default_factory=dict)

    async def read(self, tools: Tools) -> list[StageClock]:
        """Give the clocks of all that is under way or went out lately, newest first."""
        rows = await tools.store.read(_read, tools.clock())
        clocks = []
        for row in rows:
            clocks += self._clocks(row, await self._began(tools, row))
        self._reported = {row.version.id: self._reported[row.version.id] for row in rows}
        return clocks

    async def _began(self, tools: Tools, row: _Read) -> datetime:
        version = row.version
        if version.id not in self._reported:
            began = row.created_at
            if version.number == 1:
                try:
                    began = open_facts(await key_of(tools, version), version).reported_at
                except NotFound:  # purged
                    began = row.created_at
            self._reported[version.id] = began
        return self._reported[version.id]

    def _clocks(self, row: _Read, began: datetime) -> list[StageClock]:
        version, limits = row.version, self.limits
        done = [(Stage.SUBMISSION, "", began, version.submitted_at, limits.submission_s)]
        if version.submitted_at is not None:
            done += [
                (
                    Stage.APPROVAL,
                    role.name,
                    version.submitted_at,
                    row.approved.get(role.name),
                    limits.approval_s,
                )
                for role in needed_roles(version.rules, version.kind)
            ]
        if version.sent_at is not None:
            first = row.delivered_at
            done.append((Stage.FIRST_DELIVERY, "", version.sent_at, first, limits.first_delivery_s))
        return [
            StageClock(
                alert_id=version.alert_id,
                case_reference=version.case_reference,
                version=version.number,
                exercise=version.exercise,
                stage=stage,
                role=role,
                began_at=start,
                done_at=end,
                limit_s=limit,
            )
            for stage, role, start, end, limit in done
        ]


def _read(conn: Connection, now: datetime) -> list[_Read]:
    under_way = versions.c.state.in_([VersionState.DRAFT, VersionState.SUBMITTED])
    lately = (versions.c.state == VersionState.ACTIVE) & (versions.c.sent_at > now - RECENT)
    query = select_versions().where(under_way | lately).order_by(versions.c.id.desc()).limit(MOST)
    found = read_all(conn, query)
    ids = [version.id for version in found]
    created = dict(
        conn.execute(
            select(versions.c.id, versions.c.created_at).where(versions.c.id.in_(ids))
        ).all()
    )
    approved: dict[int, dict[str, datetime]] = defaultdict(dict)
    given = select(approvals.c.version_id, approvals.c.role, approvals.c.at).where(
        approvals.c.version_id.in_(ids), approvals.c.voided_at.is_(None)
    )
    for version_id, role, at in conn.execute(given):
        approved[version_id][role] = at
    first = dict(
        conn.execute(
            select(dispatches.c.version_id, func.min(progress.c.first_at))
            .join(progress, progress.c.dispatch_id == dispatches.c.id)
            .where(
                dispatches.c.version_id.in_(ids),
                dispatches.c.kind.in_(_PUBLIC),
                progress.c.state.in_([State.SENT, State.DELIVERED]),
            )
            .group_by(dispatches.c.version_id)
        ).all()
    )
    return [
        _Read(
            version,
            created[version.id],
            approved[version.id],
            from_micros(first[version.id]) if first.get(version.id) else None,
        )
        for version in found
    ]
