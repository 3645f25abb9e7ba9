"""A half-filled form is kept for the one who fills it, and forgotten when it is done with."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select

from alertd.core.errors import Conflict, NotAllowed, NotFound, StaleVersion
from alertd.pipeline import formdrafts
from alertd.pipeline.end import end
from alertd.pipeline.formdrafts import MOST, UNTOUCHED, Beginning, Purpose
from alertd.pipeline.retention import retain
from alertd.sections import Retention
from alertd.store.schema import form_drafts
from alertd.tools import Actor, Tools
from tests.pipeline.conftest import Office

BEGINNING = Beginning(
    purpose=Purpose.NEW,
    programme="amber-alert-hellas",
    status="exercise",
    form={"children.0.name": ("Example Child",)},
)


def of(office: Office) -> tuple[Tools, Actor]:
    return office.tools, office["submitter"]


async def test_a_form_is_read_as_it_was_saved(office: Office) -> None:
    tools, submitter = of(office)
    draft_id = await formdrafts.begin(tools, submitter, BEGINNING)
    form = {"children.0.name": ("Another Example",), "area.regions": ("GR-I", "GR-B")}
    await formdrafts.save(tools, submitter, draft_id, form, revision=1)
    found = await formdrafts.read(tools, submitter, draft_id)
    assert (found.form, found.revision) == (form, 2)


async def test_what_was_typed_stands_nowhere_in_the_open(office: Office) -> None:
    tools, submitter = of(office)
    await formdrafts.begin(tools, submitter, BEGINNING)
    assert b"Example Child" not in await tools.store.read(_body)


async def test_a_form_is_its_author_s_alone(office: Office) -> None:
    tools, submitter = of(office)
    draft_id = await formdrafts.begin(tools, submitter, BEGINNING)
    other = replace(submitter, person_id=submitter.person_id + 1)
    with pytest.raises(NotFound):
        await formdrafts.read(tools, other, draft_id)
    with pytest.raises(NotFound):
        await formdrafts.save(tools, other, draft_id, {}, revision=1)
    await formdrafts.discard(tools, other, draft_id)
    assert len(await formdrafts.own(tools, submitter)) == 1


async def test_only_submitters_begin_one(office: Office) -> None:
    tools, submitter = of(office)
    with pytest.raises(NotAllowed):
        await formdrafts.begin(tools, replace(submitter, roles=frozenset({"operator"})), BEGINNING)


async def test_a_second_window_does_not_undo_the_first(office: Office) -> None:
    tools, submitter = of(office)
    draft_id = await formdrafts.begin(tools, submitter, BEGINNING)
    await formdrafts.save(tools, submitter, draft_id, {"kind": ("amber",)}, revision=1)
    with pytest.raises(StaleVersion):
        await formdrafts.save(tools, submitter, draft_id, {}, revision=1)


async def test_a_discarded_form_takes_its_key_along(office: Office) -> None:
    tools, submitter = of(office)
    before = await tools.vault.ids()
    draft_id = await formdrafts.begin(tools, submitter, BEGINNING)
    await formdrafts.discard(tools, submitter, draft_id)
    assert await tools.vault.ids() == before
    with pytest.raises(NotFound):
        await formdrafts.read(tools, submitter, draft_id)


async def test_a_form_nobody_goes_on_with_is_forgotten(office: Office) -> None:
    tools, submitter = of(office)
    old = await formdrafts.begin(tools, submitter, BEGINNING)
    office.clock.now += UNTOUCHED + timedelta(seconds=1)
    young = await formdrafts.begin(tools, submitter, BEGINNING)
    await formdrafts.forget_untouched(tools)
    assert [each.id for each in await formdrafts.own(tools, submitter)] == [young] != [old]


async def test_a_purge_takes_the_forms_about_its_alert_along(office: Office) -> None:
    tools, submitter = of(office)
    alert_id = await office.activate()
    await end(tools, office["police"], alert_id, reason_code="found", why="Example", confirm=True)
    about = replace(BEGINNING, purpose=Purpose.UPDATE, alert_id=alert_id)
    await formdrafts.begin(tools, submitter, about)
    await formdrafts.forget_of_alert(tools, alert_id)
    assert await formdrafts.own(tools, submitter) == []


async def test_retention_forgets_what_nobody_goes_on_with(office: Office) -> None:
    tools, submitter = of(office)
    await formdrafts.begin(tools, submitter, BEGINNING)
    office.clock.now += UNTOUCHED + timedelta(seconds=1)
    await retain(tools, Retention())
    assert await formdrafts.own(tools, submitter) == []


async def test_one_person_has_so_many_forms_and_no_more(office: Office) -> None:
    tools, submitter = of(office)
    for _ in range(MOST):
        await formdrafts.begin(tools, submitter, BEGINNING)
    keys = await tools.vault.ids()
    with pytest.raises(Conflict):
        await formdrafts.begin(tools, submitter, BEGINNING)
    assert await tools.vault.ids() == keys


def _body(conn: Connection) -> bytes:
    body: bytes = conn.execute(select(form_drafts.c.body)).scalar_one()
    return body
