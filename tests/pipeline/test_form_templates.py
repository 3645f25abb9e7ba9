"""A form template is shared by those whose area it is, and holds what it was given alone."""

from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, select

from alertd.core.errors import InvalidAlert, NotAllowed, NotFound
from alertd.core.jurisdiction import Jurisdiction
from alertd.pipeline import formtemplates
from alertd.pipeline.formtemplates import LONGEST, Contents, FormTemplate
from alertd.store.schema import audit
from alertd.tools import Actor, Tools
from tests.pipeline.conftest import Office

HERE = "amber-alert-hellas"
FORM = {"area.regions": ("GR-I", "GR-B"), "phone_lines.0.number": ("116000",)}
CONTENTS = Contents(programme=HERE, regions=("GR-I", "GR-B"), form=FORM)


def placed(actor: Actor, *regions: str, programmes: tuple[str, ...] = ()) -> Actor:
    jurisdiction = Jurisdiction(frozenset(regions), frozenset(programmes))
    return replace(actor, jurisdiction=jurisdiction)


async def saved(office: Office, name: str = "Attica by night", **changes: Any) -> int:
    tools, submitter = office.tools, office["submitter"]
    await formtemplates.save(tools, submitter, name, replace(CONTENTS, **changes))
    return (await named(tools, submitter, " ".join(name.split()))).id


async def named(tools: Tools, actor: Actor, name: str) -> FormTemplate:
    return next(each for each in await formtemplates.own(tools, actor) if each.name == name)


def _acts(conn: Connection) -> list[tuple[str, str]]:
    query = select(audit.c.action, audit.c.body).where(audit.c.action.like("template.%"))
    return [(row.action, row.body) for row in conn.execute(query.order_by(audit.c.seq))]


async def test_a_template_is_read_as_it_was_saved(office: Office) -> None:
    number = await saved(office, "  Attica   by night ")
    found = await formtemplates.read(office.tools, office["submitter"], number)
    assert found == FormTemplate(id=number, name="Attica by night", **asdict(CONTENTS))


async def test_templates_stand_in_the_order_of_their_names(office: Office) -> None:
    for name in ("Ήπειρος", "Αττική", "Θράκη", "ζώνη"):
        await saved(office, name)
    listed = await formtemplates.own(office.tools, office["submitter"])
    assert [each.name for each in listed] == ["Αττική", "ζώνη", "Ήπειρος", "Θράκη"]


@pytest.mark.parametrize("name", ["ΑΤΤΙΚΉ ΝΎΧΤΑ", "αττικη  νυχτα", "Αττική νύχτα"])
async def test_a_name_is_given_once_however_it_is_written(office: Office, name: str) -> None:
    await saved(office, "Αττική νύχτα")
    other = await saved(office, "Another")
    for again in (saved(office, name), renamed(office, other, name)):
        with pytest.raises(InvalidAlert) as refused:
            await again
        assert refused.value.problems[0].field == "name"


async def renamed(office: Office, number: int, name: str) -> None:
    await formtemplates.rename(office.tools, office["submitter"], number, name)


@pytest.mark.parametrize("name", ["", "  ", "x" * (LONGEST + 1), "a\nb", "<b>", "\u202eabc"])
async def test_a_name_is_short_plain_text(office: Office, name: str) -> None:
    with pytest.raises(InvalidAlert) as refused:
        await saved(office, name)
    assert [problem.field for problem in refused.value.problems] == ["name"]


async def test_a_template_keeps_its_name_in_other_letters_and_is_forgotten(office: Office) -> None:
    tools, submitter = office.tools, office["submitter"]
    number = await saved(office)
    await renamed(office, number, "ATTICA by night")
    assert (await formtemplates.read(tools, submitter, number)).name == "ATTICA by night"
    await formtemplates.remove(tools, submitter, number)
    assert await formtemplates.own(tools, submitter) == []
    with pytest.raises(NotFound):
        await renamed(office, number, "Again")


async def test_the_record_tells_of_a_template_by_number_and_never_by_its_name(
    office: Office,
) -> None:
    """Names are written freely, and the record forgets nothing."""
    number = await saved(office, "Attica first")
    await renamed(office, number, "Attica second")
    await formtemplates.remove(office.tools, office["submitter"], number)
    acts = await office.tools.store.read(_acts)
    assert [act for act, _ in acts] == ["template.saved", "template.renamed", "template.removed"]
    for _, body in acts:
        assert f'"regions":["GR-I","GR-B"],"template":{number}' in body
        assert "Attica" not in body


async def test_a_number_is_never_given_to_another_template(office: Office) -> None:
    first = await saved(office)
    await formtemplates.remove(office.tools, office["submitter"], first)
    assert await saved(office) > first


@pytest.mark.parametrize(
    ("regions", "programmes", "sees"),
    [
        ((), (), True),
        (("GR",), (), True),
        (("GR-I", "GR-B"), (HERE,), True),
        (("GR-I",), (), False),  # a part of it
        (("GR-M",), (), False),
        (("GR",), ("another",), False),
    ],
)
async def test_a_template_is_theirs_alone_whose_area_covers_it(
    office: Office, regions: tuple[str, ...], programmes: tuple[str, ...], sees: bool
) -> None:
    tools, number = office.tools, await saved(office)
    actor = placed(office["submitter"], *regions, programmes=programmes)
    assert bool(await formtemplates.own(tools, actor)) is sees
    if sees:
        await formtemplates.rename(tools, actor, number, "Renamed")
        await formtemplates.remove(tools, actor, number)
        return
    for attempt in (
        formtemplates.read(tools, actor, number),
        formtemplates.rename(tools, actor, number, "Renamed"),
        formtemplates.remove(tools, actor, number),
    ):
        with pytest.raises(NotFound):
            await attempt
    with pytest.raises(InvalidAlert):
        await formtemplates.save(tools, actor, "Mine", CONTENTS)


async def test_a_region_that_is_no_longer_known_hides_a_template_from_the_bound_alone(
    office: Office,
) -> None:
    await saved(office, regions=("GR-XX",))
    tools, submitter = office.tools, office["submitter"]
    assert len(await formtemplates.own(tools, submitter)) == 1
    assert await formtemplates.own(tools, placed(submitter, "GR")) == []


async def test_a_template_names_its_regions(office: Office) -> None:
    with pytest.raises(InvalidAlert) as refused:
        await saved(office, regions=())
    assert refused.value.problems[0].field == "regions"


async def test_only_submitters_keep_and_change_one(office: Office) -> None:
    number = await saved(office)
    for attempt in (
        formtemplates.save(office.tools, office["police"], "Another", CONTENTS),
        formtemplates.rename(office.tools, office["police"], number, "Another"),
        formtemplates.remove(office.tools, office["police"], number),
    ):
        with pytest.raises(NotAllowed):
            await attempt


async def test_templates_are_bounded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formtemplates, "MOST", 2)
    await saved(office, "One")
    await saved(office, "Two")
    with pytest.raises(InvalidAlert):
        await saved(office, "Three")


async def test_an_alert_is_found_by_its_case_reference_without_reading_all(office: Office) -> None:
    def indexed(conn: Connection) -> list[str]:
        return [str(each["name"]) for each in inspect(conn).get_indexes("alerts")]

    assert "ix_alerts_case_reference" in await office.tools.store.read(indexed)
