"""What a submission stores, refuses and repeats."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from alertd.core.errors import ConfigError, Conflict, InvalidAlert, NotAllowed, StaleVersion
from alertd.core.lifecycle import VersionState
from alertd.core.rendition import Kind, Rendition
from alertd.pipeline import contents, rule_sets
from alertd.pipeline.approve import reject
from alertd.pipeline.edit import submit_draft
from alertd.pipeline.render import Renderer, Subject
from alertd.pipeline.submit import submit
from alertd.pipeline.versions import key_of, open_facts
from alertd.store.schema import alerts, audit_texts, renditions
from alertd.store.schema import rule_sets as kept
from tests.factories import child_facts, make_alert, make_rules
from tests.pipeline.conftest import ROLES, Office, rulebook

ANOTHER = {"children": [child_facts(name="Example Other")], "vehicle": None}


async def test_a_submission_waits_for_approval_under_its_identifier(office: Office) -> None:
    done = await office.submitted()
    version = await office.version(done.alert_id)
    assert done.state is version.state is VersionState.SUBMITTED
    assert version.identifier == f"example.{done.alert_id}.1"
    assert (version.revision, version.submitted_at) == (done.revision, office.clock.now)
    assert version.sent_at is None


async def test_only_a_submitter_submits(office: Office) -> None:
    with pytest.raises(NotAllowed, match="submitter"):
        await submit(office.tools, office["police"], make_alert(office.clock.now))


async def test_facts_open_with_the_alerts_own_key_alone(office: Office) -> None:
    version = await office.version(await office.submit())
    key = await key_of(office.tools, version)
    assert open_facts(key, version) == make_alert(office.clock.now)
    assert "Παραδειγματίδου".encode() not in (version.facts or b"")


async def test_renditions_are_stored_sealed_and_make_up_the_digest(office: Office) -> None:
    version = await office.version(await office.submit())
    key = await key_of(office.tools, version)
    rows = await office.rows(select(renditions).where(renditions.c.version_id == version.id))
    names = ("variant", "channel", "language", "form", "media_type")
    opened = [
        Rendition(
            kind=Kind(row.kind),
            body=key.open(row.body),
            **{name: getattr(row, name) for name in names},
        )
        for row in rows
    ]
    assert {each.kind for each in opened} >= {Kind.ALERT, Kind.END, Kind.CORRECTION, Kind.EXPIRY}
    assert contents.digest_of(open_facts(key, version), opened) == version.digest
    assert [row.digest for row in rows] == [each.digest for each in opened]


async def test_the_digest_covers_whom_it_goes_to_and_until_when(office: Office) -> None:
    alert = make_alert(office.clock.now)
    area = alert.area.model_copy(update={"regions": ("GR-I", "GR-B")})
    others = [
        {"area": area},
        {"expires_at": alert.expires_at + timedelta(hours=1)},
        {"status": "actual"},
        {"languages": ("en",)},
    ]
    first = contents.digest_of(alert, [])
    assert first not in {contents.digest_of(alert.model_copy(update=each), []) for each in others}


async def test_what_officials_get_is_no_part_of_the_digest(office: Office) -> None:
    alert = make_alert(office.clock.now)
    request = Rendition(
        kind=Kind.REQUEST, channel="sms", language="en", media_type="text/plain", body=b"x"
    )
    assert contents.digest_of(alert, [request]) == contents.digest_of(alert, [])


async def test_regions_reach_up_and_down(office: Office) -> None:
    version = await office.version(await office.submit())
    assert set(version.regions) == office.tools.atlas.reaches(["GR-I"])
    assert "GR" in version.regions


async def test_case_facts_stand_beside_the_audit_log_sealed(office: Office) -> None:
    version = await office.version(await office.submit())
    [row] = await office.rows(select(audit_texts).where(audit_texts.c.name == "facts"))
    key = await key_of(office.tools, version)
    assert "Παραδειγματίδου" in key.open(row.text).decode(errors="ignore")


# --- drafts ----------------------------------------------------------------------------------


async def test_a_draft_is_kept_without_asking_anybody(office: Office) -> None:
    done = await office.submitted(draft=True, criteria=[])
    version = await office.version(done.alert_id)
    assert (version.state, version.identifier, version.digest) == (VersionState.DRAFT, None, None)
    assert await office.asked(done.alert_id) == []
    assert await office.rows(select(renditions)) == []


async def test_a_draft_is_submitted_as_it_then_stands(office: Office) -> None:
    draft = await office.submitted(draft=True)
    done = await submit_draft(
        office.tools, office["submitter"], draft.alert_id, revision=draft.revision
    )
    assert done.state is VersionState.SUBMITTED
    assert len(await office.asked(done.alert_id)) == len(ROLES)


async def test_an_incomplete_draft_cannot_be_submitted(office: Office) -> None:
    draft = await office.submitted(draft=True, criteria=[])
    before = await office.counts()
    with pytest.raises(InvalidAlert, match="criteria"):
        await submit_draft(
            office.tools, office["submitter"], draft.alert_id, revision=draft.revision
        )
    assert await office.counts() == before


async def test_a_draft_read_before_it_changed_is_not_submitted(office: Office) -> None:
    draft = await office.submitted(draft=True)
    with pytest.raises(StaleVersion):
        await submit_draft(
            office.tools, office["submitter"], draft.alert_id, revision=draft.revision + 1
        )


# --- idempotency -----------------------------------------------------------------------------


async def test_the_same_request_gives_the_same_alert(office: Office) -> None:
    first = await office.submitted(key="k1")
    before = await office.counts()
    assert await office.submitted(key="k1") == first
    assert await office.counts() == before


async def test_the_same_request_is_known_even_when_time_made_it_invalid(office: Office) -> None:
    alert = make_alert(office.clock.now)
    tools, actor = office.tools, office["submitter"]
    first = await submit(tools, actor, alert, idempotency_key="k1")
    office.clock.tick(hours=13)
    again = await submit(tools, actor, alert, idempotency_key="k1")
    assert again.alert_id == first.alert_id


async def test_a_key_used_for_another_request_is_a_conflict(office: Office) -> None:
    first = await office.submit(key="k1")
    with pytest.raises(Conflict, match="Idempotency-Key") as caught:
        await office.submit(key="k1", circumstances="Another example.")
    assert caught.value.other == first


async def test_a_draft_and_a_submission_are_not_the_same_request(office: Office) -> None:
    await office.submit(key="k1", draft=True)
    with pytest.raises(Conflict, match="Idempotency-Key"):
        await office.submit(key="k1")


async def test_one_request_sent_many_times_at_once_makes_one_alert(office: Office) -> None:
    done = await asyncio.gather(*(office.submitted(key="k1") for _ in range(5)))
    assert len(set(done)) == 1
    assert len(await office.rows(select(alerts.c.id))) == 1
    assert len(await office.tools.vault.ids()) == 1


# --- duplicates ------------------------------------------------------------------------------


async def test_the_same_child_in_an_overlapping_area_is_refused_with_a_pointer(
    office: Office,
) -> None:
    first = await office.submit()
    before = await office.counts()
    with pytest.raises(Conflict, match="same child") as caught:
        await office.submit(case_reference="EX-2", area={"regions": ["GR"]})
    assert caught.value.other == first
    assert await office.counts() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"area": {"regions": ["GR-B"]}},
        {"status": "actual"},
        {"not_a_duplicate_because": "Another child of the same name."},
        ANOTHER,
    ],
    ids=["elsewhere", "real beside an exercise", "explained", "another child"],
)
async def test_what_only_looks_like_it_is_no_duplicate(
    office: Office, changes: dict[str, Any]
) -> None:
    await office.submit()
    await office.submit(**changes)


async def test_the_same_plate_is_a_duplicate(office: Office) -> None:
    await office.submit()
    with pytest.raises(Conflict):
        await office.submit(children=[child_facts(name="Example Other")])


async def test_a_rejected_alert_is_no_duplicate(office: Office) -> None:
    first = await office.submit()
    await reject(office.tools, office["police"], first, reason="Wrong case.")
    await office.submit()


async def test_a_duplicate_is_looked_for_within_the_rules_hours(office: Office) -> None:
    await office.submit()
    office.clock.tick(hours=47)
    with pytest.raises(Conflict):
        await office.submit()
    office.clock.tick(hours=1, seconds=1)
    await office.submit()


async def test_of_two_alike_at_the_same_moment_one_is_refused(office: Office) -> None:
    done = await asyncio.gather(office.submit(), office.submit(), return_exceptions=True)
    assert sorted(isinstance(each, Conflict) for each in done) == [False, True]
    assert len(await office.tools.vault.ids()) == 1


# --- rule sets -------------------------------------------------------------------------------


async def test_an_alert_keeps_the_rules_it_was_submitted_under(office: Office) -> None:
    alert_id = await office.submit()
    [role, *_] = make_rules().approvals
    newer = make_rules(
        version=2,
        approvals=[json.loads(role.model_dump_json())],
        update_approvals=["police"],
        end_roles=["police"],
    )
    later = office.under(make_rules(), newer)
    done = await later.approve(alert_id, "police")
    assert done.missing == ("prosecutor", "activation")
    other = await later.submit(**ANOTHER)
    assert (await later.approve(other, "police")).activated


async def test_rules_changed_under_their_number_are_refused(office: Office) -> None:
    await office.submit()
    before = await office.counts()
    changed = office.under(make_rules(max_hours=24))
    with pytest.raises(Conflict, match="next number"):
        await changed.submit(**ANOTHER)
    assert await office.counts() == before
    with pytest.raises(ConfigError, match="next number"):
        await rule_sets.register_all(changed.tools)


async def test_rules_are_kept_from_the_start(office: Office) -> None:
    tools = replace(office.tools, rulebook=rulebook(make_rules(), make_rules(version=2)))
    await rule_sets.register_all(tools)
    await rule_sets.register_all(tools)
    assert [row.version for row in await office.rows(select(kept).order_by(kept.c.version))] == [
        1,
        2,
    ]


# --- failures --------------------------------------------------------------------------------


class BrokenRenderer(Renderer):
    def version(self, subject: Subject) -> list[Rendition]:
        raise RuntimeError(f"a template fails for {subject.identifier}")


async def test_a_failed_rendering_leaves_nothing_behind(office: Office) -> None:
    whole = office.tools.renderer
    broken = BrokenRenderer(
        channels=whole.channels, atlas=whole.atlas, public_url=whole.public_url, sender=whole.sender
    )
    before = await office.counts()
    office.tools = replace(office.tools, renderer=broken)
    with pytest.raises(RuntimeError):
        await office.submit()
    assert await office.counts() == before
    assert not await office.tools.vault.ids()


@pytest.mark.parametrize(
    "changes",
    [
        {"programme": "no-such"},
        {"kind": "silver"},
        {"area": {"regions": ["GR-99"]}},
        {"children": [child_facts(age=18)]},
    ],
    ids=["programme", "kind", "region", "age"],
)
async def test_an_invalid_alert_leaves_nothing_behind(
    office: Office, changes: dict[str, Any]
) -> None:
    before = await office.counts()
    with pytest.raises(InvalidAlert):
        await office.submit(**changes)
    assert await office.counts() == before
    assert not await office.tools.vault.ids()
