"""Whoever can change a file changes no rules by that alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from alertd.core.errors import ConfigError, Conflict, InvalidAlert
from alertd.core.rulediff import RuleChange, rule_changes
from alertd.core.ruleset import RuleSet
from alertd.pipeline import rule_sets
from alertd.pipeline.proposals import REMOVAL, open_proposals
from alertd.pipeline.rule_sets import refresh, register_all
from alertd.rulebook import Key, Rulebook
from alertd.store.schema import audit
from alertd.tools import Tools
from tests.factories import make_rules
from tests.pipeline.conftest import rulebook

PROGRAMME = make_rules().programme


def started(tools: Tools, *rules: RuleSet) -> Tools:
    """Give what a process has that starts over these files."""
    return replace(tools, rulebook=rulebook(*rules))


async def actions(tools: Tools) -> list[str]:
    query = select(audit.c.action).order_by(audit.c.seq)
    return await tools.store.read(lambda conn: list(conn.scalars(query)))


async def waiting(tools: Tools) -> list[Key]:
    found = await tools.store.read(open_proposals)
    return [(each.programme, each.version) for each in found]


async def confirm(tools: Tools, rules: RuleSet) -> None:
    digest = Rulebook.digest(rules)
    given = (rules.programme, rules.version, digest)
    await tools.store.write(rule_sets.confirm, *given, at=tools.clock())


async def test_an_empty_ledger_adopts_what_is_there_on_record(tools: Tools) -> None:
    first = started(tools, make_rules(version=1))
    await register_all(first)
    await register_all(first)
    assert first.rulebook.current(PROGRAMME).version == 1
    assert first.rulebook.proposals() == []
    assert await actions(tools) == ["rules.adopted"]


async def test_a_changed_file_is_a_proposal_until_it_is_confirmed(tools: Tools) -> None:
    old, new = make_rules(version=1), make_rules(version=2, max_hours=12)
    await register_all(started(tools, old))
    changed = started(tools, new)  # edited in place: no file says the old rules any more
    await register_all(changed)
    assert changed.rulebook.current(PROGRAMME) == old
    assert changed.rulebook.proposals() == [new]
    await confirm(tools, new)
    assert changed.rulebook.current(PROGRAMME) == old
    await refresh(changed)
    assert changed.rulebook.current(PROGRAMME) == new
    assert changed.rulebook.proposals() == []
    again = started(tools, old)
    await register_all(again)
    assert again.rulebook.current(PROGRAMME) == new
    assert await actions(tools) == ["rules.adopted", "rules.proposed"]


async def test_a_new_programme_is_a_proposal_too(tools: Tools) -> None:
    await register_all(started(tools, make_rules()))
    other = started(tools, make_rules(), make_rules(programme="other"))
    await register_all(other)
    assert other.rulebook.programmes() == (PROGRAMME,)
    with pytest.raises(InvalidAlert):
        other.rulebook.current("other")
    await confirm(tools, make_rules(programme="other"))
    await refresh(other)
    assert other.rulebook.programmes() == (PROGRAMME, "other")


async def test_a_programme_without_a_file_goes_on_until_two_agree_to_end_it(tools: Tools) -> None:
    mine, other = make_rules(), make_rules(programme="other")
    await register_all(started(tools, mine, other))
    left = started(tools, mine)
    await register_all(left)
    await register_all(left)
    assert left.rulebook.current("other") == other
    assert left.rulebook.removals() == [other]
    assert left.rulebook.proposals() == []
    assert await waiting(tools) == [("other", REMOVAL)]
    with pytest.raises(Conflict):
        await tools.store.write(rule_sets.end_programme, "other", other.version + 1)
    await tools.store.write(rule_sets.end_programme, "other", other.version)
    await refresh(left)
    assert left.rulebook.programmes() == (PROGRAMME,)
    assert left.rulebook.removals() == []
    assert left.rulebook.get("other", other.version) == other
    assert await waiting(tools) == []
    await register_all(started(tools, mine))
    assert await actions(tools) == ["rules.adopted", "rules.removal_proposed"]
    with pytest.raises(Conflict):
        await tools.store.write(rule_sets.end_programme, "other", other.version)


async def test_the_file_of_a_programme_that_was_ended_is_a_proposal_again(tools: Tools) -> None:
    mine, other = make_rules(), make_rules(programme="other")
    await register_all(started(tools, mine, other))
    await register_all(started(tools, mine))
    await tools.store.write(rule_sets.end_programme, "other", other.version)
    back = started(tools, mine, other)
    await register_all(back)
    assert back.rulebook.programmes() == (PROGRAMME,)
    assert back.rulebook.proposals() == [other]
    assert await waiting(tools) == [("other", other.version)]
    await confirm(tools, other)
    await refresh(back)
    assert back.rulebook.current("other") == other
    assert back.rulebook.proposals() == []
    assert await waiting(tools) == []


async def test_a_proposal_waits_since_it_was_first_seen_and_goes_with_its_file(
    tools: Tools,
) -> None:
    old, new = make_rules(version=1), make_rules(version=2, max_hours=12)
    await register_all(started(tools, old))
    await register_all(started(tools, new))
    before = await tools.store.read(open_proposals)
    later = tools.clock() + timedelta(hours=1)
    await register_all(replace(started(tools, new), clock=lambda: later))
    assert await tools.store.read(open_proposals) == before
    assert [each.name for each in before] == [f"{PROGRAMME} 2"]
    await register_all(started(tools, old))
    assert await waiting(tools) == []


async def test_what_changed_after_it_was_looked_at_is_not_confirmed(tools: Tools) -> None:
    await register_all(started(tools, make_rules()))
    seen, changed = make_rules(version=2, max_hours=12), make_rules(version=2, max_hours=13)
    await register_all(started(tools, seen))
    await register_all(started(tools, changed))
    with pytest.raises(Conflict):
        await confirm(tools, seen)
    await confirm(tools, changed)
    with pytest.raises(Conflict):
        await confirm(tools, changed)
    with pytest.raises(ConfigError, match="give it the next number"):
        await register_all(started(tools, seen))


def test_every_difference_is_told_by_its_place() -> None:
    old = make_rules()
    facts = old.model_dump(mode="json")
    gone = facts["criteria"].pop(0)
    new = RuleSet.model_validate({**facts, "version": 2, "max_hours": 7, "languages": ["el"]})
    found = {each.place: each for each in rule_changes(old, new)}
    assert found["version",] == RuleChange(("version",), 1, 2)
    assert found["max_hours",].after == 7
    assert found["languages",] == RuleChange(("languages",), list(old.languages), ["el"])
    gone_by = [each for place, each in found.items() if place[:2] == ("criteria", gone["name"])]
    assert gone_by
    assert all(each.after is None for each in gone_by)
    assert rule_changes(old, old) == []
