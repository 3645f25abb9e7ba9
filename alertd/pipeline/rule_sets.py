"""The rule sets that alerts were submitted under, kept for as long as the alerts."""

from datetime import datetime

from sqlalchemy import Connection, insert, select

from alertd.core.errors import ConfigError, Conflict
from alertd.core.ruleset import RuleSet
from alertd.pipeline.turns import Turn, take_turn
from alertd.store.schema import rule_sets
from alertd.tools import Tools


async def register_all(tools: Tools) -> None:
    """Keep every rule set of the rulebook; raises ConfigError when a known one was changed."""
    for rules in tools.rulebook.rule_sets.values():
        digest = tools.rulebook.digest(rules)
        try:
            await tools.store.write(_register_alone, rules, digest, tools.clock())
        except Conflict as conflict:
            raise ConfigError(str(conflict)) from None


def _register_alone(conn: Connection, rules: RuleSet, digest: str, at: datetime) -> None:
    take_turn(conn, Turn.SUBMISSION)
    register(conn, rules, digest, at=at)


def register(conn: Connection, rules: RuleSet, digest: str, *, at: datetime) -> None:
    """Keep a copy of `rules`; raises Conflict when they changed under a known version."""
    known = conn.execute(
        select(rule_sets.c.digest, rule_sets.c.body).where(
            rule_sets.c.programme == rules.programme, rule_sets.c.version == rules.version
        )
    ).one_or_none()
    if known is None:
        conn.execute(
            insert(rule_sets).values(
                programme=rules.programme,
                version=rules.version,
                digest=digest,
                body=rules.model_dump(mode="json"),
                seen_at=at,
            )
        )
    # A newer alertd knows more fields: what counts is whether they say the same.
    elif known.digest != digest and RuleSet.model_validate(known.body) != rules:
        raise Conflict(
            f"the rule set '{rules.programme}' was changed but is still called version"
            f" {rules.version}: give it the next number"
        )
