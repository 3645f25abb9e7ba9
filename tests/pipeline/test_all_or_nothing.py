"""A stage that fails at its very last statement leaves no trace; stages that meet agree."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select

from alertd.core.errors import ChainBroken, Conflict, StaleVersion
from alertd.core.lifecycle import VersionState
from alertd.pipeline import persons
from alertd.pipeline.approve import reject, send_back
from alertd.pipeline.ask import remind
from alertd.pipeline.edit import edit, submit_draft
from alertd.pipeline.end import end
from alertd.pipeline.expire import expire, warn
from alertd.pipeline.recipients import Recipient, add, end_own
from alertd.pipeline.record import HEAD
from alertd.pipeline.update import update
from alertd.store.schema import approvals, marks
from alertd.tools import CONSOLE
from tests.factories import make_alert, make_rules
from tests.pipeline.conftest import Office

OTHER = {"not_a_duplicate_because": "Another example."}
RECIPIENT = Recipient(
    channel="email",
    address="one@example.org",
    language="en",
    regions=("GR-I",),
    recipient_class="citizen",
    label="Example one",
    consent="form 1",
    consent_at="2026-01-31",
)

Stage = Callable[[Office, str], Awaitable[Any]]


async def _edit(office: Office, alert_id: str) -> object:
    revision = (await office.version(alert_id)).revision
    alert = make_alert(office.clock.now, circumstances="Another example.", **OTHER)
    return await edit(office.tools, office["submitter"], alert_id, alert, revision=revision)


async def _submit_draft(office: Office, alert_id: str) -> object:
    revision = (await office.version(alert_id)).revision
    return await submit_draft(office.tools, office["submitter"], alert_id, revision=revision)


async def _approve(office: Office, alert_id: str) -> object:
    return await office.approve(alert_id, "activation")


async def _update(office: Office, alert_id: str) -> object:
    return await update(
        office.tools, office["submitter"], alert_id, make_alert(office.clock.now, **OTHER)
    )


async def _end(office: Office, alert_id: str) -> object:
    return await end(
        office.tools, office["police"], alert_id, reason_code="found", why="Found.", confirm=True
    )


async def _remind(office: Office, _: str) -> object:
    office.clock.tick(minutes=10)
    return await remind(office.tools)


async def _warn(office: Office, _: str) -> object:
    office.clock.tick(hours=11, minutes=30)
    return await warn(office.tools)


async def _expire(office: Office, _: str) -> object:
    office.clock.tick(hours=12)
    return await expire(office.tools)


STAGES: dict[str, tuple[str, Stage]] = {
    "submit": ("waiting", lambda office, _: office.submit(**OTHER)),
    "draft": ("waiting", lambda office, _: office.submit(draft=True)),
    "edit": ("waiting", _edit),
    "submit draft": ("draft", _submit_draft),
    "approve": ("nearly", _approve),
    "return": ("waiting", lambda o, id_: send_back(o.tools, o["police"], id_, reason="Why.")),
    "reject": ("waiting", lambda o, id_: reject(o.tools, o["police"], id_, reason="Why.")),
    "update": ("active", _update),
    "end": ("active", _end),
    "remind": ("waiting", _remind),
    "warn": ("active", _warn),
    "expire": ("active", _expire),
    "recipient": ("waiting", lambda office, _: add(office.tools, CONSOLE, RECIPIENT)),
    "own link": ("listed", lambda office, _: end_own(office.tools, 5)),
    "person": (
        "waiting",
        lambda office, _: persons.create(
            office.tools,
            CONSOLE,
            persons.NewPerson(name="Example new", language="en", roles={"reader": False}),
        ),
    ),
    "token": (
        "waiting",
        lambda office, _: persons.mint(
            office.tools, CONSOLE, 1, label="example", lifetime=timedelta(days=1)
        ),
    ),
}


async def prepared(office: Office, stage: str) -> str:
    """Give an alert that stands where the stage begins."""
    if stage == "draft":
        return await office.submit(draft=True)
    if stage == "active":
        return await office.activate()
    alert_id = await office.submit()
    if stage == "nearly":
        await office.approve(alert_id, "police")
        await office.approve(alert_id, "prosecutor")
    if stage == "listed":
        added = await add(office.tools, CONSOLE, RECIPIENT)
        assert added.address_id == 5
    return alert_id


def lose_the_chain(conn: Connection) -> None:
    conn.execute(delete(marks).where(marks.c.name == HEAD))


@pytest.mark.parametrize("name", STAGES)
async def test_a_stage_that_cannot_be_audited_leaves_nothing_behind(
    office: Office, name: str
) -> None:
    start, stage = STAGES[name]
    office = office.under(make_rules(notify_expiry=True))
    alert_id = await prepared(office, start)
    await office.tools.store.write(lose_the_chain)
    before, version = await office.counts(), await office.version(alert_id)
    with pytest.raises(ChainBroken):
        await stage(office, alert_id)
    assert await office.counts() == before
    assert await office.version(alert_id) == version


async def test_an_edit_and_the_last_approval_at_the_same_moment_agree(office: Office) -> None:
    alert_id = await prepared(office, "nearly")
    approved, edited = await asyncio.gather(
        _approve(office, alert_id), _edit(office, alert_id), return_exceptions=True
    )
    version = await office.version(alert_id)
    standing = await office.rows(select(approvals).where(approvals.c.voided_at.is_(None)))
    if version.state is VersionState.ACTIVE:
        assert isinstance(edited, Conflict)
        assert {row.digest for row in standing} == {version.digest}
    else:
        assert isinstance(approved, Conflict)
        assert standing == []


async def test_an_end_and_an_expiry_at_the_same_moment_close_once(office: Office) -> None:
    alert_id = await office.activate()
    office.clock.tick(hours=12)
    ended, expired = await asyncio.gather(
        _end(office, alert_id), expire(office.tools), return_exceptions=True
    )
    assert isinstance(ended, Conflict) == (expired == 1)
    notices = {event for event, _ in await office.asked(alert_id, "notice")}
    assert len(notices & {"ended", "expired"}) == 1


async def test_two_updates_at_the_same_moment_make_one_version(office: Office) -> None:
    alert_id = await office.activate()
    done = await asyncio.gather(
        _update(office, alert_id), _update(office, alert_id), return_exceptions=True
    )
    assert sorted(isinstance(each, Conflict | StaleVersion) for each in done) == [False, True]
    assert (await office.version(alert_id)).number == 2
