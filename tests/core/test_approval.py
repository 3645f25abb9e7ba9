"""Who may approve: other persons in every role, none an author, all of the same bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertd.core.approval import (
    Approval,
    Ballot,
    Candidate,
    is_complete,
    may_approve,
    needed_roles,
    open_roles,
    would_activate,
)
from alertd.core.errors import Conflict, InvalidAlert, NotAllowed, Refused
from alertd.core.rendition import Kind
from tests.factories import make_rules

RULES = make_rules()
ROLES = ("police", "prosecutor", "activation")
AUTHOR, POLICE, PROSECUTOR, NGO = 1, 2, 3, 4
DIGEST, OTHER = "a" * 64, "b" * 64

persons = st.integers(1, 5)
roles = st.sampled_from(ROLES)
digests = st.sampled_from((DIGEST, OTHER))
candidates = st.builds(
    Candidate,
    role=roles,
    person_id=persons,
    roles=st.frozensets(roles),
    digest=digests,
    reference=st.sampled_from(("", " ", "EX-7/2026")),
)


def ballot(*standing: Approval, kind: Kind = Kind.ALERT) -> Ballot:
    return Ballot(
        rules=RULES, kind=kind, authors=frozenset({AUTHOR}), digest=DIGEST, standing=standing
    )


def candidate(role: str, person: int, digest: str = DIGEST, reference: str = "") -> Candidate:
    return Candidate(
        role=role, person_id=person, roles=frozenset({role}), digest=digest, reference=reference
    )


def names(found: tuple[object, ...]) -> list[str]:
    return [getattr(role, "name", "") for role in found]


def test_alert_needs_every_role_and_update_those_that_the_rules_name() -> None:
    assert names(needed_roles(RULES, Kind.ALERT)) == list(ROLES)
    assert names(needed_roles(RULES, Kind.UPDATE)) == ["police", "activation"]


def test_end_is_approved_with_its_version_and_not_by_itself() -> None:
    with pytest.raises(ValueError, match="approved by itself"):
        needed_roles(RULES, Kind.END)


def test_role_is_open_until_it_has_approved() -> None:
    standing = (Approval("prosecutor", PROSECUTOR, DIGEST),)
    assert names(open_roles(RULES, Kind.ALERT, ())) == list(ROLES)
    assert names(open_roles(RULES, Kind.ALERT, standing)) == ["police", "activation"]


def test_roles_may_approve_in_any_order() -> None:
    may_approve(ballot(), candidate("activation", NGO))
    may_approve(ballot(Approval("activation", NGO, DIGEST)), candidate("police", POLICE))


def test_author_cannot_approve() -> None:
    with pytest.raises(NotAllowed, match="ask another person"):
        may_approve(ballot(), candidate("police", AUTHOR))


def test_who_does_not_hold_the_role_cannot_approve_in_it() -> None:
    wish = Candidate(
        role="police", person_id=NGO, roles=frozenset({"activation", "operator"}), digest=DIGEST
    )
    with pytest.raises(NotAllowed, match="do not hold the role 'police'"):
        may_approve(ballot(), wish)


def test_one_person_cannot_fill_two_roles() -> None:
    wish = Candidate(role="activation", person_id=POLICE, roles=frozenset(ROLES), digest=DIGEST)
    with pytest.raises(NotAllowed, match="you have approved as 'police'"):
        may_approve(ballot(Approval("police", POLICE, DIGEST)), wish)


def test_role_that_is_not_needed_is_refused_naming_those_that_are() -> None:
    with pytest.raises(NotAllowed, match="it needs: police, activation"):
        may_approve(ballot(kind=Kind.UPDATE), candidate("prosecutor", PROSECUTOR))


def test_filled_role_is_a_conflict() -> None:
    with pytest.raises(Conflict, match="has approved already"):
        may_approve(ballot(Approval("police", POLICE, DIGEST)), candidate("police", 5))


def test_digest_that_is_no_longer_current_is_a_conflict() -> None:
    with pytest.raises(Conflict, match="has changed since it was shown"):
        may_approve(ballot(), candidate("police", POLICE, OTHER))


@pytest.mark.parametrize("reference", ["", "  "])
def test_order_without_its_reference_is_refused(reference: str) -> None:
    with pytest.raises(InvalidAlert) as caught:
        may_approve(ballot(), candidate("prosecutor", PROSECUTOR, reference=reference))
    assert [problem.field for problem in caught.value.problems] == ["reference"]


def test_last_approval_is_known_to_be_the_last_before_it_is_given() -> None:
    one = Approval("police", POLICE, DIGEST)
    two = Approval("prosecutor", PROSECUTOR, DIGEST)
    last = candidate("activation", NGO)
    assert not would_activate(ballot(one), last)
    assert would_activate(ballot(one, two), last)
    assert would_activate(ballot(one, kind=Kind.UPDATE), last)


def test_approval_of_other_bytes_does_not_count() -> None:
    standing = (
        Approval("police", POLICE, OTHER),
        Approval("prosecutor", PROSECUTOR, DIGEST),
        Approval("activation", NGO, DIGEST),
    )
    assert not is_complete(ballot(*standing))


@given(st.lists(st.builds(Approval, roles, persons, digests), max_size=8))
def test_complete_means_other_persons_in_all_roles_none_an_author(
    standing: list[Approval],
) -> None:
    if is_complete(ballot(*standing)):
        counted = [each for each in standing if each.digest == DIGEST]
        able = {role: {each.person_id for each in counted if each.role == role} for role in ROLES}
        assert all(able[role] - {AUTHOR} for role in ROLES)
        assert len(set().union(*able.values()) - {AUTHOR}) >= len(ROLES)


@given(st.lists(candidates, max_size=40))
def test_whoever_tries_what_only_three_other_persons_activate(tries: list[Candidate]) -> None:
    """Approvals that were let in one by one are complete exactly when all roles are filled."""
    standing: tuple[Approval, ...] = ()
    for wish in tries:
        now = ballot(*standing)
        foretold = would_activate(now, wish)
        try:
            may_approve(now, wish)
        except Refused:
            continue
        standing = (*standing, Approval(wish.role, wish.person_id, wish.digest))
        assert is_complete(ballot(*standing)) is foretold
    assert len({each.person_id for each in standing}) == len(standing)
    assert AUTHOR not in {each.person_id for each in standing}
    assert is_complete(ballot(*standing)) is (not open_roles(RULES, Kind.ALERT, standing))
