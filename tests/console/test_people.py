"""Accounts, roles and tokens change by two administrators; the command line breaks glass."""

from __future__ import annotations

import re
from pathlib import Path

import pyotp
import pytest
from aiohttp.test_utils import TestClient as Console
from click.testing import CliRunner
from sqlalchemy import Connection, select, update

from alertd.cli import main
from alertd.core.errors import Conflict, NotAllowed
from alertd.pipeline import accountchanges as changes
from alertd.pipeline import credentials, persons, sessions
from alertd.pipeline.breakglass import Act, break_glass, broken_at
from alertd.pipeline.rule_sets import register_all
from alertd.store.schema import audit, person_roles
from alertd.store.schema.accounts import credentials as accounts
from alertd.tools import Actor, Tools
from tests.conftest import FakeClock
from tests.console.conftest import Browser, SignIn, enter
from tests.web.conftest import Person, Submit


async def two(signed_in: SignIn, tools: Tools) -> tuple[Browser, Browser]:
    first = await signed_in("administrator")
    number = await enter(tools, "Example second administrator", {"administrator": False})
    return first, await signed_in("administrator", person_id=number)


async def freshen(tools: Tools, browser: Browser) -> None:
    def work(conn: Connection) -> None:
        of_them = sessions.sessions.c.person_id == browser.person_id
        conn.execute(update(sessions.sessions).where(of_them).values(fresh_at=tools.clock()))

    await tools.store.write(work)


async def agree(tools: Tools, browser: Browser, number: int = 1) -> str:
    await freshen(tools, browser)
    answer = await browser.post(f"/people/changes/{number}", {"decision": "agree"})
    assert answer.status in {200, 303}, await answer.text()
    return await answer.text()


async def roles_of(tools: Tools, person_id: int) -> set[str]:
    query = select(person_roles.c.role).where(person_roles.c.person_id == person_id)
    return set(await tools.store.read(lambda conn: conn.scalars(query).all()))


async def test_a_person_is_entered_once_a_second_administrator_agrees(
    signed_in: SignIn, tools: Tools, console: Console
) -> None:
    first, second = await two(signed_in, tools)
    given = {"name": "Example Newcomer", "language": "el", "roles": "submitter"}
    assert (await first.post("/people/new", given)).status == 303
    assert "Example Newcomer" not in await first.read("/people")
    assert "Example Newcomer" in await second.read("/people/changes")
    page = await agree(tools, second)
    (link,) = re.findall(r"/invitation/[\w-]+", page)
    assert "Example Newcomer" in await Browser(console).read(link)
    assert "Example Newcomer" in await second.read("/people")


async def test_who_asks_cannot_agree_but_may_take_it_back(signed_in: SignIn, tools: Tools) -> None:
    first, _ = await two(signed_in, tools)
    given = {"kind": "person.disable", "person": "1"}
    await first.post(f"/people/{first.person_id}", given)
    await freshen(tools, first)
    assert (await first.post("/people/changes/1", {"decision": "agree"})).status == 403
    assert (await first.post("/people/changes/1", {"decision": "decline"})).status == 303
    assert (await first.post("/people/changes/1", {"decision": "decline"})).status == 409


async def test_agreeing_asks_for_the_second_factor(signed_in: SignIn, tools: Tools) -> None:
    first, second = await two(signed_in, tools)
    for name in ("Example Newcomer", "Example Other"):
        await first.post("/people/new", {"name": name, "roles": "reader"})
    assert (await first.read("/people/changes")).count('class="toast"') == 1, "the same notice once"
    answer = await second.post("/people/changes/1", {"decision": "agree"})
    assert answer.headers["Location"] == "/again?to=/people/changes"


