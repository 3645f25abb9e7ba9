"""A recipient's own page: shows one subscription and ends it. Looking never ends anything."""

from dataclasses import dataclass
from datetime import datetime

from aiohttp import web
from babel import Locale
from babel.dates import format_date
from sqlalchemy import Connection, select

from alertd.core.errors import NotFound
from alertd.masking import mask
from alertd.ownlinks import address_id_of, is_own_token
from alertd.pipeline import recipients as subscriptions
from alertd.store.schema import addresses, recipient_regions, recipients
from alertd.tools import Tools
from alertd.web.bodies import read_bytes
from alertd.web.pages import page, table, tag
from alertd.web.words import words

_MAX_FORM = 4096


@dataclass(frozen=True, slots=True)
class Subscription:
    """What reaches one address; nothing does when `regions` is empty."""

    address_id: int
    channel: str
    address: str
    language: str
    regions: tuple[str, ...]
    since: datetime | None
    exercise: bool


def read_subscription(conn: Connection, address_id: int) -> Subscription | None:
    address = (
        conn.execute(select(addresses).where(addresses.c.id == address_id)).mappings().one_or_none()
    )
    if address is None:
        return None
    theirs = recipients.c.address_id == address_id
    lasting = theirs & recipients.c.ended_at.is_(None)
    rows = (
        conn.execute(select(recipients).where(lasting).order_by(recipients.c.id)).mappings().all()
    )
    latest = select(recipients.c.language).where(theirs).order_by(recipients.c.id.desc()).limit(1)
    regions = conn.scalars(
        select(recipient_regions.c.region)
        .distinct()
        .join(recipients, recipients.c.id == recipient_regions.c.recipient_id)
        .where(lasting)
        .order_by(recipient_regions.c.region)
    )
    stopped = address["suppressed_at"] is not None
    return Subscription(
        address_id=address_id,
        channel=address["channel"],
        address=address["address"],
        language=rows[0]["language"] if rows else conn.scalar(latest) or "en",
        regions=() if stopped else tuple(regions),
        since=min((row["consent_at"] for row in rows), default=None),
        exercise=all(row["exercise"] for row in rows),
    )


def add_own_links(app: web.Application, tools: Tools) -> None:
    """Serve `/s/{token}`: GET shows, POST ends (a button, or a mail client by RFC 8058)."""

    async def show(request: web.Request) -> web.Response:
        return _page(tools, await _find(tools, request))

    async def end(request: web.Request) -> web.Response:
        await read_bytes(request, _MAX_FORM)  # whatever the form says: the link is the request
        found = await _find(tools, request)
        await subscriptions.end_own(tools, found.address_id)
        return _page(tools, await _find(tools, request))

    path = "/s/{token:[0-9a-f]{1,15}[.][A-Za-z0-9_-]{16}}"
    app.router.add_get(path, show)
    app.router.add_post(path, end)


async def _find(tools: Tools, request: web.Request) -> Subscription:
    token = request.match_info["token"]
    found = await tools.store.read(read_subscription, address_id_of(token))
    if found is None or not is_own_token(
        tools.vault.master, token, found.address_id, found.address
    ):
        raise NotFound("this link belongs to no subscription")
    return found


def _page(tools: Tools, found: Subscription) -> web.Response:
    said = words(found.language)
    medium = said.get(f"channel.{found.channel}", found.channel)
    rows = [(said["channel"], medium), (said["address"], mask(found.address))]
    if not found.regions:
        content = table(rows) + tag("p", said["ended"])
        return page(said["title"], content, language=found.language)
    names = ", ".join(tools.atlas.name(code, found.language) for code in found.regions)
    rows.append((said["regions"], names))
    if found.since:
        locale = Locale.parse(found.language, sep="-")
        since = format_date(found.since.date(), "d MMMM y", locale=locale)
        rows.append((said["since"], since))
    note = tag("p", said["exercises"]) if found.exercise else ""
    button = f'<form method="post">{tag("button", said["end"])}</form>'
    return page(said["title"], table(rows) + note + button, language=found.language)
