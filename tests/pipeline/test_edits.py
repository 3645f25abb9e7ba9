"""Edits void approvals, bind to a revision, and never make another alert of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from alertd.core.errors import Conflict, InvalidAlert, NotAllowed, StaleVersion
from alertd.core.lifecycle import VersionState
from alertd.pipeline.approve import send_back
from alertd.pipeline.edit import edit, submit_draft
from alertd.pipeline.submit import Submitted
from alertd.pipeline.versions import key_of, open_facts
from alertd.store.schema import approvals, renditions
from tests.factories import make_alert
from tests.pipeline.conftest import ROLES, Office, enter


async def edited(
    office: Office, alert_id: str, *, by: str = "submitter", **changes: Any
) -> Submitted:
    revision = (await office.version(alert_id)).revision
    alert = make_alert(office.clock.now, **changes)
    return await edit(office.tools, office[by], alert_id, alert, revision=revision)


async def test_an_edit_voids_approvals_and_changes_the_digest(office: Office) -> None:
    alert_id = await office.submit()
    await office.approve(alert_id, "police")
    before = await office.version(alert_id)
    done = await edited(office, alert_id, circumstances="Seen at the harbour (fictional).")
    after = await office.version(alert_id)
    assert (done.state, done.revision) == (VersionState.SUBMITTED, before.revision + 1)
    assert after.digest != before.digest
    assert after.identifier == before.identifier
    assert all(row.voided_at == office.clock.now for row in await office.rows(select(approvals)))
    with pytest.raises(Conflict, match="changed since"):
        await office.approve(alert_id, "police", digest=before.digest)
    await office.approve(alert_id, "police")


async def test_everybody_is_asked_again_after_an_edit(office: Office) -> None:
    alert_id = await office.submit()
    await edited(office, alert_id, circumstances="Seen at the harbour (fictional).")
    asked = await office.asked(alert_id)
    assert asked == [(role, f"{role}@example.org") for role in ROLES] * 2


async def test_an_edit_replaces_what_was_rendered(office: Office) -> None:
    alert_id = await office.submit()
    digests = select(renditions.c.digest).where(renditions.c.kind == "alert")
    before = {row.digest for row in await office.rows(digests)}
    await edited(office, alert_id, circumstances="Seen at the harbour (fictional).")
    after = {row.digest for row in await office.rows(digests)}
    assert before != after
    assert len(before) == len(after)


async def test_an_edit_of_what_somebody_else_changed_is_stale(office: Office) -> None:
    alert_id = await office.submit()
    alert = make_alert(office.clock.now, circumstances="Another example.")
    with pytest.raises(StaleVersion):
        await edit(office.tools, office["submitter"], alert_id, alert, revision=99)


async def test_of_two_edits_at_the_same_moment_one_is_stale(office: Office) -> None:
    alert_id = await office.submit()
    tries = [edited(office, alert_id, circumstances=f"Example {n}.") for n in range(2)]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(isinstance(each, StaleVersion) for each in done) == [False, True]


async def test_only_the_submitter_edits(office: Office) -> None:
    alert_id = await office.submit()
    other = await enter(office.tools, "colleague", "submitter")
    office.officials = {**office.officials, "colleague": other}
    with pytest.raises(NotAllowed, match="who submitted"):
        await edited(office, alert_id, by="colleague")


async def test_what_is_out_is_not_edited(office: Office) -> None:
    alert_id = await office.activate()
    with pytest.raises(Conflict, match="active"):
        await edited(office, alert_id)


@pytest.mark.parametrize("field", ["status", "programme"])
async def test_an_edit_makes_no_other_alert_of_it(office: Office, field: str) -> None:
    alert_id = await office.submit()
    other = {"status": "actual", "programme": "another"}[field]
    before = await office.counts()
    with pytest.raises(InvalidAlert, match=field):
        await edited(office, alert_id, **{field: other})
    assert await office.counts() == before


async def test_an_invalid_edit_changes_nothing(office: Office) -> None:
    alert_id = await office.submit()
    await office.approve(alert_id, "police")
    before = await office.version(alert_id)
    with pytest.raises(InvalidAlert):
        await edited(office, alert_id, criteria=[])
    assert await office.version(alert_id) == before
    assert not any(row.voided_at for row in await office.rows(select(approvals)))


async def test_a_returned_version_is_edited_and_submitted_again(office: Office) -> None:
    alert_id = await office.submit()
    await send_back(office.tools, office["police"], alert_id, reason="Wrong plate.")
    done = await edited(office, alert_id, circumstances="Seen at the harbour (fictional).")
    assert done.state is VersionState.RETURNED
    assert (await office.version(alert_id)).digest is None
    done = await submit_draft(office.tools, office["submitter"], alert_id, revision=done.revision)
    assert done.state is VersionState.SUBMITTED
    for role in ROLES:
        last = await office.approve(alert_id, role)
    assert last.activated


async def test_a_returned_version_may_be_submitted_as_it_was(office: Office) -> None:
    alert_id = await office.submit()
    await send_back(office.tools, office["police"], alert_id, reason="Is this certain?")
    revision = (await office.version(alert_id)).revision
    done = await submit_draft(office.tools, office["submitter"], alert_id, revision=revision)
    assert done.revision == revision + 1
    await send_back(office.tools, office["police"], alert_id, reason="Once more.")
    told = await office.asked(alert_id, "notice")
    assert told == [("returned", "submitter@example.org")] * 2


async def test_a_draft_may_still_become_the_real_thing(office: Office) -> None:
    alert_id = await office.submit(draft=True)
    await edited(office, alert_id, status="actual", case_reference="EX-2")
    version = await office.version(alert_id)
    assert (version.status, version.case_reference) == ("actual", "EX-2")
    facts = open_facts(await key_of(office.tools, version), version)
    assert facts.status == "actual"
