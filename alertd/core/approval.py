"""Whose approval is still needed, and who may give it.

Every role is filled by another person, none of them an author of the text; each approval is
bound to the digest of the exact bytes that will go out. The last one activates.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from alertd.core.errors import Conflict, InvalidAlert, NotAllowed, Problem
from alertd.core.rendition import Kind
from alertd.core.ruleset import ApprovalRole, RuleSet


@dataclass(frozen=True, slots=True)
class Approval:
    """One standing (not voided) approval of a version."""

    role: str
    person_id: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An approval that someone wants to give."""

    role: str
    person_id: int
    roles: frozenset[str]  # all that the person holds
    digest: str  # of what the person was shown
    reference: str = ""  # of the order or decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """What approvals of one version are judged by."""

    rules: RuleSet
    kind: Kind  # ALERT or UPDATE
    authors: frozenset[int]  # who submitted or edited this version
    digest: str  # of what will go out now
    standing: tuple[Approval, ...] = ()


def needed_roles(rules: RuleSet, kind: Kind) -> tuple[ApprovalRole, ...]:
    """Give the roles that a version of `kind` needs, in the rule set's order."""
    if kind is Kind.ALERT:
        return rules.approvals
    if kind is Kind.UPDATE:
        return tuple(role for role in rules.approvals if role.name in rules.update_approvals)
    raise ValueError(f"nothing of kind {kind} is approved by itself")


def open_roles(
    rules: RuleSet, kind: Kind, standing: Iterable[Approval]
) -> tuple[ApprovalRole, ...]:
    """Give the roles that nobody has approved in yet."""
    filled = {approval.role for approval in standing}
    return tuple(role for role in needed_roles(rules, kind) if role.name not in filled)


def may_approve(ballot: Ballot, candidate: Candidate) -> None:
    """Return when `candidate` may approve; else raise what stands in the way.

    NotAllowed: this person never, in this role. Conflict: not as things stand now.
    InvalidAlert: the reference is missing.
    """
    role = _needed(ballot, candidate.role)
    _has_right(ballot, candidate)
    if candidate.role in {approval.role for approval in ballot.standing}:
        raise Conflict(f"the role '{candidate.role}' has approved already")
    if candidate.digest != ballot.digest:
        raise Conflict(
            "the text has changed since it was shown; read it again and approve the new digest"
        )
    if role.reference_required and not candidate.reference.strip():
        raise InvalidAlert([Problem("reference", "is required: give the order's own reference")])


def would_activate(ballot: Ballot, candidate: Candidate) -> bool:
    """Tell whether this approval, if it may be given, is the last one and so activates."""
    approval = Approval(candidate.role, candidate.person_id, candidate.digest)
    return _fills_all(ballot, (*ballot.standing, approval))


def is_complete(ballot: Ballot) -> bool:
    """Tell whether every needed role was filled, by another person each, none an author."""
    return _fills_all(ballot, ballot.standing)


def _needed(ballot: Ballot, name: str) -> ApprovalRole:
    roles = needed_roles(ballot.rules, ballot.kind)
    for role in roles:
        if role.name == name:
            return role
    names = ", ".join(role.name for role in roles)
    raise NotAllowed(f"this needs no approval as '{name}'; it needs: {names}")


def _has_right(ballot: Ballot, candidate: Candidate) -> None:
    if candidate.role not in candidate.roles:
        raise NotAllowed(f"you do not hold the role '{candidate.role}'")
    if candidate.person_id in ballot.authors:
        raise NotAllowed("who submitted or edited an alert cannot approve it; ask another person")
    for approval in ballot.standing:
        if approval.person_id == candidate.person_id and approval.role != candidate.role:
            raise NotAllowed(
                f"you have approved as '{approval.role}'; another person must approve"
                f" as '{candidate.role}'"
            )


def _fills_all(ballot: Ballot, approvals: Iterable[Approval]) -> bool:
    valid = [
        each
        for each in approvals
        if each.digest == ballot.digest and each.person_id not in ballot.authors
    ]
    needed = {role.name for role in needed_roles(ballot.rules, ballot.kind)}
    by_role = {each.role: each.person_id for each in valid if each.role in needed}
    return by_role.keys() == needed and len(set(by_role.values())) == len(needed)
