"""Holds a version's CAP documents to the standard before anybody is asked to approve them.

The shipped templates keep to it; an operator's own may not.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from alertd.core.cap import Level, date_time, judge, open_tree
from alertd.core.errors import InvalidAlert, Problem
from alertd.core.rendition import Rendition, fill_some
from alertd.core.ruleset import RuleSet
from alertd.pipeline.filling import at_activation

_BEFORE = timedelta(minutes=1)


def refuse_broken(
    rendered: Iterable[Rendition], rules: RuleSet, *, sender: str, expires_at: datetime
) -> None:
    """Raise InvalidAlert with every rule that a document would break, sent in time."""
    sent_at = expires_at - _BEFORE
    followed = f"{sender},an-earlier-message,{date_time(sent_at - _BEFORE)}"
    problems = dict.fromkeys(
        problem
        for rendition in rendered
        if rendition.form == "cap"
        for problem in _problems(rendition, rules, sent_at=sent_at, references=followed)
    )
    if problems:
        raise InvalidAlert(list(problems))


def _problems(
    rendition: Rendition, rules: RuleSet, *, sent_at: datetime, references: str
) -> Iterator[Problem]:
    slots = at_activation(
        rendition.language, sent_at=sent_at, zone=rules.authority_timezone, references=references
    )
    where = f"cap/{rendition.kind}"
    for each in judge(open_tree(fill_some(rendition.body, slots))):
        if each.level is Level.ERROR:
            yield Problem(
                f"{where}/{each.path}",
                f"would break CAP 1.2 ({each.clause}): {each.message}; "
                "mend the template, or the text that it takes in",
            )