async def test_changed_roles_end_the_sessions_of_before(signed_in: SignIn, tools: Tools) -> None:
    first, second = await two(signed_in, tools)
    reader = await signed_in("reader")
    given = {"kind": "person.roles", "roles": "operator", "regions": "GR-I"}
    assert (await first.post(f"/people/{reader.person_id}", given)).status == 303
    assert (await reader.get("/account")).status == 200
    await agree(tools, second)
    assert await roles_of(tools, reader.person_id) == {"operator"}
    assert (await reader.get("/account")).status == 303


async def test_two_administrators_are_always_left(signed_in: SignIn, tools: Tools) -> None:
    first, second = await two(signed_in, tools)
    await first.post(f"/people/{first.person_id}", {"kind": "person.disable"})
    await freshen(tools, second)
    assert (await second.post("/people/changes/1", {"decision": "agree"})).status == 409
    await first.read("/people")


async def test_a_change_that_nobody_agreed_to_expires(
    signed_in: SignIn, tools: Tools, clock: FakeClock
) -> None:
    first, second = await two(signed_in, tools)
    asker = Actor(first.person_id, "first", frozenset({"administrator"}))
    other = Actor(second.person_id, "second", frozenset({"administrator"}))
    number = await changes.ask(tools, asker, "policy.token_approval", {"allowed": True})
    clock.tick(days=3)
    with pytest.raises(Conflict):
        await changes.decide(tools, other, number, agree=True)


async def test_a_token_is_shown_once_and_revoked_by_two(signed_in: SignIn, tools: Tools) -> None:
    first, second = await two(signed_in, tools)
    reader = await signed_in("reader")
    path = f"/people/{reader.person_id}"
    await first.post(path, {"kind": "token.mint", "label": "desk", "days": "30"})
    (token,) = re.findall(r"alertd_[\w-]{43}", await agree(tools, second))
    assert (await persons.authenticate(tools, token)).person_id == reader.person_id
    assert token not in await first.read(path)
    await second.post(path, {"kind": "token.revoke", "token": "1"})
    await agree(tools, first, 2)
    with pytest.raises(NotAllowed):
        await persons.authenticate(tools, token)


async def test_who_has_a_second_factor_decides_by_token_only_where_it_is_allowed(
    tools: Tools, people: dict[str, Person], submit: Submit, signed_in: SignIn
) -> None:
    alert_id = await submit()
    police = people["police"]
    number = (await persons.authenticate(tools, police.token)).person_id
    sealed = tools.vault.master.seal(pyotp.random_base32().encode())

    def enrol(conn: Connection) -> None:
        credentials.ensure(conn, number)
        mine = accounts.c.person_id == number
        conn.execute(update(accounts).where(mine).values(totp_secret=sealed))

    await tools.store.write(enrol)
    shown = await (await police.get(f"/api/v1/alerts/{alert_id}/renditions")).json()
    given = {"role": "police", "digest": shown["digest"]}
    ending = {"reason_code": "found", "why": "Example.", "confirm": True}
    assert (await police.post(f"/api/v1/alerts/{alert_id}/approvals", given)).status == 403
    assert (await police.post(f"/api/v1/alerts/{alert_id}/end", ending)).status == 403
    first, second = await two(signed_in, tools)
    await first.post("/people/policy", {"allowed": "1"})
    await agree(tools, second)
    assert (await police.post(f"/api/v1/alerts/{alert_id}/approvals", given)).status == 201
    # It waits for others still, so that there is nothing to end.
    assert (await police.post(f"/api/v1/alerts/{alert_id}/end", ending)).status == 409


async def test_changed_rules_are_put_in_force_by_two_administrators(
    signed_in: SignIn, tools: Tools
) -> None:
    await register_all(tools)
    name = tools.rulebook.programmes()[0]
    old = tools.rulebook.current(name)
    new = old.model_copy(update={"version": old.version + 1, "max_hours": old.max_hours - 1})
    tools.rulebook.rule_sets[name, new.version] = new
    await register_all(tools)
    first, second = await two(signed_in, tools)
    page = await first.read("/rules")
    assert "A version lives at most (hours)" in page
    assert "Who may end an alert" not in page
    digest = tools.rulebook.digest(new)
    given = {"programme": name, "version": str(new.version), "digest": digest}
    assert (await first.post("/rules", {**given, "digest": "0" * 64})).status == 409
    assert (await first.post("/rules", given)).status == 303
    assert digest in await second.read("/people/changes")
    assert tools.rulebook.current(name) == old
    await agree(tools, second)
    assert tools.rulebook.current(name) == new
    assert "A version lives at most" not in await first.read("/rules")


