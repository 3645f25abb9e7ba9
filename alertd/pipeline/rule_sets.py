"""The rule sets that alerts were submitted under, kept for as long as the alerts.

The first ones of an empty ledger are in force; whatever a file says later is a proposal until
two administrators have confirmed it. So is a file that is not there any more: until then its
programme goes on by the copy kept here.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

import structlog
from sqlalchemy import Connection, func, insert, select, update

from alertd.core.errors import ConfigError, Conflict
from alertd.core.ruleset import RuleSet
from alertd.pipeline import proposals
from alertd.pipeline.proposals import REMOVAL
from alertd.pipeline.record import Entry, record
from alertd.pipeline.turns import Turn, take_turn
from alertd.rulebook import Key, Standing
from alertd.store.schema import rule_sets
from alertd.tools import ALERTD, Tools

log = structlog.get_logger(__name__)

Digested = tuple[RuleSet, str]


async def register_all(tools: Tools) -> None:
    """Keep every rule set of the rulebook; raises ConfigError when a known one was changed."""
    book = tools.rulebook
    found = [(rules, book.digest(rules)) for rules in book.rule_sets.values()]
    try:
        await tools.store.write(_register_all, found, tools.clock())
    except Conflict as conflict:
        raise ConfigError(str(conflict)) from None
    await refresh(tools)
    for rules in book.proposals():
        log.warning("rules.proposed", programme=rules.programme, version=rules.version)
    for rules in book.removals():
        log.warning("rules.removal_proposed", programme=rules.programme)


async def refresh(tools: Tools) -> None:
    """Let the rulebook know what was confirmed since."""
    tools.rulebook.settle(await tools.store.read(_standing, tools.rulebook.rule_sets.keys()))


def _register_all(conn: Connection, found: Sequence[Digested], at: datetime) -> None:
    take_turn(conn, Turn.SUBMISSION)
    first = conn.scalar(select(rule_sets.c.programme).limit(1)) is None
    confirmed_at = at if first else None
    new = {
        f"{rules.programme} {rules.version}": digest
        for rules, digest in found
        if register(conn, rules, digest, at=at, confirmed_at=confirmed_at)
    }
    if new:
        action = "rules.adopted" if first else "rules.proposed"
        record(conn, Entry(ALERTD, action, data=new), at=at)
    _keep_proposals(conn, {(rules.programme, rules.version) for rules, _ in found}, at)


def _keep_proposals(conn: Connection, found: set[Key], at: datetime) -> None:
    """Note what the files say otherwise than what is in force, and since when."""
    over, newest = proposals.retired(conn), _newest(conn)
    for programme in over & newest.keys():
        newest[programme] -= 1  # the same version once more is what would begin it again
    named = {programme for programme, _ in found}
    gone = newest.keys() - named - over
    changed = {key for key in found if key[1] > newest.get(key[0], 0)}
    new = proposals.propose(conn, {*changed, *((name, REMOVAL) for name in gone)}, at)
    if ends := {name: newest[name] for name, version in new if version == REMOVAL}:
        record(conn, Entry(ALERTD, "rules.removal_proposed", data=ends), at=at)


def _newest(conn: Connection) -> dict[str, int]:
    """Give the highest version of each programme that was ever confirmed."""
    rows = conn.execute(
        select(rule_sets.c.programme, func.max(rule_sets.c.version))
        .where(rule_sets.c.confirmed_at.is_not(None))
        .group_by(rule_sets.c.programme)
    )
    return dict(map(tuple, rows))


def register(
    conn: Connection,
    rules: RuleSet,
    digest: str,
    *,
    at: datetime,
    confirmed_at: datetime | None,
) -> bool:
    """Keep a copy of `rules`, and tell whether it is news.

    Raises Conflict when what was in force changed under its version; a proposal may change.
    """
    this = (rule_sets.c.programme == rules.programme) & (rule_sets.c.version == rules.version)
    known = conn.execute(select(rule_sets).where(this)).one_or_none()
    said = {"digest": digest, "body": rules.model_dump(mode="json"), "seen_at": at}
    if known is None:
        key = {"programme": rules.programme, "version": rules.version}
        conn.execute(insert(rule_sets).values(key | said | {"confirmed_at": confirmed_at}))
        return True
    # A newer alertd knows more fields: what counts is whether they say the same.
    if known.digest == digest or RuleSet.model_validate(known.body) == rules:
        return False
    if known.confirmed_at is not None:
        raise Conflict(
            f"the rule set '{rules.programme}' was changed but is still called version"
            f" {rules.version}: give it the next number"
        )
    conn.execute(update(rule_sets).where(this).values(said))
    return True


def confirm(conn: Connection, programme: str, version: int, digest: str, *, at: datetime) -> None:
    """Put exactly what was looked at in force; raises Conflict when it has changed meanwhile."""
    take_turn(conn, Turn.SUBMISSION)
    proposed = (
        (rule_sets.c.programme == programme)
        & (rule_sets.c.version == version)
        & (rule_sets.c.digest == digest)
    )
    if programme not in proposals.retired(conn):
        proposed &= rule_sets.c.confirmed_at.is_(None)
    if not conn.execute(update(rule_sets).where(proposed).values(confirmed_at=at)).rowcount:
        raise Conflict("this rule set was changed or confirmed meanwhile: look at it again")
    proposals.retire(conn, programme, over=False)
    proposals.decided(conn, programme, version)


def end_programme(conn: Connection, programme: str, version: int) -> None:
    """End a programme that has no file any more, as it was looked at; else raises Conflict."""
    take_turn(conn, Turn.SUBMISSION)
    asked = (programme, REMOVAL)
    waiting = {(each.programme, each.version) for each in proposals.open_proposals(conn)}
    if asked not in waiting or _newest(conn).get(programme) != version:
        raise Conflict("this programme was changed or ended meanwhile: look at it again")
    proposals.retire(conn, programme, over=True)
    proposals.decided(conn, *asked)


def _standing(conn: Connection, known: Collection[Key]) -> Standing:
    """Give what is in force and not `known`, and what is only proposed."""
    query = select(rule_sets.c.programme, rule_sets.c.version, rule_sets.c.confirmed_at)
    rows = conn.execute(query).all()
    proposed = {(row.programme, row.version) for row in rows if row.confirmed_at is None}
    kept = []
    for row in rows:
        key = (row.programme, row.version)
        if key not in proposed and key not in known:
            this = (rule_sets.c.programme == key[0]) & (rule_sets.c.version == key[1])
            body = conn.scalar(select(rule_sets.c.body).where(this))
            kept.append(RuleSet.model_validate(body))
    waiting = proposals.open_proposals(conn)
    return Standing(
        kept=kept,
        proposed=proposed,
        retired=proposals.retired(conn),
        missing={each.programme for each in waiting if each.is_removal},
    )
