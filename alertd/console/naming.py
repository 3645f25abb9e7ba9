"""What roles, programmes, regions and changes of accounts are called, in the reader's words."""

from collections.abc import Iterable, Mapping
from typing import Any

from alertd.console.pages import Visit
from alertd.console.permissions import ADMINISTRATOR
from alertd.console.reaching import written
from alertd.console.rendering import N_, Words
from alertd.core.ruleset import say
from alertd.pipeline.wording import autonym
from alertd.web.auth import OPERATOR, READER, SUBMITTER

_ROLES: Mapping[str, str] = {
    SUBMITTER: N_("Submitter"),
    OPERATOR: N_("Operator"),
    READER: N_("Reader"),
    ADMINISTRATOR: N_("Administrator"),
}
FACTS: Mapping[str, str] = {  # of a change that was asked for, by the name it is kept under
    "person": N_("Who"),
    "name": N_("Name"),
    "language": N_("Language"),
    "roles": N_("Roles"),
    "programmes": N_("Programmes"),
    "regions": N_("Regions"),
    "deputy": N_("Deputy"),
    "reach": N_("Reached by"),
    "label": N_("What the token is for"),
    "days": N_("Days that it holds"),
    "token": N_("Number of the token"),
    "allowed": N_("Deciding by token"),
    "programme": N_("Programme"),
    "version": N_("Version"),
    "digest": N_("Digest"),
    "issuer": N_("Identity provider"),
    "subject": N_("What this person is called there"),
}

_CLOSINGS: Mapping[str, str] = {  # of a version that no reason code of the rules took down
    "superseded": N_("Replaced by a newer version"),
    "expired": N_("Expired"),
    "rejected": N_("Rejected"),
    "alert_ended": N_("The alert ended before it was approved"),
}
CHANGES: Mapping[str, str] = {
    "person.enter": N_("Enter a person"),
    "person.roles": N_("Change roles"),
    "person.reach": N_("Change how to reach"),
    "person.disable": N_("Disable an account"),
    "person.invite": N_("Invite anew"),
    "person.link": N_("Link with the identity provider"),
    "person.unlink": N_("Unlink from the identity provider"),
    "token.mint": N_("Make a token"),
    "token.revoke": N_("Revoke a token"),
    "policy.token_approval": N_("Deciding by token"),
    "rules.confirm": N_("Put rules in force"),
    "rules.end": N_("End a programme"),
}


def role_name(call: Visit, role: str) -> str:
    """Name a role: of ours, or as the rule sets title it; one that nobody knows by its key."""
    if role in _ROLES:
        return call.say(_ROLES[role])
    book = call.tools.rulebook
    for rules in map(book.current, book.programmes()):
        for each in rules.approvals:
            if each.name == role:
                return say(each.title, call.language)
    return role


def role_names(call: Visit, roles: Iterable[str]) -> str:
    return ", ".join(sorted(role_name(call, role) for role in roles))


def programme_name(call: Visit, programme: str) -> str:
    book = call.tools.rulebook
    if programme not in book.programmes():
        return programme
    return say(book.current(programme).title, call.language)


def programme_names(call: Visit, programmes: Iterable[str]) -> str:
    """Name programmes; none of them means all."""
    named = sorted(programme_name(call, each) for each in programmes)
    return ", ".join(named) or call.say("all")


def region_names(call: Visit, codes: Iterable[str]) -> str:
    """Name regions with their codes; none of them means everywhere."""
    atlas = call.tools.atlas
    named = sorted(f"{atlas.name(code, call.language)} ({code})" for code in codes)
    return ", ".join(named) or call.say("everywhere")


_BROWSERS: Mapping[str, str] = {  # the first found: most of them also name those they descend from
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
_SYSTEMS: Mapping[str, str] = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Macintosh": "Mac",
    "Linux": "Linux",
}


def device_name(words: Words, agent: str) -> str:
    """Name a session's browser as its owner would; one that nobody knows, as it calls itself."""
    browser = next((name for mark, name in _BROWSERS.items() if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS.items() if mark in agent), "")
    if not (browser and system):
        return agent or words.say("A browser that does not say what it is")
    return words.say("%(browser)s on %(system)s", browser=browser, system=system)


def end_reason(call: Visit, name: str) -> str:
    """Name why an alert was taken down, as any of the rule sets titles it; else as it stands."""
    if name in _CLOSINGS:
        return call.say(_CLOSINGS[name])
    book = call.tools.rulebook
    found = (book.current(programme).end_reason(name) for programme in book.programmes())
    return next((say(each.title, call.language) for each in found if each), name)


def change_rows(
    call: Visit, body: Mapping[str, Any], people: Mapping[int, str]
) -> list[tuple[str, str]]:
    """Tell what a change says; `people` names those it may speak of."""
    return [fact(call, name, value, people) for name, value in body.items()]


def fact(call: Visit, name: str, value: Any, people: Mapping[int, str]) -> tuple[str, str]:
    """Give label and words of one fact of a change."""
    tell: Mapping[str, Any] = {
        "person": lambda number: people.get(number, str(number)),
        "language": autonym,
        "roles": lambda roles: role_names(call, roles),
        "programmes": lambda programmes: programme_names(call, programmes),
        "regions": lambda codes: region_names(call, codes),
        "deputy": lambda deputy: call.say("Yes") if deputy else call.say("No"),
        "reach": written,
        "allowed": lambda allowed: call.say("allowed") if allowed else call.say("not allowed"),
        "programme": lambda programme: programme_name(call, programme),
    }
    return call.say(FACTS.get(name, name)), tell.get(name, str)(value)
