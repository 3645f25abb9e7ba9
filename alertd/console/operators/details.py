"""What an entry of the audit log says beside who and what, in the reader's words."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from alertd.console.naming import CHANGES, end_reason, fact, programme_name, role_name
from alertd.console.officials.labels import STATES as VERSION_STATES
from alertd.console.operators.words import (
    ALARMS,
    REASONS,
    RESULTS,
    lane_of,
    reason_of,
    span,
    subject_of,
)
from alertd.console.pages import Visit
from alertd.console.rendering import N_
from alertd.core.retention import Ground, What
from alertd.pipeline.accountchanges import TOKEN_APPROVAL
from alertd.pipeline.sessions import Factor
from alertd.watch.auditlog import AuditLine

FACTS: Mapping[str, str] = {
    "added": N_("Added"),
    "address": N_("Number of the address"),
    "attempts": N_("Attempts"),
    "by": N_("Replaced by version"),
    "cap_signer": N_("Signed by"),
    "change": N_("Number of the change"),
    "changed": N_("Changed"),
    "channels": N_("Channels"),
    "count": N_("How many"),
    "counts": N_("Outcomes"),
    "delivery": N_("Number of the message"),
    "digest": N_("Digest"),
    "endpoints": N_("Partners"),
    "error": N_("Fault"),
    "factor": N_("Proof"),
    "failed": N_("Failed"),
    "ground": N_("Ground"),
    "hash": N_("Hash"),
    "held": N_("Sending held"),
    "identifier": N_("CAP identifier"),
    "kept": N_("Entries that are left"),
    "kind": N_("What"),
    "known": N_("Entries that were known"),
    "lane": N_("Channel"),
    "lease_s": N_("Wants it for"),
    "occurrence": N_("Which time"),
    "persons": N_("Who was asked"),
    "photo": N_("Number of the photo"),
    "policy": N_("Policy"),
    "reason": N_("Why"),
    "recalled": N_("Recalled"),
    "recipient": N_("Number of the recipient"),
    "refused": N_("Refused"),
    "revision": N_("Revision"),
    "role": N_("Role"),
    "rule_set": N_("Rule set"),
    "seq": N_("Entries"),
    "session": N_("Number of the session"),
    "step": N_("Asked"),
    "subject": N_("About"),
    "subscriptions": N_("Subscriptions ended"),
    "surfaces": N_("Places"),
    "template": N_("Number of the template"),
    "texts": N_("Texts deleted"),
    "told": N_("Messages to operators"),
    "too_late": N_("Too late to recall"),
    "unchanged": N_("Unchanged"),
    "until": N_("Until"),
    "voided": N_("Approvals made void"),
    "was": N_("Before"),
    "what": N_("What"),
    "why": N_("Why"),
}
SEALED: Mapping[str, str] = {  # what stands beside an entry under a key of its own
    "cap": N_("CAP document"),
    "facts": N_("the alert as it was"),
    "reason": N_("reason"),
    "reference": N_("reference of the order"),
    "why": N_("reason"),
}
ACTORS: Mapping[str, str] = {  # who acts and is no person
    "console": N_("Command line"),
    "endpoint": N_("A partner"),
    "recipient": N_("The recipient"),
    "subscriber": N_("A feed subscriber"),
}
_STEPS = (N_("for the first time"), N_("once more"), N_("the deputies"))
_WORDS: Mapping[str, str] = {
    Factor.PASSWORD: N_("Password"),
    Factor.TOTP: N_("Authenticator app"),
    Factor.PASSKEY: N_("Passkey"),
    Factor.RECOVERY: N_("Recovery code"),
    Factor.PROVIDER: N_("Identity provider"),
    Ground.RETENTION: N_("its time is over"),
    Ground.REQUEST: N_("a person asked for it"),
    Ground.ORDER: N_("an order of a court or an authority"),
    What.PHOTO: N_("photo"),
    What.COMPANION: N_("companion"),
    What.VEHICLE: N_("vehicle"),
    What.PERSON: N_("the children"),
    What.ADDRESS: N_("addresses"),
    What.ALERT: N_("Alert"),
    TOKEN_APPROVAL: N_("Deciding by token"),
    "takedown": N_("taking down"),
    "drained": N_("it was emptied"),
    **VERSION_STATES,
}
_BY_PROGRAMME = frozenset({"rules.adopted", "rules.proposed", "rules.removal_proposed"})
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MARKS = frozenset({"digest", "hash", "identifier"})  # told last: only who checks reads them
_SHORT, _LONGEST = 12, 200
Tell = Callable[[Any], str]


def actor_of(visit: Visit, line: AuditLine) -> str:
    """Name who acted; a node is alertd on one machine."""
    kind, _, node = line.name.partition(":")
    if kind == "node":
        return f"alertd ({node})"
    return visit.say(ACTORS[line.name]) if line.name in ACTORS else line.name


def details(visit: Visit, line: AuditLine) -> list[tuple[str, str]]:
    """Give label and value of each fact; what would only say that nothing was, is left out."""
    if line.action in _BY_PROGRAMME:
        return [_programme(visit, name, value) for name, value in line.data.items()]
    tell = _tellers(visit, line)
    told = []
    for name, value in sorted(line.data.items(), key=lambda fact: fact[0] in _MARKS):
        if value in ([], {}, "", None) and name != "persons":
            continue
        if name in tell:
            text = tell[name](value)
            told.append((visit.say(FACTS[name]), text))
        else:
            label, text = fact(visit, name, value, line.people)
            told.append((visit.say(FACTS.get(name, label)), text))
    return [(label, _short(text)) for label, text in told if text]


def _tellers(visit: Visit, line: AuditLine) -> Mapping[str, Tell]:
    """Give how the facts of `line` are told that have words of their own."""
    names = ALARMS if line.action.startswith("alarm.") else CHANGES
    tell: dict[str, Tell] = {
        "kind": lambda kind: visit.say(names.get(kind, kind)),
        "subject": lambda about: subject_of(visit, line.data.get("kind", ""), about),
        "lane": lambda lane: lane_of(visit, lane),
        "channels": lambda lanes: ", ".join(lane_of(visit, each) for each in lanes),
        "counts": lambda counts: _counts(visit, counts),
        "persons": lambda numbers: _people(visit, numbers, line.people),
        "role": lambda role: role_name(visit, role),
        "rule_set": lambda named: _programme(visit, named, "")[0],
        "reason": lambda reason: _reason(visit, reason),
        "step": lambda step: visit.say(_STEPS[min(step, len(_STEPS) - 1)]),
        "texts": lambda kept: ", ".join(visit.say(SEALED.get(each, each)) for each in kept),
        "held": lambda held: visit.say("Yes") if held else visit.say("No"),
        "until": lambda at: visit.words.moment(datetime.fromisoformat(at), seconds=True),
        "lease_s": lambda seconds: span(visit, seconds),
        **{
            name: lambda word: visit.say(_WORDS.get(word, word))
            for name in ("factor", "ground", "policy", "was", "what", "why")
        },
    }
    if line.action.startswith("change."):
        del tell["subject"]  # by what an identity provider knows a person
    return tell


def _programme(visit: Visit, named: str, value: object) -> tuple[str, str]:
    """Tell of a rule set that is named by programme and version."""
    programme, _, version = named.partition(" ")
    name = programme_name(visit, programme)
    if version:
        name = f"{name}, {visit.say('version %(version)s', version=version)}"
    return name, str(value)


def _people(visit: Visit, numbers: Sequence[int], people: Mapping[int, str]) -> str:
    named = sorted(people.get(number, str(number)) for number in numbers)
    return ", ".join(named) or visit.say("nobody")


def _counts(visit: Visit, counts: Mapping[str, Mapping[str, int]]) -> str:
    """Tell how many came out how, by channel."""
    return "; ".join(
        f"{lane_of(visit, channel)}: "
        + ", ".join(
            f"{visit.say(RESULTS[result][1]) if result in RESULTS else result} "
            f"{visit.words.number(count)}"
            for result, count in results.items()
        )
        for channel, results in counts.items()
    )


def _reason(visit: Visit, reason: str) -> str:
    """Tell why a channel rests or an alert ended; whoever broke glass wrote it themselves."""
    return reason_of(visit, reason) if reason in REASONS else end_reason(visit, reason)


def _short(text: str) -> str:
    if _DIGEST.fullmatch(text):
        return f"{text[:_SHORT]}…"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
