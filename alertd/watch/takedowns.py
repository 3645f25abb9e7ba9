"""Looks whether what an end took down is gone where the world sees it, and notes when.

It asks at the public address, as a reader would, so it sees proxies, mirror and CDN as well.
"""

import html
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import quote

import aiohttp
import structlog
from sqlalchemy import Connection

from alertd.core.errors import NotFound
from alertd.pipeline.photos import path_of
from alertd.pipeline.surfaces import Surface, What, note_gone, unseen
from alertd.pipeline.versions import Version, key_of, open_facts, read_all, select_versions
from alertd.store.schema import versions
from alertd.tools import Tools

log = structlog.get_logger(__name__)

WATCHED = timedelta(days=7)  # how long after an end it is looked for
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_NOT_THERE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})

Said = tuple[int, str]  # status and body


async def look(tools: Tools) -> None:
    """Ask for everything that was not yet seen to be gone, and note what is."""
    todo = await tools.store.read(unseen, tools.clock() - WATCHED)
    if not todo:
        return
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        for surface in todo:
            try:
                gone = await _is_gone(tools, session, surface)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("takedown.unseen", error=type(error).__name__)
                return
            if gone:
                await tools.store.write(note_gone, surface, tools.clock())


def still_public(conn: Connection, now: datetime, after_s: float) -> list[Surface]:
    """Give what should have been seen gone by now."""
    latest = now - timedelta(seconds=after_s)
    return [
        surface
        for surface in unseen(conn, now - WATCHED)
        if surface.over_at is not None and surface.over_at <= latest
    ]


async def _is_gone(tools: Tools, session: aiohttp.ClientSession, surface: Surface) -> bool:
    sent = await tools.store.read(_sent, surface.alert_id)
    match surface.what:
        case What.FEED:
            side = "exercise/" if sent[-1].exercise else ""
            feed = await _get(tools, session, f"/feeds/{side}feed.json")
            return not _lives_in(feed, surface.alert_id)
        case What.PAGE:
            names = await _names(tools, sent)
            languages = ("", *(f"/{each}" for each in sent[-1].rules.languages))
            paths = [f"/a/{surface.alert_id}{language}" for language in languages]
            return all([_is_neutral(await _get(tools, session, path), names) for path in paths])
        case What.CAP:
            status, _ = await _get(tools, session, f"/cap/{quote(surface.name)}.xml")
            return status in _NOT_THERE
        case What.PHOTO:
            path = await path_of(tools, int(surface.name))
            return path is None or (await _get(tools, session, path))[0] in _NOT_THERE


async def _get(tools: Tools, session: aiohttp.ClientSession, path: str) -> Said:
    async with session.get(tools.public_url + path) as answer:
        return answer.status, await answer.text(errors="replace")


def _lives_in(feed: Said, alert_id: str) -> bool:
    """Tell whether a JSON Feed shows the alert as live; what cannot be read may well do so."""
    status, text = feed
    if status != HTTPStatus.OK:
        return True
    try:
        said = [item["_alertd"] for item in json.loads(text)["items"]]
        return any((each["alert_id"], each["state"]) == (alert_id, "live") for each in said)
    except (ValueError, KeyError, TypeError):
        return True


def _is_neutral(page: Said, names: Sequence[str]) -> bool:
    status, text = page
    shown = html.unescape(text)
    named = any(name in shown for name in names) or "/p/" in text
    return status in _NOT_THERE or (status == HTTPStatus.OK and not named)


async def _names(tools: Tools, sent: Sequence[Version]) -> list[str]:
    """Give what the children of any version were called; nothing once that is purged."""
    try:
        key = await key_of(tools, sent[-1])
        alerts = [open_facts(key, version) for version in sent]
    except NotFound:
        return []
    return [child.name for alert in alerts for child in alert.children if child.name != "unknown"]


def _sent(conn: Connection, alert_id: str) -> list[Version]:
    query = select_versions().where(
        versions.c.alert_id == alert_id, versions.c.sent_at.is_not(None)
    )
    return read_all(conn, query.order_by(versions.c.number))
