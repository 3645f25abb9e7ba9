"""Rule sets: what is in force, and what a changed file proposes."""

from dataclasses import dataclass
from typing import Any

from alertd.console.pages import Answer, Page, Visit, get, post
from alertd.console.people import tell_asked
from alertd.console.permissions import May
from alertd.console.rulewords import place_words, value_words
from alertd.core.errors import Conflict
from alertd.core.rulediff import RuleChange, rule_changes
from alertd.core.ruleset import RuleSet, say
from alertd.pipeline import accountchanges as changes


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a file says otherwise than what is in force."""

    rules: RuleSet
    digest: str
    in_force: RuleSet | None
    changes: list[dict[str, str]]


async def show(call: Visit) -> Answer:
    book = call.tools.rulebook
    return await call.render(
        "rules.html.j2",
        in_force=[book.current(name) for name in book.programmes()],
        proposals=[_proposal(call, rules) for rules in book.proposals()],
        removals=book.removals(),
        told=lambda words: say(words, call.language),
        width="wide",
    )


def _proposal(call: Visit, rules: RuleSet) -> Proposal:
    book = call.tools.rulebook
    known = rules.programme in book.programmes()
    before = book.current(rules.programme) if known else None
    changed = [_told(call, before or rules, rules, each) for each in rule_changes(before, rules)]
    return Proposal(rules, book.digest(rules), before, changed)


def _told(call: Visit, old: RuleSet, new: RuleSet, change: RuleChange) -> dict[str, str]:
    """Tell of a change; what is gone is named as the rules before have it."""
    named = old if change.after is None else new
    return {
        "place": place_words(call, named, change.place),
        "before": value_words(call, old, change.place, change.before),
        "after": value_words(call, new, change.place, change.after),
    }


async def ask(call: Visit) -> Answer:
    """Ask for a proposal to be put in force, or a programme ended, exactly as it was looked at."""
    book, ends = call.tools.rulebook, bool(call.form.get("end"))
    asked = (call.form.get("programme"), call.form.get("version"))
    for rules in book.removals() if ends else book.proposals():
        body: dict[str, Any] = {"programme": rules.programme, "version": rules.version}
        if not ends:
            body["digest"] = book.digest(rules)
        if asked == (rules.programme, str(rules.version)) and (
            ends or call.form.get("digest") == body["digest"]
        ):
            kind = changes.REMOVAL if ends else changes.RULES
            await changes.ask(call.tools, call.actor, kind, body)
            await tell_asked(call, kind)
            return call.redirect("/people/changes")
    raise Conflict("this rule set was changed or confirmed meanwhile: look at it again")


PAGES: tuple[Page, ...] = (
    get("/rules", show, May.ADMINISTER),
    post("/rules", ask, May.ADMINISTER),
)
