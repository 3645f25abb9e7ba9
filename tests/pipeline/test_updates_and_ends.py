"""What follows an alert that is out: updates, ends, corrections, and an end undone."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from alertd.core.delivery import Priority
from alertd.core.errors import Conflict, InvalidAlert, NotAllowed
from alertd.core.lifecycle import VersionState
from alertd.core.rendition import Kind
from alertd.pipeline.approve import reject
from alertd.pipeline.end import end
from alertd.pipeline.submit import Submitted
from alertd.pipeline.update import update
from alertd.pipeline.versions import live
from alertd.store.schema import audit, renditions, versions
from tests.factories import make_alert
from tests.pipeline.conftest import ROLES, SENDER, Office, enter

UPDATE_ROLES = ("police", "activation")
NEWS = {"circumstances": "Seen at the harbour (fictional)."}


async def updated(office: Office, alert_id: str, **changes: Any) -> Submitted:
    alert = make_alert(office.clock.now, **NEWS | changes)
    return await update(office.tools, office["submitter"], alert_id, alert)


async def ended(office: Office, alert_id: str, by: str = "police", **changes: Any) -> VersionState:
    given = {"reason_code": "found", "why": "Found safe (fictional).", "confirm": True} | changes
    return await end(office.tools, office[by], alert_id, **given)


async def states(office: Office, alert_id: str) -> list[str]:
    query = select(versions.c.state).where(versions.c.alert_id == alert_id)
    return [row.state for row in await office.rows(query.order_by(versions.c.number))]


# --- updates ---------------------------------------------------------------------------------


async def test_the_live_version_stands_until_its_update_is_approved(office: Office) -> None:
    alert_id = await office.activate()
    done = await updated(office, alert_id)
    assert done.state is VersionState.SUBMITTED
    assert await states(office, alert_id) == ["active", "submitted"]
    assert not (await office.dispatches(alert_id, "alert"))[0].stopped_at


async def test_an_update_takes_the_place_of_the_live_version(office: Office) -> None:
    alert_id = await office.activate()
    sent = office.clock.now
    office.clock.tick(minutes=30)
    await updated(office, alert_id)
    first = await office.approve(alert_id, "police")
    assert (first.activated, first.missing) == (False, ("activation",))
    assert (await office.approve(alert_id, "activation")).activated
    assert await states(office, alert_id) == ["superseded", "active"]
    alert, following = await office.dispatches(alert_id, "alert", "update")
    assert (alert.stopped_at, alert.sent_at) == (office.clock.now, sent)
    assert (following.kind, following.identifier) == (Kind.UPDATE, f"example.{alert_id}.2")
    assert following.references == f"{SENDER},example.{alert_id}.1,2026-11-24T04:00:00+02:00"


async def test_only_the_roles_of_an_update_are_asked_for_it(office: Office) -> None:
    alert_id = await office.activate()
    before = len(await office.asked(alert_id))
    await updated(office, alert_id)
    asked = (await office.asked(alert_id))[before:]
    assert asked == [(role, f"{role}@example.org") for role in UPDATE_ROLES]


async def test_one_update_at_a_time(office: Office) -> None:
    alert_id = await office.activate()
    await updated(office, alert_id)
    with pytest.raises(Conflict, match="version 2 is still submitted"):
        await updated(office, alert_id)


async def test_what_never_went_out_is_not_updated(office: Office) -> None:
    alert_id = await office.submit()
    await reject(office.tools, office["police"], alert_id, reason="No abduction.")
    with pytest.raises(Conflict, match="never went out"):
        await updated(office, alert_id)


async def test_a_rejected_update_leaves_the_live_version_alone(office: Office) -> None:
    alert_id = await office.activate()
    await updated(office, alert_id)
    await reject(office.tools, office["police"], alert_id, reason="Not confirmed.")
    assert await states(office, alert_id) == ["active", "rejected"]
    await updated(office, alert_id)
    assert await states(office, alert_id) == ["active", "rejected", "submitted"]


@pytest.mark.parametrize("changes", [{"status": "actual"}, {"case_reference": "EX-OTHER"}])
async def test_an_update_is_about_the_same_case(office: Office, changes: dict[str, str]) -> None:
    alert_id = await office.activate()
    before = await office.counts()
    with pytest.raises(InvalidAlert, match="cannot be changed"):
        await updated(office, alert_id, **changes)
    assert await office.counts() == before


# --- ends ------------------------------------------------------------------------------------


async def test_an_end_stops_the_queue_and_goes_first(office: Office) -> None:
    alert_id = await office.activate()
    office.clock.tick(hours=1)
    assert await ended(office, alert_id) is VersionState.ENDED
    alert, following = await office.dispatches(alert_id, "alert", "end")
    assert alert.stopped_at == office.clock.now
    assert (following.variant, following.priority) == ("found", Priority.END)
    assert following.identifier == f"example.{alert_id}.1.end"
    assert following.deadline_at == office.clock.now + office.tools.end_deadline
    assert f"{SENDER},example.{alert_id}.1,2026-11-24T04:00:00+02:00" == following.references


async def test_an_end_goes_out_in_the_bytes_that_were_approved(office: Office) -> None:
    alert_id = await office.activate()
    query = select(renditions.c.digest, renditions.c.body).where(renditions.c.kind == "end")
    approved = await office.rows(query.order_by(renditions.c.id))
    digest = (await office.version(alert_id)).digest
    await ended(office, alert_id)
    assert await office.rows(query.order_by(renditions.c.id)) == approved
    assert (await office.version(alert_id)).digest == digest


async def test_a_correction_cancels(office: Office) -> None:
    alert_id = await office.activate()
    assert await ended(office, alert_id, reason_code="issued_in_error") is VersionState.CANCELLED
    [following] = await office.dispatches(alert_id, "end", "correction")
    assert (following.kind, following.variant) == (Kind.CORRECTION, "issued_in_error")


async def test_an_end_tells_submitter_and_approvers(office: Office) -> None:
    alert_id = await office.activate()
    await ended(office, alert_id)
    told = [
        address for event, address in await office.asked(alert_id, "notice") if event == "ended"
    ]
    assert told == [f"{name}@example.org" for name in ("submitter", *ROLES)]


async def test_an_end_tells_the_approvers_of_earlier_versions_too(office: Office) -> None:
    alert_id = await office.activate()
    await updated(office, alert_id)
    for role in UPDATE_ROLES:
        await office.approve(alert_id, role)
    await ended(office, alert_id)
    assert ("ended", "prosecutor@example.org") in await office.asked(alert_id, "notice")


async def test_an_unconfirmed_end_tells_what_would_happen(office: Office) -> None:
    alert_id = await office.activate()
    before = await office.counts()
    with pytest.raises(InvalidAlert, match="everybody whom it reached") as caught:
        await ended(office, alert_id, confirm=False)
    assert [problem.field for problem in caught.value.problems] == ["confirm"]
    assert await office.counts() == before


async def test_an_end_needs_a_known_reason_and_a_why(office: Office) -> None:
    alert_id = await office.activate()
    with pytest.raises(InvalidAlert) as caught:
        await ended(office, alert_id, reason_code="bored", why=" ")
    assert [problem.field for problem in caught.value.problems] == ["reason_code", "why"]


@pytest.mark.parametrize("by", ["prosecutor", "submitter"])
async def test_only_the_roles_that_the_rules_name_end_an_alert(office: Office, by: str) -> None:
    alert_id = await office.activate()
    with pytest.raises(NotAllowed):
        await ended(office, alert_id, by=by)


async def test_an_alert_ends_once(office: Office) -> None:
    alert_id = await office.activate()
    await ended(office, alert_id)
    with pytest.raises(Conflict):
        await ended(office, alert_id)


async def test_what_waits_for_approval_is_rejected_not_ended(office: Office) -> None:
    alert_id = await office.submit()
    with pytest.raises(Conflict):
        await ended(office, alert_id)


async def test_an_end_closes_an_update_that_still_waits(office: Office) -> None:
    alert_id = await office.activate()
    await updated(office, alert_id)
    await ended(office, alert_id)
    assert await states(office, alert_id) == ["ended", "rejected"]


async def test_an_update_long_after_the_end_still_names_what_it_follows(office: Office) -> None:
    alert_id = await office.activate()
    await ended(office, alert_id)
    office.clock.tick(hours=30)
    await updated(office, alert_id)
    for role in UPDATE_ROLES:
        await office.approve(alert_id, role)
    [following] = await office.dispatches(alert_id, "update")
    assert following.references == f"{SENDER},example.{alert_id}.1.end,2026-11-24T04:00:00+02:00"


async def test_a_wrong_end_is_undone_by_a_new_version(office: Office) -> None:
    alert_id = await office.activate()
    office.clock.tick(hours=1)
    await ended(office, alert_id, reason_code="issued_in_error")
    office.clock.tick(minutes=5)
    await updated(office, alert_id)
    for role in UPDATE_ROLES:
        await office.approve(alert_id, role)
    assert await states(office, alert_id) == ["cancelled", "active"]
    [following] = await office.dispatches(alert_id, "update")
    assert following.references.split() == [
        f"{SENDER},example.{alert_id}.1,2026-11-24T04:00:00+02:00",
        f"{SENDER},example.{alert_id}.1.correction,2026-11-24T05:00:00+02:00",
    ]
    now_live = await office.tools.store.read(live, alert_id)
    assert now_live is not None
    assert now_live.number == 2


async def test_who_ended_it_and_that_it_ended_is_audited_the_why_sealed(office: Office) -> None:
    alert_id = await office.activate()
    await ended(office, alert_id)
    query = select(audit.c.actor, audit.c.body).where(audit.c.action == "alert.ended")
    [row] = await office.rows(query)
    assert row.actor == f"person:{office['police'].person_id}"
    assert '"reason":"found"' in row.body
    assert "Found safe" not in row.body


async def test_who_cannot_end_leaves_nothing_behind(office: Office) -> None:
    alert_id = await office.activate()
    office.officials = {**office.officials, "x": await enter(office.tools, "x", "reader")}
    before = await office.counts()
    with pytest.raises(NotAllowed):
        await ended(office, alert_id, by="x")
    assert await office.counts() == before
