"""Officials are asked at once, reminded, and the deputies after them; nobody twice for nothing."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

from sqlalchemy import select

from alertd.core.delivery import Priority
from alertd.pipeline import persons
from alertd.pipeline.approve import reject
from alertd.pipeline.ask import remind
from alertd.pipeline.edit import edit
from alertd.pipeline.expand import pending
from alertd.pipeline.versions import key_of
from alertd.store.schema import audit, renditions
from alertd.tools import CONSOLE
from tests.factories import make_alert
from tests.pipeline.conftest import ROLES, Office, enter


async def test_every_open_role_is_asked_at_once(office: Office) -> None:
    alert_id = await office.submit()
    assert await office.asked(alert_id) == [(role, f"{role}@example.org") for role in ROLES]
    for dispatch in await office.dispatches(alert_id, "request"):
        assert dispatch.sent_at == office.clock.now
        assert dispatch.priority == Priority.END
        assert dispatch.deadline_at == (await office.version(alert_id)).expires_at


async def test_who_is_asked_is_listed_and_never_looked_for_among_recipients(
    office: Office,
) -> None:
    await office.submit()
    assert await office.tools.store.read(pending) == []


async def test_each_asking_is_an_audit_entry_that_names_persons(office: Office) -> None:
    alert_id = await office.submit()
    rows = await office.rows(select(audit.c.body).where(audit.c.action == "approval.asked"))
    said = [json.loads(row.body)["data"] for row in rows]
    assert [(each["role"], each["step"], each["persons"]) for each in said] == [
        (role, 0, [office[role].person_id]) for role in ROLES
    ]
    assert alert_id


async def test_a_person_is_asked_by_sms_and_mail_in_their_language(office: Office) -> None:
    number = await persons.create(
        office.tools,
        CONSOLE,
        persons.NewPerson(
            name="Example officer",
            language="el",
            roles={"police": False},
            addresses=[("sms", "+30 690 000 0042"), ("email", "officer@example.org")],
        ),
    )
    alert_id = await office.submit()
    asked = await office.asked(alert_id)
    assert number
    assert ("police", "+306900000042") in asked
    assert ("police", "officer@example.org") in asked


async def test_a_request_tells_the_case_and_a_link_and_nothing_of_the_child(
    office: Office,
) -> None:
    version = await office.version(await office.submit())
    key = await key_of(office.tools, version)
    query = select(renditions.c.body).where(
        renditions.c.kind == "request", renditions.c.channel == "sms", renditions.c.language == "en"
    )
    for row in await office.rows(query):
        text = key.open(row.body).decode()
        assert version.case_reference in text
        assert f"https://console.example.org/alerts/{version.alert_id}" in text
        assert "Παραδειγματίδου" not in text


async def test_the_submitter_is_not_asked(office: Office) -> None:
    person = await enter(office.tools, "chief", "submitter", "police")
    office.officials = {**office.officials, "submitter": person}
    alert_id = await office.submit()
    assert ("police", "chief@example.org") not in await office.asked(alert_id)


async def test_a_disabled_person_is_not_asked(office: Office) -> None:
    await persons.disable(office.tools, CONSOLE, office["police"].person_id)
    alert_id = await office.submit()
    assert [role for role, _ in await office.asked(alert_id)] == ["prosecutor", "activation"]


async def test_reminder_and_deputies_come_in_their_time_and_once(office: Office) -> None:
    await enter(office.tools, "deputy", "police", deputy=True)
    alert_id = await office.submit()
    await office.approve(alert_id, "prosecutor")
    first = await office.asked(alert_id)
    assert ("police", "deputy@example.org") not in first

    office.clock.tick(minutes=9, seconds=59)
    assert await remind(office.tools) == 0

    office.clock.tick(seconds=1)
    assert await remind(office.tools) == 2
    reminded = (await office.asked(alert_id))[len(first) :]
    assert reminded == [
        ("police:reminder", "police@example.org"),
        ("activation:reminder", "activation@example.org"),
    ]
    assert await remind(office.tools) == 0

    office.clock.tick(minutes=10)
    assert await remind(office.tools) == 2
    asked = (await office.asked(alert_id))[len(first) + len(reminded) :]
    assert asked == [("police:deputy", "deputy@example.org")]
    assert await remind(office.tools) == 0


async def test_deputies_are_asked_at_once_where_nobody_else_can(office: Office) -> None:
    await persons.disable(office.tools, CONSOLE, office["police"].person_id)
    await enter(office.tools, "deputy", "police", deputy=True)
    alert_id = await office.submit()
    assert ("police", "deputy@example.org") in await office.asked(alert_id)


async def test_who_has_approved_is_asked_for_no_other_role(office: Office) -> None:
    both = await enter(office.tools, "both", "police", "prosecutor")
    office.officials = {**office.officials, "police": both}
    alert_id = await office.submit()
    await office.approve(alert_id, "police")
    office.clock.tick(minutes=10)
    await remind(office.tools)
    assert ("prosecutor:reminder", "both@example.org") not in await office.asked(alert_id)


async def test_an_edit_starts_the_clock_of_reminders_anew(office: Office) -> None:
    alert_id = await office.submit()
    office.clock.tick(minutes=9)
    revision = (await office.version(alert_id)).revision
    alert = make_alert(office.clock.now, circumstances="Seen at the harbour (fictional).")
    await edit(office.tools, office["submitter"], alert_id, alert, revision=revision)
    office.clock.tick(minutes=9)
    assert await remind(office.tools) == 0
    office.clock.tick(minutes=1)
    assert await remind(office.tools) == len(ROLES)


async def test_two_nodes_remind_once(office: Office) -> None:
    await office.submit()
    office.clock.tick(minutes=10)
    assert sorted(await asyncio.gather(remind(office.tools), remind(office.tools))) == [0, 3]


async def test_nobody_is_reminded_of_what_is_decided(office: Office) -> None:
    await office.activate()
    other = await office.submit(not_a_duplicate_because="Another example.")
    await reject(office.tools, office["police"], other, reason="No abduction.")
    office.clock.tick(minutes=30)
    assert await remind(office.tools) == 0


async def test_nobody_is_reminded_of_what_has_expired(office: Office) -> None:
    soon = (office.clock.now + timedelta(minutes=5)).isoformat()
    await office.submit(expires_at=soon)
    office.clock.tick(minutes=30)
    assert await remind(office.tools) == 0
