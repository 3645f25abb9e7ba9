"""An extension is an update that changes nothing but when the alert expires."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alertd.core.errors import Conflict, InvalidAlert
from alertd.core.lifecycle import VersionState
from alertd.pipeline.expire import expire
from alertd.pipeline.update import extend
from alertd.pipeline.versions import key_of, open_facts
from tests.pipeline.conftest import Office


async def test_extension_takes_effect_once_it_is_approved(office: Office) -> None:
    alert_id = await office.activate()
    before = await office.version(alert_id)
    until = before.expires_at + timedelta(hours=6)
    done = await extend(office.tools, office["submitter"], alert_id, expires_at=until)
    assert done.state is VersionState.SUBMITTED
    for role in ("police", "activation"):
        await office.approve(alert_id, role)
    office.clock.now = before.expires_at
    assert await expire(office.tools) == 0
    after = await office.version(alert_id)
    assert (after.state, after.expires_at) == (VersionState.ACTIVE, until)
    key = await key_of(office.tools, after)
    old, new = open_facts(key, before), open_facts(key, after)
    assert new == old.model_copy(update={"expires_at": until})


async def test_extension_that_nobody_approves_keeps_nothing_alive(office: Office) -> None:
    alert_id = await office.activate()
    before = await office.version(alert_id)
    until = before.expires_at + timedelta(hours=6)
    await extend(office.tools, office["submitter"], alert_id, expires_at=until)
    office.clock.now = before.expires_at
    assert await expire(office.tools) == 1


async def test_extension_must_be_later(office: Office) -> None:
    alert_id = await office.activate()
    until = (await office.version(alert_id)).expires_at
    with pytest.raises(InvalidAlert):
        await extend(office.tools, office["submitter"], alert_id, expires_at=until)


async def test_what_is_not_out_cannot_be_extended(office: Office) -> None:
    alert_id = await office.submit()
    until = office.clock.now + timedelta(hours=20)
    with pytest.raises(Conflict):
        await extend(office.tools, office["submitter"], alert_id, expires_at=until)
