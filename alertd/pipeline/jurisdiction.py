"""Which alerts a person sees and decides on: those of their regions and programmes.

What lies partly inside is seen; only what lies inside as a whole is submitted, approved, changed
or ended. Roles are judged besides, by the tables of the API and of the console.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, literal, select, union, union_all

from alertd.core.alert import ChildAlert
from alertd.core.errors import InvalidAlert, NotAllowed, Problem
from alertd.core.jurisdiction import Jurisdiction
from alertd.core.regions import Atlas
from alertd.store.schema import alerts, dispatches, person_roles, versions
from alertd.store.schema.accounts import person_programmes, person_regions
from alertd.tools import Actor, Tools

BEYOND = "this alert reaches beyond your regions: somebody else has to decide"
_AT_ONCE = 500  # alerts or dispatches that one statement asks about

Sight = Callable[[str, Collection[str]], bool]
"""Tells by programme and reached regions whether an alert is seen."""


_RIGHTS = (person_roles.c.role, person_regions.c.region, person_programmes.c.programme)
_HELD = union_all(
    *(
        select(literal(n), column).where(column.table.c.person_id == bindparam("person"))
        for n, column in enumerate(_RIGHTS)
    )
)


def rights_of(conn: Connection, person_id: int) -> tuple[frozenset[str], Jurisdiction]:
    """Give a person's roles, and what bounds them."""
    held: tuple[set[str], ...] = tuple(set() for _ in _RIGHTS)
    for n, value in conn.execute(_HELD, {"person": person_id}):
        held[n].add(value)
    roles, regions, programmes = map(frozenset, held)
    return roles, Jurisdiction(regions, programmes)


@dataclass(slots=True)
class Eyes:
    """Tells of alerts by their ids whether they are seen; asks the ledger once for each."""

    conn: Connection
    sees: Sight | None
    _known: dict[str, bool] = field(default_factory=dict)

    def choose(self, alert_ids: Iterable[str]) -> set[str]:
        """Give those that are seen, by the regions of all their versions."""
        wanted = set(alert_ids)
        if self.sees is None:
            return wanted
        new = sorted(wanted - self._known.keys())
        for start in range(0, len(new), _AT_ONCE):
            those = new[start : start + _AT_ONCE]
            places = _places(self.conn, those)
            self._known |= {each: self.sees(*places[each]) for each in places}
        return {each for each in wanted if self._known.get(each)}

    def choose_dispatches(self, numbers: Collection[int]) -> list[int]:
        """Give those whose alert is seen, in their order."""
        if self.sees is None:
            return list(numbers)
        alert_of: dict[int, str] = {}
        those = list(numbers)
        for start in range(0, len(those), _AT_ONCE):
            query = select(dispatches.c.id, dispatches.c.alert_id)
            part = dispatches.c.id.in_(those[start : start + _AT_ONCE])
            alert_of |= dict(self.conn.execute(query.where(part)).all())
        seen = self.choose(alert_of.values())
        return [number for number in those if alert_of[number] in seen]


def sight(tools: Tools, actor: Actor) -> Sight | None:
    """Give what chooses the alerts of a list; None where all are seen."""
    mine = actor.jurisdiction
    if mine.everywhere:
        return None
    return lambda programme, reached: mine.touches(programme, reached, tools.atlas)


async def decides_on(tools: Tools, actor: Actor, alert_id: str) -> bool:
    """Tell whether an alert lies wholly inside; so does one that does not exist."""
    mine = actor.jurisdiction
    if mine.everywhere:
        return True
    found = await tools.store.read(_place, alert_id)
    return found is None or mine.covers(*found, tools.atlas)


async def hold(tools: Tools, actor: Actor, alert_id: str, *, deciding: bool) -> None:
    """Raise NotAllowed for an alert that this person does not see, or does not decide on."""
    mine = actor.jurisdiction
    if mine.everywhere:
        return
    found = await tools.store.read(_place, alert_id)
    if found is None:
        return
    if not mine.touches(*found, tools.atlas):
        raise NotAllowed("this alert lies outside your regions and programmes")
    if deciding and not mine.covers(*found, tools.atlas):
        raise NotAllowed(BEYOND)


def require_everywhere(actor: Actor) -> None:
    """Raise NotAllowed for whoever is bound to regions or programmes."""
    if not actor.jurisdiction.everywhere:
        raise NotAllowed("this serves every region: somebody whom none bounds has to do it")


def require_area(tools: Tools, actor: Actor, alert: ChildAlert) -> None:
    """Raise InvalidAlert for what lies outside where its author may alert."""
    mine = actor.jurisdiction
    problems = []
    if mine.programmes and alert.programme not in mine.programmes:
        own = ", ".join(sorted(mine.programmes))
        problems.append(Problem("programme", f"is not one of yours; choose of: {own}"))
    if not mine.covers(alert.programme, tools.atlas.reaches(alert.area.regions), tools.atlas):
        own = ", ".join(sorted(mine.regions))
        if not problems:
            problems.append(Problem("area.regions", f"reach beyond yours; choose within: {own}"))
    if problems:
        raise InvalidAlert(problems)


def outside(
    conn: Connection, programme: str, reached: Collection[str], atlas: Atlas
) -> frozenset[int]:
    """Give the persons who cannot decide on what reaches there: they need not be asked."""
    placed = union(select(person_regions.c.person_id), select(person_programmes.c.person_id))
    return frozenset(
        number
        for number in conn.scalars(placed).all()
        if not rights_of(conn, number)[1].covers(programme, reached, atlas)
    )


def _place(conn: Connection, alert_id: str) -> tuple[str, set[str]] | None:
    return _places(conn, [alert_id]).get(alert_id)


def _places(conn: Connection, alert_ids: Collection[str]) -> dict[str, tuple[str, set[str]]]:
    """Give programme and reached regions of all their versions: they may still be out in any."""
    rows = conn.execute(
        select(alerts.c.id, alerts.c.programme, versions.c.regions)
        .join(versions, versions.c.alert_id == alerts.c.id)
        .where(alerts.c.id.in_(alert_ids))
    )
    found: dict[str, tuple[str, set[str]]] = {}
    for row in rows:
        found.setdefault(row.id, (row.programme, set()))[1].update(row.regions)
    return found
