"""Accounts, as administrators see them; every change awaits a second one of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from alertd.console.naming import (
    CHANGES,
    change_rows,
    device_name,
    programme_name,
    role_name,
    role_names,
)
from alertd.console.pages import Answer, Page, Visit, get, post
from alertd.console.permissions import ROLES, May
from alertd.console.reaching import offered, reach_of, read_reach
from alertd.console.regions import offered as offered_regions
from alertd.console.rendering import N_
from alertd.core.errors import InvalidAlert, NotFound, Problem
from alertd.pipeline import accountchanges as changes
from alertd.pipeline import credentials, sessions
from alertd.pipeline.accountchanges import TOKEN_APPROVAL
from alertd.pipeline.identity import LONGEST_SUBJECT
from alertd.pipeline.wording import autonym
from alertd.store.schema import marks, person_roles, persons, tokens
from alertd.store.schema.accounts import person_programmes, person_regions
from alertd.web.auth import approval_roles

_PAGE = 100
Problems = list[tuple[str, str]]
"""Fields, and what to do about each."""


async def show_all(call: Visit) -> Answer:
    after = call.query("after", "0")
    rows = await call.tools.store.read(_list, int(after) if after.isdigit() else 0)
    rulebook = call.tools.rulebook
    return await call.render(
        "people.html.j2",
        people=rows[:_PAGE],
        more=rows[_PAGE - 1]["id"] if len(rows) > _PAGE else 0,
        waiting=await call.tools.store.read(changes.count_open, call.tools.clock()),
        proposals=len(rulebook.proposals()) + len(rulebook.removals()),
        by_token=await call.tools.store.read(_by_token),
        named=lambda roles: role_names(call, roles),
        width="wide",
    )


def _list(conn: Connection, after: int) -> list[dict[str, Any]]:
    query = select(persons).where(persons.c.id > after).order_by(persons.c.id).limit(_PAGE + 1)
    rows = conn.execute(query).mappings().all()
    roles: dict[int, list[str]] = {row["id"]: [] for row in rows}
    held = select(person_roles).where(person_roles.c.person_id.in_(roles))
    for role in conn.execute(held.order_by(person_roles.c.role)).mappings():
        roles[role["person_id"]].append(role["role"])
    return [{**row, "roles": roles[row["id"]]} for row in rows]


def _by_token(conn: Connection) -> bool:
    return conn.scalar(select(marks.c.value).where(marks.c.name == TOKEN_APPROVAL)) is not None


async def show_one(call: Visit) -> Answer:
    return await _one(call, [])


async def _one(call: Visit, problems: Problems) -> Answer:
    number, now = int(call.path("number")), call.tools.clock()
    person, given = await call.tools.store.read(_person, number)
    return await call.render(
        "person.html.j2",
        status=422 if problems else 200,
        problems=problems,
        person=person,
        reach=await call.tools.store.read(reach_of, number),
        tokens=given,
        has=await call.tools.store.read(credentials.factors, number),
        listed=await call.tools.store.read(sessions.of_person, number, now),
        now=now,
        device=partial(device_name, call.words),
        provider=call.console.extras.get("provider"),
        regions=offered_regions(call, besides=person["regions"]),
        **_choices(call),
    )


def _person(conn: Connection, number: int) -> tuple[dict[str, Any], list[RowMapping]]:
    row = conn.execute(select(persons).where(persons.c.id == number)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such person")

    def of(column: Any) -> list[str]:
        return list(conn.scalars(select(column).where(column.table.c.person_id == number)))

    given = select(tokens).where(tokens.c.person_id == number).order_by(tokens.c.id.desc())
    person = {
        **row,
        "roles": of(person_roles.c.role),
        "deputy": any(of(person_roles.c.deputy)),
        "regions": of(person_regions.c.region),
        "programmes": of(person_programmes.c.programme),
    }
    return person, list(conn.execute(given.limit(50)).mappings())


def _choices(call: Visit) -> dict[str, Any]:
    rulebook = call.tools.rulebook
    roles = [*ROLES, *sorted(approval_roles(rulebook))]
    return {
        "roles": [(role, role_name(call, role)) for role in roles],
        "programmes": [(each, programme_name(call, each)) for each in rulebook.programmes()],
        "languages": [(tag, autonym(tag)) for tag in call.console.rendering.languages],
        "channels": offered(call),
    }


async def show_new(call: Visit) -> Answer:
    return await _new(call, [])


async def _new(call: Visit, problems: Problems) -> Answer:
    return await call.render(
        "person_new.html.j2",
        status=422 if problems else 200,
        problems=problems,
        form=call.form,
        regions=offered_regions(call),
        **_choices(call),
    )


async def ask_new(call: Visit) -> Answer:
    rights = _rights(call)
    reach, unreachable = read_reach(call)
    name = call.form.get("name")
    problems: Problems = []
    if not name:
        problems.append(("name", call.say("Write the name that tells this person apart.")))
    if not rights["roles"]:
        problems.append(("roles", call.say("Choose at least one role.")))
    if problems := [*problems, *unreachable]:
        return await _new(call, problems)
    language = call.form.get("language", call.language)
    body = {"name": name, "language": language, **rights, "reach": reach}
    return await _ask(call, "person.enter", body)


def _rights(call: Visit) -> dict[str, Any]:
    """Read roles, programmes and regions; raises InvalidAlert for what no form of ours offers."""
    choices, atlas = _choices(call), call.tools.atlas
    rights = {name: call.form.all(name) for name in ("roles", "programmes", "regions")}
    known = {name: {each for each, _ in choices[name]} for name in ("roles", "programmes")}
    problems = [
        Problem(name, f"{each!r} is none that there is; choose another")
        for name, chosen in rights.items()
        for each in chosen
        if not (atlas.known(each) if name == "regions" else each in known[name])
    ]
    if problems:
        raise InvalidAlert(problems)
    return {**rights, "deputy": "deputy" in call.form}


async def ask_change(call: Visit) -> Answer:
    """Ask for one of the changes of a person."""
    number = int(call.path("number"))
    kind = call.form.get("kind")
    body: dict[str, Any] = {"person": number}
    if kind == "person.roles":
        body |= _rights(call)
    elif kind == "person.reach":
        reach, problems = read_reach(call)
        if problems:
            return await _one(call, problems)
        body["reach"] = reach
    elif kind == "token.mint":
        days = call.form.get("days", "30")
        if not (days.isascii() and days.isdigit() and 1 <= int(days) <= 366):
            raise InvalidAlert([Problem("days", "from 1 to 366")])
        body |= {"label": call.form.get("label")[:100] or "console", "days": int(days)}
    elif kind == "token.revoke":
        body |= {"token": int(call.form.get("token") or 0)}
    elif kind == "person.link":
        body |= _name_there(call)
    elif kind not in {"person.disable", "person.invite", "person.unlink"}:
        raise NotFound("there is no such change")
    return await _ask(call, kind, body)


def _name_there(call: Visit) -> dict[str, str]:
    """Read whom the identity provider knows this person as; it is taken letter by letter."""
    provider, subject = call.console.extras.get("provider"), call.form.get("subject")
    if provider is None:
        raise NotFound("there is no identity provider")
    if not (0 < len(subject) <= LONGEST_SUBJECT):
        raise InvalidAlert([Problem("subject", f"has from 1 to {LONGEST_SUBJECT} characters")])
    return {"issuer": provider.issuer, "subject": subject}


async def ask_policy(call: Visit) -> Answer:
    return await _ask(call, "policy.token_approval", {"allowed": "allowed" in call.form})


async def _ask(call: Visit, kind: str, body: Mapping[str, Any]) -> Answer:
    await changes.ask(call.tools, call.actor, kind, body)
    await tell_asked(call, kind)
    return call.redirect("/people/changes")


async def tell_asked(call: Visit, kind: str) -> None:
    await call.flash(
        "%(change)s: asked for. It is done once a second administrator agrees.",
        change=call.say(CHANGES[kind]),
    )


async def show_changes(call: Visit) -> Answer:
    return await _changes(call)


def _concerned(conn: Connection, number: int, now: datetime) -> str:
    """Give the name of whom an open change is about; nothing where it is about nobody."""
    body = next((each.body for each in changes.list_open(conn, now) if each.id == number), {})
    return body.get("name") or _names(conn, [body.get("person", 0)]).get(body.get("person", 0), "")


async def _changes(call: Visit, done: changes.Done | None = None, concerned: str = "") -> Answer:
    waiting = await call.tools.store.read(changes.list_open, call.tools.clock())
    numbers = [each.body["person"] for each in waiting if "person" in each.body]
    people = await call.tools.store.read(_names, numbers)
    told = [(each, change_rows(call, each.body, people)) for each in waiting]
    return await call.render(
        "changes.html.j2", waiting=told, done=done, concerned=concerned, kinds=CHANGES
    )


def _names(conn: Connection, numbers: Sequence[int]) -> dict[int, str]:
    rows = conn.execute(select(persons.c.id, persons.c.name).where(persons.c.id.in_(numbers)))
    return {row.id: row.name for row in rows}


async def decide(call: Visit) -> Answer:
    number, agree = int(call.path("number")), call.form.get("decision") == "agree"
    if agree:
        await call.require_fresh_factor("/people/changes")
    concerned = await call.tools.store.read(_concerned, number, call.tools.clock())
    done = await changes.decide(call.tools, call.actor, number, agree=agree)
    if done.secret:
        return await _changes(call, done, concerned)
    await call.flash(N_("Done.") if agree else N_("Declined. Nothing was changed."))
    return call.redirect("/people/changes")


async def end_session(call: Visit) -> Answer:
    await sessions.end(call.tools, call.actor, int(call.path("number")), own=False)
    await call.flash("The session has ended.")
    return call.redirect("/people")


PAGES: tuple[Page, ...] = (
    get("/people", show_all, May.ADMINISTER),
    get("/people/new", show_new, May.ADMINISTER),
    post("/people/new", ask_new, May.ADMINISTER),
    get("/people/changes", show_changes, May.ADMINISTER),
    post("/people/changes/{number}", decide, May.ADMINISTER),
    post("/people/policy", ask_policy, May.ADMINISTER),
    post("/people/sessions/{number}/end", end_session, May.ADMINISTER),
    get("/people/{number}", show_one, May.ADMINISTER),
    post("/people/{number}", ask_change, May.ADMINISTER),
)
