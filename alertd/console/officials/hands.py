"""Where the approvals of a version stand: who gave which, who was asked for what is missing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from alertd.core.approval import needed_roles
from alertd.core.lifecycle import VersionState
from alertd.core.rendition import Kind
from alertd.core.ruleset import Words
from alertd.pipeline.ask import DEPUTIES, REMINDER
from alertd.pipeline.versions import Version
from alertd.store.schema import approvals, deliveries, dispatches, person_addresses, persons


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One time that people were asked to fill a role."""

    at: datetime
    people: tuple[str, ...]
    again: bool
    deputies: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """One role that a version needs; `person` is None while it is missing."""

    role: str
    title: Words
    reference_required: bool
    person: str | None = None
    reference: str = ""
    at: datetime | None = None
    askings: tuple[Asking, ...] = ()
    reminds_at: datetime | None = None
    escalates_at: datetime | None = None

    @property
    def missing(self) -> bool:
        return self.person is None


def read_hands(conn: Connection, version: Version) -> list[Hand]:
    """Give every role that the version needs, in the rule set's order."""
    given = _given(conn, version)
    asked = _asked(conn, version)
    since = version.submitted_at if version.state is VersionState.SUBMITTED else None
    found = []
    for role in needed_roles(version.rules, version.kind):
        person, reference, at = given.get(role.name, (None, "", None))
        waits = since if person is None else None
        found.append(
            Hand(
                role=role.name,
                title=role.title,
                reference_required=role.reference_required,
                person=person,
                reference=reference,
                at=at,
                askings=tuple(asked[role.name]),
                reminds_at=waits and waits + version.rules.remind_after,
                escalates_at=waits and waits + version.rules.deputy_after,
            )
        )
    return found


Given = tuple[str, str, datetime]


def _given(conn: Connection, version: Version) -> Mapping[str, Given]:
    query = (
        select(approvals.c.role, persons.c.name, approvals.c.reference, approvals.c.at)
        .join(persons, persons.c.id == approvals.c.person_id)
        .where(approvals.c.version_id == version.id, approvals.c.voided_at.is_(None))
    )
    return {role: (name, reference, at) for role, name, reference, at in conn.execute(query)}


def _asked(conn: Connection, version: Version) -> Mapping[str, Sequence[Asking]]:
    """Give the askings of this revision by role, in their order."""
    query = (
        select(dispatches.c.variant, dispatches.c.sent_at, persons.c.name)
        .join(deliveries, deliveries.c.dispatch_id == dispatches.c.id, isouter=True)
        .join(
            person_addresses,
            person_addresses.c.address_id == deliveries.c.address_id,
            isouter=True,
        )
        .join(persons, persons.c.id == person_addresses.c.person_id, isouter=True)
        .where(
            dispatches.c.version_id == version.id,
            dispatches.c.kind == Kind.REQUEST,
            dispatches.c.occurrence >= version.revision * 10,
        )
        .order_by(dispatches.c.id, persons.c.name)
    )
    people: dict[tuple[str, datetime], dict[str, None]] = defaultdict(dict)
    for variant, at, name in conn.execute(query):
        people[variant, at] |= {name: None} if name else {}
    found: dict[str, list[Asking]] = defaultdict(list)
    for (variant, at), names in people.items():
        role, _, step = variant.partition(":")
        found[role].append(
            Asking(
                at=at,
                people=tuple(names),
                again=f":{step}" == REMINDER.suffix,
                deputies=f":{step}" == DEPUTIES.suffix,
            )
        )
    return found
