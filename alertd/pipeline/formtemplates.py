"""Form templates: what a new form may start from, kept under a name for all who work there.

They hold the programme's side of a form and nothing of a case, so they stand in the open and
outlive every alert. The record names them by number: a name is written freely, and it forgets
nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from alertd.core.errors import InvalidAlert, NotFound, Problem
from alertd.core.problems import problems_of
from alertd.core.text import one_line, plain
from alertd.pipeline.record import Entry, record
from alertd.store.schema import form_templates
from alertd.tools import Actor, Tools

MOST = 200  # that an installation holds: whoever begins a form is offered all that are theirs
LONGEST = 60  # characters of a name

BEYOND = "reaches beyond your regions or programmes: nobody there would see it"

Form = Mapping[str, tuple[str, ...]]

_Name = Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(one_line)]
_NAME: TypeAdapter[str] = TypeAdapter(_Name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a template holds; by programme and regions it is told whose it is."""

    programme: str
    regions: tuple[str, ...]
    form: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class FormTemplate(Contents):
    id: int
    name: str


def covers(tools: Tools, actor: Actor, contents: Contents) -> bool:
    """Tell whether all of it lies where this person acts."""
    reached = tools.atlas.reaches(contents.regions)
    return actor.jurisdiction.covers(contents.programme, reached, tools.atlas)


async def save(tools: Tools, actor: Actor, name: str, contents: Contents) -> None:
    """Keep what a form says under a name; raises InvalidAlert where that is taken or none.

    It has to lie wholly inside where this person acts: else they would not see it again.
    """
    actor.require("submitter")
    if not contents.regions:
        raise InvalidAlert([Problem("regions", "is required: add it")])
    if not covers(tools, actor, contents):
        raise InvalidAlert([Problem("regions", BEYOND)])
    await tools.store.write(_insert, tools, actor, _checked(name), contents)


async def own(tools: Tools, actor: Actor) -> Sequence[FormTemplate]:
    """Give those that lie wholly inside where this person acts, by their names."""
    found = map(_made, await tools.store.read(_all))
    mine = (each for each in found if covers(tools, actor, each))
    return sorted(mine, key=lambda each: plain(each.name))


async def read(tools: Tools, actor: Actor, number: int) -> FormTemplate:
    """Give one of `own`; raises NotFound."""
    row = await tools.store.read(_one, number)
    if row is None or not covers(tools, actor, found := _made(row)):
        raise NotFound("there is no such template")
    return found


async def rename(tools: Tools, actor: Actor, number: int, name: str) -> None:
    """Give one of `own` another name; raises InvalidAlert where that is taken or none."""
    actor.require("submitter")
    known = await read(tools, actor, number)
    await tools.store.write(_rename, tools, actor, known, _checked(name))


async def remove(tools: Tools, actor: Actor, number: int) -> None:
    """Forget one of `own`."""
    actor.require("submitter")
    known = await read(tools, actor, number)
    await tools.store.write(_remove, tools, actor, known)


def _checked(name: str) -> str:
    try:
        return _NAME.validate_python(name.strip())
    except ValidationError as error:
        raise InvalidAlert([Problem("name", each.message) for each in problems_of(error)]) from None


def _insert(conn: Connection, tools: Tools, actor: Actor, name: str, contents: Contents) -> None:
    if (conn.scalar(select(func.count()).select_from(form_templates)) or 0) >= MOST:
        problem = Problem("name", f"finds no place: there are {MOST} templates, remove one first")
        raise InvalidAlert([problem])
    values = {"name": name, "folded": plain(name), **asdict(contents)}
    with _unless_taken(conn):
        number = conn.scalar(insert(form_templates).values(values).returning(form_templates.c.id))
    _note(conn, tools, actor, "template.saved", number, contents)


def _rename(conn: Connection, tools: Tools, actor: Actor, known: FormTemplate, name: str) -> None:
    this = form_templates.c.id == known.id
    with _unless_taken(conn):
        done = conn.execute(
            update(form_templates).where(this).values(name=name, folded=plain(name))
        )
    if done.rowcount != 1:
        raise NotFound("there is no such template any more")
    _note(conn, tools, actor, "template.renamed", known.id, known)


def _remove(conn: Connection, tools: Tools, actor: Actor, known: FormTemplate) -> None:
    if conn.execute(delete(form_templates).where(form_templates.c.id == known.id)).rowcount:
        _note(conn, tools, actor, "template.removed", known.id, known)


@contextmanager
def _unless_taken(conn: Connection) -> Iterator[None]:
    """Names that differ by accents, capitals or spaces alone are one and the same."""
    try:
        with conn.begin_nested():
            yield
    except IntegrityError:
        problem = Problem("name", "is the name of another template")
        raise InvalidAlert([problem]) from None


def _note(
    conn: Connection, tools: Tools, actor: Actor, act: str, number: int | None, said: Contents
) -> None:
    data = {"template": number, "programme": said.programme, "regions": said.regions}
    record(conn, Entry(actor.label, act, data=data), at=tools.clock())


def _all(conn: Connection) -> Sequence[RowMapping]:
    return conn.execute(select(form_templates).limit(MOST)).mappings().all()


def _one(conn: Connection, number: int) -> RowMapping | None:
    query = select(form_templates).where(form_templates.c.id == number)
    return conn.execute(query).mappings().one_or_none()


def _made(row: RowMapping) -> FormTemplate:
    known = {name: row[name] for name in ("id", "name", "programme")}
    form = {name: tuple(values) for name, values in row["form"].items()}
    return FormTemplate(**known, regions=tuple(row["regions"]), form=form)