async def test_a_programme_whose_file_is_gone_is_ended_by_two_administrators(
    signed_in: SignIn, tools: Tools
) -> None:
    await register_all(tools)
    gone = tools.rulebook.programmes()[0]
    rules = tools.rulebook.current(gone)
    for key in [key for key in tools.rulebook.rule_sets if key[0] == gone]:
        tools.rulebook.rule_sets.pop(key)
    await register_all(tools)
    first, second = await two(signed_in, tools)
    given = {"programme": gone, "version": str(rules.version), "end": "1"}
    assert 'name="end"' in await first.read("/rules")
    assert (await first.post("/rules", {**given, "version": "99"})).status == 409
    assert (await first.post("/rules", given)).status == 303
    assert tools.rulebook.current(gone) == rules
    await agree(tools, second)
    assert gone not in tools.rulebook.programmes()
    assert 'name="end"' not in await first.read("/rules")


def test_the_command_line_makes_two_administrators_and_then_breaks_glass(
    tmp_path: Path,
) -> None:
    config = tmp_path / "alertd.toml"
    config.write_text(f'data_dir = "{tmp_path}/var"\n')

    def admin(*given: str) -> int:
        return CliRunner().invoke(main, ["--config", str(config), "admin", *given]).exit_code

    assert admin("Example first") == 0
    assert admin("Example second") == 0
    assert admin("Example third") != 0
    assert admin("Example third", "--break-glass", "both keys were lost") == 0


@pytest.mark.parametrize("act", Act)
async def test_broken_glass_is_on_record_and_alarms_for_a_day(
    tools: Tools, clock: FakeClock, act: Act
) -> None:
    await tools.store.write(break_glass, act, 7, "both keys were lost", clock())
    bodies = await tools.store.read(lambda conn: conn.scalars(select(audit.c.body)).all())
    assert any("both keys were lost" in body for body in bodies)
    assert await tools.store.read(broken_at, act, clock()) == clock()
    clock.tick(days=1)
    assert await tools.store.read(broken_at, act, clock()) is None


async def test_a_person_is_reached_at_what_two_administrators_agreed_on(
    signed_in: SignIn, tools: Tools
) -> None:
    first, second = await two(signed_in, tools)
    given = {
        "name": "Example Deputy",
        "roles": "police",
        "deputy": "yes",
        "regions": "GR-I",
        "email": "one@example.org, two@example.org",
    }
    assert (await first.post("/people/new", given | {"regions": "GR-Q"})).status == 422
    wrong = await first.post("/people/new", given | {"email": "one"})
    page = await wrong.text()
    assert wrong.status == 422
    assert all(text in page for text in ('id="email-error"', "Example Deputy"))
    assert re.search(r'value="GR-I" checked', page)

    assert (await first.post("/people/new", given)).status == 303
    assert "one@example.org, two@example.org" in await second.read("/people/changes")
    await agree(tools, second)
    number = await tools.store.read(
        lambda conn: conn.scalar(
            select(person_roles.c.person_id).where(person_roles.c.deputy.is_(True))
        )
    )
    assert "one@example.org, two@example.org" in await first.read(f"/people/{number}")

    await first.post(f"/people/{number}", {"kind": "person.reach", "email": "three@example.org"})
    await agree(tools, second, 2)
    page = await first.read(f"/people/{number}")
    assert "three@example.org" in page
    assert "one@example.org" not in page
    entries = await tools.store.read(lambda conn: conn.execute(select(audit)).all())
    assert "@example.org" not in str(entries)
