"""Officials, and the tokens that they come with."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from alertd.core.errors import Conflict, InvalidAlert, NotAllowed, NotFound
from alertd.pipeline import persons
from alertd.store.schema import audit, tokens
from alertd.tools import CONSOLE, Actor
from tests.pipeline.conftest import Office

DAY = timedelta(days=1)


async def minted(office: Office, name: str = "police") -> persons.Minted:
    number = office[name].person_id
    return await persons.mint(office.tools, CONSOLE, number, label="example", lifetime=DAY)


async def test_a_token_opens_for_the_person_it_was_minted_for(office: Office) -> None:
    token = await minted(office)
    assert token.token.startswith("alertd_")
    assert await persons.authenticate(office.tools, token.token) == office["police"]


async def test_a_deputy_holds_the_role_too(office: Office) -> None:
    person = persons.NewPerson(name="Example deputy", language="el", roles={"police": True})
    number = await persons.create(office.tools, CONSOLE, person)
    token = await persons.mint(office.tools, CONSOLE, number, label="", lifetime=DAY)
    actor = await persons.authenticate(office.tools, token.token)
    assert actor == Actor(number, "Example deputy", frozenset({"police"}))


async def test_a_token_is_never_stored(office: Office) -> None:
    token = await minted(office)
    [row] = await office.rows(select(tokens))
    assert token.token not in str(row)
    assert token.token not in repr(token)
    assert len(row.digest) == 64


async def test_a_token_expires_in_its_second(office: Office) -> None:
    token = await minted(office)
    office.clock.tick(hours=23, minutes=59, seconds=59)
    await persons.authenticate(office.tools, token.token)
    office.clock.tick(seconds=1)
    with pytest.raises(NotAllowed):
        await persons.authenticate(office.tools, token.token)


@pytest.mark.parametrize("token", ["", "alertd_", "alertd_" + "A" * 43, "\udcff", "x" * 10_000])
async def test_an_unknown_token_opens_nothing(office: Office, token: str) -> None:
    await minted(office)
    with pytest.raises(NotAllowed, match="unknown, revoked or expired"):
        await persons.authenticate(office.tools, token)


async def test_a_revoked_token_opens_nothing(office: Office) -> None:
    token = await minted(office)
    await persons.revoke(office.tools, CONSOLE, token.token_id)
    await persons.revoke(office.tools, CONSOLE, token.token_id)
    with pytest.raises(NotAllowed):
        await persons.authenticate(office.tools, token.token)


async def test_a_disabled_person_opens_nothing(office: Office) -> None:
    token = await minted(office)
    await persons.disable(office.tools, CONSOLE, office["police"].person_id)
    with pytest.raises(NotAllowed):
        await persons.authenticate(office.tools, token.token)
    with pytest.raises(NotFound):
        await minted(office)


async def test_minting_and_revoking_are_audited(office: Office) -> None:
    token = await minted(office)
    await persons.revoke(office.tools, CONSOLE, token.token_id)
    query = select(audit.c.action, audit.c.actor, audit.c.body).order_by(audit.c.seq.desc())
    revoked, made = (await office.rows(query))[:2]
    assert (made.action, revoked.action) == ("token.minted", "token.revoked")
    assert made.actor == "console"
    assert json.loads(made.body)["data"] == {
        "token": token.token_id,
        "person": office["police"].person_id,
    }


async def test_an_official_is_audited_by_name_and_roles_without_addresses(office: Office) -> None:
    query = select(audit.c.body).where(audit.c.action == "person.created")
    bodies = [row.body for row in await office.rows(query)]
    assert any('"name":"Example police"' in body for body in bodies)
    assert not any("example.org" in body for body in bodies)


async def test_names_tell_people_apart(office: Office) -> None:
    person = persons.NewPerson(name="Example police", language="en", roles={"police": False})
    with pytest.raises(Conflict, match="of this name"):
        await persons.create(office.tools, CONSOLE, person)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "Example\u202eofficer"}, "name"),
        ({"language": "Greek"}, "language"),
        ({"roles": {}}, "roles"),
        ({"addresses": [("pigeon", "x")]}, "addresses.0"),
        ({"addresses": [("email", "a@example.org"), ("sms", "not a number")]}, "addresses.1"),
    ],
)
async def test_a_faulty_person_is_refused_and_leaves_nothing_behind(
    office: Office, changes: dict[str, Any], field: str
) -> None:
    given: dict[str, Any] = {"name": "Example new", "language": "en", "roles": {"reader": False}}
    before = await office.counts()
    with pytest.raises(InvalidAlert) as caught:
        await persons.create(office.tools, CONSOLE, persons.NewPerson(**given | changes))
    assert [problem.field for problem in caught.value.problems] == [field]
    assert await office.counts() == before


async def test_only_an_operator_makes_persons_and_tokens(office: Office) -> None:
    person = persons.NewPerson(name="Example new", language="en", roles={"reader": False})
    number = office["police"].person_id
    with pytest.raises(NotAllowed):
        await persons.create(office.tools, office["police"], person)
    with pytest.raises(NotAllowed):
        await persons.mint(office.tools, office["police"], number, label="", lifetime=DAY)
