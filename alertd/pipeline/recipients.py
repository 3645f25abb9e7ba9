"""Who is told: entered by an operator, gone at their own wish or by an operator's hand."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

import structlog
from sqlalchemy import Connection, Exists, delete, exists, or_, select, update

from alertd.core.errors import InvalidAlert, NotAllowed, NotFound, Problem, Reason
from alertd.pipeline.enrolment import Entered, Entrant, Outcome, enter
from alertd.pipeline.record import Entry, record
from alertd.pipeline.roster import Desk, Line, Recipient, read_lines
from alertd.pipeline.turns import Turn, take_turn
from alertd.store.schema import addresses, person_addresses, recipient_regions, recipients
from alertd.tools import Actor, Tools

__all__ = [
    "Added",
    "Imported",
    "Recipient",
    "RefusedRow",
    "add",
    "end_own",
    "erase",
    "import_rows",
    "remove",
]

BATCH = 1000
THE_RECIPIENT = "recipient"  # whom the audit log names when someone used their own link
ERASED = "erased"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A recipient that was entered."""

    recipient_id: int
    address_id: int
    outcome: Outcome
    secret: str = field(default="", repr=False)  # of a new webhook; shown this once


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A row that was left out; `line` is where it ends in the file."""

    line: int
    problems: tuple[Problem, ...]


@dataclass(slots=True, kw_only=True)
class Imported:
    """What came of a file."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: list[RefusedRow] = field(default_factory=list)
    secrets: dict[int, str] = field(default_factory=dict, repr=False)  # of new webhooks, by line


async def add(tools: Tools, actor: Actor, recipient: Recipient) -> Added:
    """Enter one recipient; one that is known by address and label is brought up to date.

    Raises InvalidAlert for regions that are not the operator's, and NotAllowed for a known one's.
    """
    actor.require("operator")
    now = tools.clock()
    entrant = Desk(tools.channels, tools.atlas, now).admit(recipient)
    if not actor.jurisdiction.holds(entrant.regions, tools.atlas):
        own = ", ".join(sorted(actor.jurisdiction.regions))
        raise InvalidAlert([Problem("regions", f"reach beyond yours; choose within: {own}")])
    done = await tools.store.write(_add, tools, actor, entrant, now)
    if done.problem is not None:
        raise InvalidAlert([done.problem])
    log.info("recipient.entered", recipient=done.recipient_id, person=actor.person_id)
    return Added(
        recipient_id=done.recipient_id,
        address_id=done.address_id,
        outcome=done.outcome,
        secret=done.secret,
    )


def _add(conn: Connection, tools: Tools, actor: Actor, entrant: Entrant, at: datetime) -> Entered:
    take_turn(conn, Turn.ENROLMENT)
    known = conn.scalar(
        select(recipients.c.id)
        .join(addresses, addresses.c.id == recipients.c.address_id)
        .where(
            addresses.c.channel == entrant.channel,
            addresses.c.address == entrant.address,
            recipients.c.label == entrant.label,
        )
    )
    if known is not None:
        _refuse_foreign(conn, tools, actor, known)
    [done] = enter(conn, [entrant], master=tools.vault.master, actor=actor.label, at=at)
    return done


def _refuse_foreign(conn: Connection, tools: Tools, actor: Actor, recipient_id: int) -> None:
    """Raise NotAllowed for a recipient of whom some region is not this operator's."""
    mine = recipient_regions.c.recipient_id == recipient_id
    regions = conn.scalars(select(recipient_regions.c.region).where(mine)).all()
    if not actor.jurisdiction.holds(regions, tools.atlas):
        raise NotAllowed("this recipient's regions reach beyond yours: somebody else has to do it")


async def import_rows(
    tools: Tools,
    actor: Actor,
    lines: Iterable[str],
    *,
    told: Callable[[int], None] = lambda _: None,
) -> Imported:
    """Enter a CSV file's recipients batch by batch; importing it again changes nothing.

    A bad row is left out and reported; an unknown column refuses the file. `told` hears after
    each batch which line was reached.
    """
    actor.require("operator")
    now = tools.clock()
    rows = read_lines(lines, Desk(tools.channels, tools.atlas, now))
    report = Imported()
    while batch := await asyncio.to_thread(lambda: list(islice(rows, BATCH))):
        await _enter_lines(tools, actor, batch, report)
        told(batch[-1].number)
    log.info(
        "recipients.imported",
        person=actor.person_id,
        added=report.added,
        changed=report.changed,
        unchanged=report.unchanged,
        refused=len(report.refused),
    )
    return report


