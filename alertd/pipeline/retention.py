"""Does what retention asks for: each thing is purged so many days after its alert's end."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from alertd.core.errors import Conflict, NotFound
from alertd.core.retention import Ground, What
from alertd.pipeline import formdrafts
from alertd.pipeline.deletions import find_due
from alertd.pipeline.pseudonyms import hash_addresses
from alertd.pipeline.purge import finish_purges, purge
from alertd.pipeline.thin import thin
from alertd.sections import Retention
from alertd.tools import ALERTD, Tools


async def retain(tools: Tools, retention: Retention) -> None:
    """Purge what is due; without days a thing stays, but for what a crash left."""
    now = tools.clock()
    for what, days in _days(retention).items():
        if days is not None:
            await purge_due(tools, what, closed_before=now - timedelta(days=days))
    await finish_purges(tools)
    await formdrafts.forget_untouched(tools)


async def purge_due(tools: Tools, what: What, *, closed_before: datetime) -> Sequence[str]:
    """Purge it of every alert whose last version closed before that instant; gives them.

    One whose messages are still under way is left to the next turn.
    """
    purged = []
    for alert_id in await tools.store.read(find_due, what, closed_before):
        with suppress(Conflict, NotFound):  # NotFound: a purge of all of it came first
            await _purge(tools, alert_id, what)
            purged.append(alert_id)
    return purged


async def _purge(tools: Tools, alert_id: str, what: What) -> None:
    if what is What.ALERT:
        await purge(tools, alert_id, by=ALERTD, ground=Ground.RETENTION)
    elif what is What.ADDRESS:
        await hash_addresses(tools, alert_id, by=ALERTD, ground=Ground.RETENTION)
    else:
        await thin(tools, alert_id, what, by=ALERTD, ground=Ground.RETENTION)


def _days(retention: Retention) -> dict[What, int | None]:
    """Name each thing's days, all of it first: what it takes along needs no turn of its own."""
    return {
        What.ALERT: retention.closed_days,
        What.PERSON: retention.person_days,
        What.COMPANION: retention.companion_days,
        What.VEHICLE: retention.vehicle_days,
        What.PHOTO: retention.photo_days,
        What.ADDRESS: retention.address_days,
    }
