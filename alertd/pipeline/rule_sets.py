"""The rule sets that alerts were submitted under, kept for as long as the alerts.

The first ones of an empty ledger are in force; whatever a file says later is a proposal until
two administrators have confirmed it.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

import structlog
from sqlalchemy import Connection, insert, select, update

from alertd.core.errors import ConfigError, Conflict
from alertd.core.ruleset import RuleSet
from alertd.pipeline.record import Entry, record
from alertd.pipeline.turns import Turn, take_turn
from alertd.rulebook import Key
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


async def refresh(tools: Tools) -> None:
    """Let the rulebook know what was confirmed since."""
    kept, proposed = await tools.store.read(_standing, tools.rulebook.rule_sets.keys())
    tools.rulebook.settle(kept, proposed)


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
    proposed = (
        (rule_sets.c.programme == programme)
        & (rule_sets.c.version == version)
        & (rule_sets.c.digest == digest)
        & rule_sets.c.confirmed_at.is_(None)
    )
    if not conn.execute(update(rule_sets).where(proposed).values(confirmed_at=at)).rowcount:
        raise Conflict("this rule set was changed or confirmed meanwhile: look at it again")


def _standing(conn: Connection, known: Collection[Key]) -> tuple[list[RuleSet], set[Key]]:
    """Give what is in force and not `known`, and the keys of what is only proposed."""
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
    return kept, proposed
