"""Accounts, as administrators see them; every change awaits a second one of them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from alertd.console.naming import change_rows, device_name, programme_name, role_name, role_names
from alertd.console.pages import Answer, Page, Visit, get, post
from alertd.console.permissions import ROLES, May
from alertd.console.reaching import offered, reach_of, read_reach
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
    return await call.render("person_new.html.j2", problems=[], form=call.form, **_choices(call))


async def ask_new(call: Visit) -> Answer:
    rights, problems = _rights(call)
    reach, unreachable = read_reach(call)
    name = call.form.get("name")
    if not name:
        problems.insert(0, ("name", call.say("Write the name that tells this person apart.")))
    if not rights["roles"]:
        problems.append(("roles", call.say("Choose at least one role.")))
    if problems := [*problems, *unreachable]:
        return await call.render(
            "person_new.html.j2", status=422, problems=problems, form=call.form, **_choices(call)
        )
    language = call.form.get("language", call.language)
    body = {"name": name, "language": language, **rights, "reach": reach}
    return await _ask(call, "person.enter", body)


def _rights(call: Visit) -> tuple[dict[str, Any], Problems]:
    """Read roles, regions and programmes, and what is wrong with the regions as they were typed.

    Raises InvalidAlert for a role or programme that is none: no form of ours offers it.
    """
    choices = _choices(call)
    roles = call.form.all("roles")
    programmes = call.form.all("programmes")
    regions = [code.upper() for code in call.form.get("regions").replace(",", " ").split()]
    known = {role for role, _ in choices["roles"]}
    problems = [Problem("roles", "is no role") for role in roles if role not in known]
    known = {programme for programme, _ in choices["programmes"]}
    problems += [Problem("programmes", "is no programme") for p in programmes if p not in known]
    if problems:
        raise InvalidAlert(problems)
    rights = {"roles": roles, "programmes": programmes, "regions": regions}
    unknown = " ".join(code for code in regions if not call.tools.atlas.known(code))
    said = call.say("There is no such region: %(codes)s.", codes=unknown)
    return rights | {"deputy": "deputy" in call.form}, [("regions", said)] if unknown else []


async def ask_change(call: Visit) -> Answer:
    """Ask for one of the changes of a person."""
    number = int(call.path("number"))
    kind = call.form.get("kind")
    body: dict[str, Any] = {"person": number}
    if kind == "person.roles":
        rights, problems = _rights(call)
        if problems:
            return await _one(call, problems)
        body |= rights
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
    await call.flash("Asked for. It is done once a second administrator agrees.")
    return call.redirect("/people/changes")


async def show_changes(call: Visit) -> Answer:
    return await _changes(call)


async def _changes(call: Visit, done: changes.Done | None = None) -> Answer:
    waiting = await call.tools.store.read(changes.list_open, call.tools.clock())
    numbers = [each.body["person"] for each in waiting if "person" in each.body]
    people = await call.tools.store.read(_names, numbers)
    told = [(each, change_rows(call, each.body, people)) for each in waiting]
    return await call.render("changes.html.j2", waiting=told, done=done)


def _names(conn: Connection, numbers: Sequence[int]) -> dict[int, str]:
    rows = conn.execute(select(persons.c.id, persons.c.name).where(persons.c.id.in_(numbers)))
    return {row.id: row.name for row in rows}


async def decide(call: Visit) -> Answer:
    agree = call.form.get("decision") == "agree"
    if agree:
        await call.require_fresh_factor("/people/changes")
    done = await changes.decide(call.tools, call.actor, int(call.path("number")), agree=agree)
    if done.secret:
        return await _changes(call, done)
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
