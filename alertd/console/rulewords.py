"""What the places and values of a rule set are called, in the reader's words."""

from collections.abc import Callable, Mapping
from typing import Any

from alertd.console.officials.labels import LABELS as FACTS
from alertd.console.operators.words import CLASSES, lane_of
from alertd.console.pages import Visit
from alertd.console.rendering import N_
from alertd.core.rulediff import Place
from alertd.core.ruleset import RuleSet, say
from alertd.pipeline.wording import autonym

LABELS: Mapping[str, str] = {  # by the field, wherever in a rule set it stands
    "abduction_codes": N_("Event codes of an abduction"),
    "actual": N_("Message numbers of actual alerts"),
    "allow_companion": N_("A companion may be named"),
    "allow_health": N_("The health may be told"),
    "allow_preview": N_("Shared links may show name and photo"),
    "approvals": N_("Approvals"),
    "authority_timezone": N_("Time zone"),
    "cell_broadcast": N_("Cell broadcast"),
    "channels": N_("Channels"),
    "chase_after_min": N_("Deletion is asked for again after (minutes)"),
    "chase_times": N_("Deletion is asked for again at most (times)"),
    "classes": N_("Recipients"),
    "correction": N_("The alert was wrong"),
    "country": N_("Country"),
    "criteria": N_("Criteria"),
    "deputy_after_min": N_("Deputies are asked after (minutes)"),
    "duplicate_window_h": N_("Duplicates are looked for back to (hours)"),
    "end_reasons": N_("Reasons for an end"),
    "end_roles": N_("Who may end an alert"),
    "event_codes": N_("Event codes"),
    "every_min": N_("Every (minutes)"),
    "exercise": N_("Message numbers of exercises"),
    "kinds": N_("Kinds of alert"),
    "label": N_("Name"),
    "languages": N_("Languages"),
    "max_age": N_("Oldest age (years)"),
    "max_hours": N_("A version lives at most (hours)"),
    "min_age": N_("Youngest age (years)"),
    "name": N_("Key"),
    "notify_expiry": N_("An expiry is told by"),
    "number": N_("Number"),
    "outward": N_("What may enter messages"),
    "phone_lines": N_("Telephone lines"),
    "programme": N_("Key of the programme"),
    "question": N_("Question"),
    "rebroadcasts": N_("Sent once more"),
    "reference_required": N_("The order's reference must be given"),
    "remind_after_min": N_("Approvers are reminded after (minutes)"),
    "source": N_("Where the rules are written down"),
    "steps": N_("Steps"),
    "tell_opted_out": N_("An end also goes to who has opted out since"),
    "test": N_("Message numbers of tests"),
    "title": N_("Title"),
    "until_h": N_("Until (hours)"),
    "update_approvals": N_("Who approves an update"),
    "version": N_("Version"),
    "warn_before_min": N_("Officials are warned before an expiry (minutes)"),
}
HOLDERS: Mapping[str, str] = {  # of facts, where a list names all that they hold
    "children": N_("All of the children"),
    "companions": N_("All of the companions"),
    "vehicle": N_("All of the vehicle"),
    "last_seen": N_("All of where the child was last seen"),
}
LISTS = frozenset(
    {"approvals", "criteria", "end_reasons", "kinds", "phone_lines", "rebroadcasts", "steps"}
)
SPOKEN = frozenset({"label", "question", "title"})
NONE = "\u2013"
_LONGEST = 60


def place_words(visit: Visit, rules: RuleSet, place: Place) -> str:
    """Say where something stands: the kind of alert, and then which of its fields."""
    said, holder = [], ""
    for part in place:
        if holder in LISTS:
            said.append(_short(_title(rules, holder, part, visit.language)))
        elif holder in SPOKEN:
            said.append(autonym(part))
        elif holder == "outward":
            said.append(lane_of(visit, part))
        else:
            said.append(visit.say(LABELS[part]) if part in LABELS else part)
        holder = "" if holder in LISTS else part
    return " \u203a ".join(said)


def value_words(visit: Visit, rules: RuleSet, place: Place, value: Any) -> str:
    """Say a value; a list one by one."""
    if value is None or value == []:
        return NONE
    if isinstance(value, list):
        return ", ".join(value_words(visit, rules, place, each) for each in value)
    if isinstance(value, bool):
        return visit.say("Yes") if value else visit.say("No")
    tell: Mapping[str, Callable[[str], str]] = {
        "channels": lambda name: lane_of(visit, name),
        "classes": lambda name: visit.say(CLASSES.get(name, name)),
        "country": lambda code: visit.words.locale.territories.get(code, code),
        "criteria": lambda name: _short(_title(rules, "criteria", name, visit.language)),
        "end_roles": lambda name: _title(rules, "approvals", name, visit.language),
        "languages": autonym,
        "notify_expiry": lambda name: lane_of(visit, name),
        "outward": lambda name: visit.say(FACTS.get(name) or HOLDERS.get(name, name)),
        "update_approvals": lambda name: _title(rules, "approvals", name, visit.language),
    }
    field = "outward" if place[0] == "outward" else place[-1]
    return tell.get(field, str)(value)


def _title(rules: RuleSet, holder: str, name: str, language: str) -> str:
    """Give the title of one that a list of `rules` holds; its number or key where it has none."""
    for each in getattr(rules, holder, ()):
        if getattr(each, "name", "") == name:
            return say(getattr(each, "title", None) or each.question, language)
    return name


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