async def _enter_lines(tools: Tools, actor: Actor, batch: list[Line], report: Imported) -> None:
    good = [(line.number, line.entrant) for line in batch if line.entrant is not None]
    report.refused += [RefusedRow(line=x.number, problems=x.problems) for x in batch if x.problems]
    if not good:
        return
    results = await tools.store.write(
        enter,
        [entrant for _, entrant in good],
        master=tools.vault.master,
        actor=actor.label,
        at=tools.clock(),
    )
    for (number, _), result in zip(good, results, strict=True):
        _count(report, number, result)


def _count(report: Imported, number: int, result: Entered) -> None:
    match result.outcome:
        case Outcome.ADDED:
            report.added += 1
        case Outcome.CHANGED:
            report.changed += 1
        case Outcome.UNCHANGED:
            report.unchanged += 1
        case Outcome.REFUSED if result.problem is not None:
            report.refused.append(RefusedRow(line=number, problems=(result.problem,)))
    if result.secret:
        report.secrets[number] = result.secret


async def remove(tools: Tools, actor: Actor, recipient_id: int) -> None:
    """End one subscription; it stays on record with its consent. Again, it changes nothing."""
    actor.require("operator")
    await tools.store.write(_remove, tools, actor, recipient_id, tools.clock())


async def erase(tools: Tools, actor: Actor, recipient_id: int) -> None:
    """Delete a recipient, and the address with it unless somebody else uses it."""
    actor.require("operator")
    await tools.store.write(_erase, tools, actor, recipient_id, tools.clock())
    log.info("recipient.erased", recipient=recipient_id, person=actor.person_id)


async def end_own(tools: Tools, address_id: int) -> None:
    """End every subscription of an address, at the wish of whoever holds its own link.

    An official's address is still asked for approvals: only the subscriptions end there.
    """
    await tools.store.write(_end_own, address_id, tools.clock())


def _remove(conn: Connection, tools: Tools, actor: Actor, recipient_id: int, at: datetime) -> None:
    row = conn.execute(
        select(recipients.c.ended_at).where(recipients.c.id == recipient_id)
    ).one_or_none()
    if row is None:
        raise NotFound("there is no such recipient")
    _refuse_foreign(conn, tools, actor, recipient_id)
    if row.ended_at is not None:
        return
    conn.execute(update(recipients).where(recipients.c.id == recipient_id).values(ended_at=at))
    said = {"recipient": recipient_id}
    record(conn, Entry(actor.label, "recipient.removed", data=said), at=at)


def _erase(conn: Connection, tools: Tools, actor: Actor, recipient_id: int, at: datetime) -> None:
    take_turn(conn, Turn.ENROLMENT)
    query = select(recipients.c.address_id).where(recipients.c.id == recipient_id)
    address_id = conn.scalar(query)
    if address_id is None:
        raise NotFound("there is no such recipient")
    _refuse_foreign(conn, tools, actor, recipient_id)
    conn.execute(delete(recipient_regions).where(recipient_regions.c.recipient_id == recipient_id))
    conn.execute(delete(recipients).where(recipients.c.id == recipient_id))
    if not _in_use(conn, address_id):
        # Deliveries name the row, so it stays; what it said does not.
        conn.execute(
            update(addresses)
            .where(addresses.c.id == address_id)
            .values(
                address=f"{ERASED}:{address_id}",
                lane=addresses.c.channel,
                secret=None,
                suppressed_at=at,
                suppressed_reason=ERASED,
            )
        )
    said = {"recipient": recipient_id, "address": address_id}
    record(conn, Entry(actor.label, "recipient.erased", data=said), at=at)


def _official(address_id: int) -> Exists:
    return exists().where(person_addresses.c.address_id == address_id)


def _in_use(conn: Connection, address_id: int) -> bool:
    subscribed = exists().where(recipients.c.address_id == address_id)
    return bool(conn.scalar(select(or_(subscribed, _official(address_id)))))


def _end_own(conn: Connection, address_id: int, at: datetime) -> None:
    ended = conn.execute(
        update(recipients)
        .where(recipients.c.address_id == address_id, recipients.c.ended_at.is_(None))
        .values(ended_at=at)
    ).rowcount
    suppressed = conn.execute(
        update(addresses)
        .where(
            addresses.c.id == address_id,
            addresses.c.suppressed_at.is_(None),
            ~_official(address_id),
        )
        .values(suppressed_at=at, suppressed_reason=Reason.OPTED_OUT)
    ).rowcount
    if ended or suppressed:
        said = {"address": address_id, "subscriptions": ended}
        record(conn, Entry(THE_RECIPIENT, "recipient.opted_out", data=said), at=at)
