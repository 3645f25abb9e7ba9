"""Who may approve what, and what the last approval does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import permutations

import pytest
from sqlalchemy import select

from alertd.core.errors import Conflict, InvalidAlert, NotAllowed, NotFound
from alertd.core.lifecycle import VersionState
from alertd.pipeline import approve as approving
from alertd.pipeline.approve import preview, reject, send_back
from alertd.store.schema import approvals, audit
from alertd.tools import Actor
from tests.factories import make_rules
from tests.pipeline.conftest import ROLES, Office, enter

Refuse = Callable[..., Awaitable[VersionState]]


@pytest.mark.parametrize("order", list(permutations(ROLES)), ids="-".join)
async def test_roles_approve_in_any_order_and_the_last_activates(
    office: Office, order: tuple[str, ...]
) -> None:
    alert_id = await office.submit()
    *first, last = order
    for role in first:
        done = await office.approve(alert_id, role)
        assert (done.state, done.activated) == (VersionState.SUBMITTED, False)
    assert done.missing == (last,)
    done = await office.approve(alert_id, last)
    assert (done.state, done.activated, done.missing) == (VersionState.ACTIVE, True, ())


async def test_activation_sets_sent_once_and_opens_one_dispatch(office: Office) -> None:
    alert_id = await office.activate()
    version = await office.version(alert_id)
    assert version.sent_at == office.clock.now
    [dispatch] = await office.dispatches(alert_id, "alert")
    assert dispatch.identifier == version.identifier == f"example.{alert_id}.1"
    assert (dispatch.occurrence, dispatch.sent_at) == (0, version.sent_at)
    assert dispatch.deadline_at == version.expires_at
    assert dispatch.references == ""


async def test_the_submitter_cannot_approve(office: Office) -> None:
    alert_id = await office.submit()
    everything = replace(office["submitter"], roles=frozenset({"submitter", *ROLES}))
    office.officials = {**office.officials, "police": everything}
    with pytest.raises(NotAllowed, match="another person"):
        await office.approve(alert_id, "police")


async def test_one_role_cannot_stand_in_for_another(office: Office) -> None:
    alert_id = await office.submit()
    with pytest.raises(NotAllowed, match="do not hold"):
        await office.approve(alert_id, "police", role="prosecutor")


async def test_one_person_cannot_fill_two_roles(office: Office) -> None:
    alert_id = await office.submit()
    both = await enter(office.tools, "both", "police", "prosecutor")
    office.officials = {**office.officials, "police": both, "prosecutor": both}
    await office.approve(alert_id, "police")
    with pytest.raises(NotAllowed, match="have approved as 'police'"):
        await office.approve(alert_id, "prosecutor")


async def test_a_role_approves_once(office: Office) -> None:
    alert_id = await office.submit()
    await office.approve(alert_id, "police")
    with pytest.raises(Conflict, match="has approved already"):
        await office.approve(alert_id, "police")


async def test_a_digest_that_is_not_current_is_a_conflict(office: Office) -> None:
    alert_id = await office.submit()
    with pytest.raises(Conflict, match="changed since"):
        await office.approve(alert_id, "police", digest="0" * 64)


async def test_an_order_needs_its_reference(office: Office) -> None:
    alert_id = await office.submit()
    with pytest.raises(InvalidAlert, match="reference"):
        await office.approve(alert_id, "prosecutor", reference="  ")


async def test_what_has_expired_cannot_be_approved(office: Office) -> None:
    alert_id = await office.submit()
    office.clock.tick(hours=12)
    with pytest.raises(Conflict, match="expired"):
        await office.approve(alert_id, "police")


async def test_nobody_approves_what_is_not_there(office: Office) -> None:
    with pytest.raises(NotFound):
        await approving.approve(
            office.tools, office["police"], "nothing", role="police", digest="", reference=""
        )


async def test_two_last_approvals_at_the_same_moment_activate_once(office: Office) -> None:
    alert_id = await office.submit()
    await office.approve(alert_id, "police")
    done = await asyncio.gather(
        office.approve(alert_id, "prosecutor"), office.approve(alert_id, "activation")
    )
    assert sorted(each.activated for each in done) == [False, True]
    assert len(await office.dispatches(alert_id, "alert")) == 1


async def test_one_role_approved_twice_at_the_same_moment_counts_once(office: Office) -> None:
    alert_id = await office.submit()
    second = await enter(office.tools, "second", "police")
    version = await office.version(alert_id)
    tries = [
        approving.approve(
            office.tools, actor, alert_id, role="police", digest=version.digest or "", reference="x"
        )
        for actor in (office["police"], second)
    ]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["Approved", "Conflict"]


async def test_the_last_approval_says_so_before_it_is_given(office: Office) -> None:
    alert_id = await office.submit()
    before = await preview(office.tools, office["police"], alert_id, role="police")
    assert (before.would_activate, before.missing) == (False, ROLES)
    await office.approve(alert_id, "police")
    await office.approve(alert_id, "prosecutor")
    last = await preview(office.tools, office["activation"], alert_id, role="activation")
    assert (last.would_activate, last.missing) == (True, ("activation",))
    assert (await office.version(alert_id)).state is VersionState.SUBMITTED


async def test_another_rule_set_wants_other_hands(office: Office) -> None:
    simple = make_rules(
        approvals=[{"name": "police", "title": {"el": "α", "en": "a"}}],
        update_approvals=["police"],
        end_roles=["police"],
    )
    alert_id = await office.under(simple).activate("police")
    assert (await office.version(alert_id)).state is VersionState.ACTIVE


async def test_officials_hear_of_the_activation(office: Office) -> None:
    alert_id = await office.activate()
    told = await office.asked(alert_id, "notice")
    assert told == [("activated", f"{name}@example.org") for name in ("submitter", *ROLES)]


async def test_an_approval_is_audited_with_its_reference_sealed(office: Office) -> None:
    alert_id = await office.activate()
    rows = await office.rows(
        select(audit.c.action, audit.c.actor, audit.c.body)
        .where(audit.c.alert_id == alert_id)
        .order_by(audit.c.seq)
    )
    actions = [row.action for row in rows]
    assert actions == [
        "alert.submitted",
        *["approval.asked"] * 3,
        *["alert.approved"] * 3,
        "alert.activated",
    ]
    approved = next(row for row in rows if row.action == "alert.approved")
    assert approved.actor == f"person:{office['police'].person_id}"
    assert "EX 1/2026" not in approved.body


@pytest.mark.parametrize("refuse", [send_back, reject])
@pytest.mark.parametrize("reason", ["", " \n"])
async def test_a_refusal_needs_a_reason(office: Office, refuse: Refuse, reason: str) -> None:
    alert_id = await office.submit()
    with pytest.raises(InvalidAlert, match="reason"):
        await refuse(office.tools, office["police"], alert_id, reason=reason)


async def test_a_return_voids_what_was_approved_and_tells_the_submitter(office: Office) -> None:
    alert_id = await office.submit()
    await office.approve(alert_id, "police")
    state = await send_back(office.tools, office["prosecutor"], alert_id, reason="Wrong plate.")
    assert state is VersionState.RETURNED is (await office.version(alert_id)).state
    assert all(row.voided_at for row in await office.rows(select(approvals)))
    assert await office.asked(alert_id, "notice") == [("returned", "submitter@example.org")]


async def test_a_rejection_is_final_and_tells_the_submitter(office: Office) -> None:
    alert_id = await office.submit()
    await reject(office.tools, office["police"], alert_id, reason="No abduction.")
    assert await office.asked(alert_id, "notice") == [("rejected", "submitter@example.org")]
    with pytest.raises(Conflict, match="nothing can change it"):
        await office.approve(alert_id, "police")


async def test_only_who_could_approve_may_refuse(office: Office) -> None:
    alert_id = await office.submit()
    reader = await enter(office.tools, "reader", "reader")
    with pytest.raises(NotAllowed):
        await reject(office.tools, reader, alert_id, reason="Because.")


async def test_the_submitter_may_withdraw(office: Office) -> None:
    alert_id = await office.submit()
    state = await reject(office.tools, office["submitter"], alert_id, reason="Found at home.")
    assert state is VersionState.REJECTED
    assert await office.asked(alert_id, "notice") == []


async def test_a_draft_is_nobody_elses_to_reject(office: Office) -> None:
    alert_id = await office.submit(draft=True)
    with pytest.raises(NotAllowed, match="author"):
        await reject(office.tools, office["police"], alert_id, reason="Because.")


async def test_a_refused_approval_leaves_nothing_behind(office: Office) -> None:
    alert_id = await office.submit()
    before = await office.counts()
    stranger = Actor(office["police"].person_id, "Example", frozenset({"reader"}))
    office.officials = {**office.officials, "police": stranger}
    with pytest.raises(NotAllowed):
        await office.approve(alert_id, "police")
    assert await office.counts() == before
