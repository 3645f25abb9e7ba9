"""How officials are reached: where requests for approvals go, and alarms."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from alertd.console.pages import Visit
from alertd.console.rendering import N_
from alertd.core.errors import InvalidAlert
from alertd.pipeline.persons import reached_by
from alertd.store.schema import addresses, person_addresses

_CHANNELS = ("sms", "email")
_WRONG = {
    "sms": N_("Write each number with its country code: +306900000001."),
    "email": N_("Write each mailbox whole: name@example.org."),
}
Reach = list[tuple[str, str, str]]
"""Channel, address and lane of each."""


def offered(visit: Visit) -> list[str]:
    """Give the channels in use that people are reached by."""
    return [channel for channel in _CHANNELS if channel in visit.tools.channels]


def read_reach(visit: Visit) -> tuple[Reach, list[tuple[str, str]]]:
    """Read where a person is reached; gives what is wrong, by field, as well."""
    reach: Reach = []
    problems = []
    for channel in offered(visit):
        said = [each.strip() for each in visit.form.get(channel).split(",")]
        try:
            reach += reached_by(visit.tools, [(channel, each) for each in said if each])
        except InvalidAlert:
            problems.append((channel, visit.say(_WRONG[channel])))
    return reach, problems


def written(reach: Sequence[Sequence[str]]) -> str:
    return ", ".join(address for _, address, _ in reach) or "\u2013"


def reach_of(conn: Connection, person_id: int) -> Mapping[str, str]:
    """Give what a person is reached by, per channel, as the form has it."""
    query = (
        select(addresses.c.channel, addresses.c.address)
        .join(person_addresses, person_addresses.c.address_id == addresses.c.id)
        .where(person_addresses.c.person_id == person_id)
        .order_by(addresses.c.id)
    )
    found: dict[str, list[str]] = {}
    for row in conn.execute(query):
        found.setdefault(row.channel, []).append(row.address)
    return {channel: ", ".join(each) for channel, each in found.items()}
