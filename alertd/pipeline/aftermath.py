"""The takedown report: read from the ledger, so that it tells what happened, not what should."""

from collections import Counter, defaultdict
from datetime import datetime
from urllib.parse import quote

from sqlalchemy import Connection, RowMapping, func, select

from alertd.masking import mask
from alertd.pipeline.activate import ENDS
from alertd.pipeline.dispatch import REVOCABLE
from alertd.pipeline.surfaces import Surface, What, of_alert
from alertd.pipeline.takedown import CHANNEL
from alertd.pipeline.versions import latest
from alertd.shapes import EndpointAnswer, TakedownStep, TakedownView, TakenDown, Told
from alertd.store.schema import (
    acknowledgements,
    addresses,
    audit,
    deliveries,
    dispatches,
    recalls,
    versions,
)

_STAYS = {
    "sms": "{n} text messages stay on the phones that got them",
    "email": "{n} mails stay in the mailboxes that got them",
    "webhook": "{n} endpoints have what they were sent until they delete it",
}


def read_takedown(
    conn: Connection, alert_id: str, now: datetime, *, public_url: str
) -> TakedownView:
    """Give what came of an alert's end so far; raises NotFound."""
    newest = latest(conn, alert_id)
    sent = _sent(conn, alert_id)
    told = _told(conn, alert_id)
    return TakedownView(
        alert_id=alert_id,
        case_reference=newest.case_reference,
        status=newest.status,
        state=newest.state,
        reason=sent[-1]["closed_reason"] if sent else None,
        as_of=now,
        timeline=_timeline(conn, alert_id),
        taken_down=read_gone(conn, alert_id, public_url=public_url),
        told=told,
        endpoints=read_answers(conn, alert_id),
        not_recallable=[
            _STAYS[each.channel].format(n=each.reached - each.recalled)
            for each in told
            if each.channel in _STAYS and each.reached > each.recalled
        ],
    )


def read_gone(conn: Connection, alert_id: str, *, public_url: str) -> list[TakenDown]:
    """Give everything public that was the alert's, and when it went."""
    return [_taken_down(each, public_url) for each in of_alert(conn, alert_id)]


def _sent(conn: Connection, alert_id: str) -> list[RowMapping]:
    """Give the versions that went out, the oldest first."""
    mine = (versions.c.alert_id == alert_id, versions.c.sent_at.is_not(None))
    return list(conn.execute(select(versions).where(*mine).order_by(versions.c.number)).mappings())


def _timeline(conn: Connection, alert_id: str) -> list[TakedownStep]:
    query = select(audit.c.at, audit.c.action, audit.c.actor).where(audit.c.alert_id == alert_id)
    rows = conn.execute(query.order_by(audit.c.seq)).mappings()
    return [TakedownStep(**row) for row in rows]


def _taken_down(surface: Surface, public_url: str) -> TakenDown:
    addresses = {
        What.FEED: f"{public_url}/feeds/",
        What.PAGE: f"{public_url}/a/{surface.alert_id}",
        What.CAP: f"{public_url}/cap/{quote(surface.name)}.xml",
        What.PHOTO: f"number {surface.name}",  # its address is a secret for as long as it lives
    }
    return TakenDown(
        what=surface.what,
        address=addresses[surface.what],
        over_at=surface.over_at,
        gone_at=surface.gone_at,
    )


def read_answers(conn: Connection, alert_id: str) -> list[EndpointAnswer]:
    """Give who was asked to delete what they had, and what they said."""
    sent = _sent(conn, alert_id)
    return _endpoints(conn, sent[-1]["id"]) if sent else []


def _told(conn: Connection, alert_id: str) -> list[Told]:
    of_alert = (dispatches.c.id == deliveries.c.dispatch_id) & (dispatches.c.alert_id == alert_id)
    reached = conn.execute(
        select(deliveries.c.channel, func.count(deliveries.c.address_id.distinct()))
        .join(dispatches, of_alert)
        .where(dispatches.c.kind.in_(REVOCABLE), deliveries.c.handed_over)
        .group_by(deliveries.c.channel)
    )
    ends: dict[str, Counter[str]] = defaultdict(Counter)
    query = (
        select(deliveries.c.channel, deliveries.c.state, func.count())
        .join(dispatches, of_alert)
        .where(dispatches.c.kind.in_(ENDS), dispatches.c.occurrence == 0)
        .group_by(deliveries.c.channel, deliveries.c.state)
    )
    for channel, state, count in conn.execute(query):
        ends[channel][state] += count
    taken_back = dict(
        map(
            tuple,
            conn.execute(
                select(deliveries.c.channel, func.count())
                .join(recalls, recalls.c.delivery_id == deliveries.c.id)
                .join(dispatches, of_alert)
                .where(recalls.c.result == "recalled")
                .group_by(deliveries.c.channel)
            ),
        )
    )
    return [
        Told(
            channel=channel,
            reached=count,
            end=dict(ends[channel]),
            recalled=taken_back.get(channel, 0),
            recallable=channel not in _STAYS,
        )
        for channel, count in sorted(map(tuple, reached))
    ]


def _endpoints(conn: Connection, version_id: int) -> list[EndpointAnswer]:
    """Give every endpoint that was told of this version's end, as it last stood."""
    answered = dict(
        map(
            tuple,
            conn.execute(
                select(acknowledgements.c.address_id, acknowledgements.c.at).where(
                    acknowledgements.c.version_id == version_id
                )
            ),
        )
    )
    query = (
        select(deliveries.c.address_id, deliveries.c.state, addresses.c.address)
        .join(dispatches, dispatches.c.id == deliveries.c.dispatch_id)
        .join(addresses, addresses.c.id == deliveries.c.address_id)
        .where(
            dispatches.c.version_id == version_id,
            dispatches.c.kind.in_(ENDS),
            addresses.c.channel == CHANNEL,  # a seek for each of them, however many were told
        )
        .order_by(deliveries.c.address_id, dispatches.c.occurrence)
    )
    asked: Counter[int] = Counter()
    found: dict[int, EndpointAnswer] = {}
    for row in conn.execute(query):
        asked[row.address_id] += 1
        found[row.address_id] = EndpointAnswer(
            address=mask(row.address),
            state=row.state,
            asked=asked[row.address_id],
            acknowledged_at=answered.get(row.address_id),
        )
    return list(found.values())
