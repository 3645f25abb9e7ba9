"""Photos: taken in, kept sealed under a key of their own, shown while their alert lives.

An upload belongs to nobody until an alert names its digest; one that none takes is forgotten.
"""

import asyncio
import hashlib
import secrets
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)

from alertd.core.alert import ChildAlert
from alertd.core.errors import Conflict, Gone, InvalidAlert, NotFound, Problem
from alertd.core.lifecycle import VersionState
from alertd.core.photo import LINKED, Photo, Size, photo_path
from alertd.pictures import Picture, derive
from alertd.pipeline.dispatch import DISPATCHES
from alertd.pipeline.record import Entry, record
from alertd.pipeline.retired import destroy_retired
from alertd.pipeline.versions import take
from alertd.store.schema import photo_sizes, photos, retired_keys, version_photos, versions
from alertd.store.store import wake
from alertd.tools import Actor, Tools
from alertd.vault import Key

log = structlog.get_logger()

UNUSED = timedelta(hours=24)  # how long an upload waits for an alert that takes it
AT_ONCE = 2  # pictures decoded at a time: each may need some hundred megabytes

_TOKEN_BYTES = 16
_decoding = asyncio.Semaphore(AT_ONCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Upload:
    pictures: Sequence[Picture]
    token: str
    key: Key
    actor: Actor
    at: datetime

    @property
    def digest(self) -> str:
        return self.pictures[0].sha256


async def upload(tools: Tools, actor: Actor, data: bytes) -> Photo:
    """Take a picture in; gives what an alert may name. Raises InvalidAlert for no good picture.

    The same picture again gives the same digest, and is kept once.
    """
    actor.require("submitter")
    async with _decoding:
        pictures = await asyncio.to_thread(derive, data)
    if known := await find(tools, None, [pictures[0].sha256]):
        return known[0]
    key = await tools.vault.new()
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    taken = _Upload(pictures=pictures, token=token, key=key, actor=actor, at=tools.clock())
    photo_id = await tools.store.write(_insert, taken)
    log.info("photo.uploaded", photo=photo_id, person=actor.person_id)
    return Photo(photo_id, taken.digest, token, tuple(map(_size_of, pictures)))


async def of_alert(tools: Tools, alert_id: str | None, alert: ChildAlert) -> tuple[Photo, ...]:
    """Give the photos that an alert names; raises InvalidAlert for one that is not here."""
    wanted = digests(alert)
    found = {photo.digest: photo for photo in await find(tools, alert_id, wanted)}
    problems = [
        Problem(
            f"children.{place}.photo", "is not known here: send it to POST /api/v1/photos first"
        )
        for place, child in enumerate(alert.children)
        if child.photo is not None and child.photo not in found
    ]
    if problems:
        raise InvalidAlert(problems)
    return tuple(found.values())


def digests(alert: ChildAlert) -> list[str]:
    """Give the digests of the photos that an alert names, each once."""
    return sorted({child.photo for child in alert.children if child.photo is not None})


async def find(tools: Tools, alert_id: str | None, wanted: Collection[str]) -> list[Photo]:
    """Give the photos of these digests that this alert may show: its own, or nobody's yet."""
    if not wanted:
        return []
    rows, sizes = await tools.store.read(_find, alert_id, wanted)
    chosen: dict[str, RowMapping] = {}
    for row in rows:  # the alert's own come last
        chosen[row["digest"]] = row
    return [await _opened(tools, row, sizes) for row in chosen.values()]


async def shown(tools: Tools, now: datetime) -> dict[str, tuple[Photo, ...]]:
    """Give the photos that are public now, by alert."""
    found: dict[str, tuple[Photo, ...]] = {}
    rows, sizes = await tools.store.read(_shown, now)
    for row in rows:
        with suppress(NotFound):  # its key was destroyed since
            photo = await _opened(tools, row, sizes)
            found[row["alert_id"]] = (*found.get(row["alert_id"], ()), photo)
    return found


async def _opened(tools: Tools, row: RowMapping, sizes: Mapping[int, Sequence[Size]]) -> Photo:
    token = (await tools.vault.key(row["key_id"])).open(row["token"]).decode()
    return Photo(row["id"], row["digest"], token, tuple(sizes[row["id"]]))


def attach(conn: Connection, version_id: int, alert_id: str, chosen: Sequence[Photo]) -> None:
    """Make `chosen` the photos of a version; raises Conflict when another alert has taken one."""
    conn.execute(delete(version_photos).where(version_photos.c.version_id == version_id))
    for photo in chosen:
        free = or_(photos.c.alert_id.is_(None), photos.c.alert_id == alert_id)
        taken = conn.execute(
            update(photos)
            .where(photos.c.id == photo.id, free, photos.c.purged_at.is_(None))
            .values(alert_id=alert_id)
        )
        if taken.rowcount != 1:
            raise Conflict("a photo of this alert was taken by another one: upload it again")
        conn.execute(insert(version_photos).values(version_id=version_id, photo_id=photo.id))


async def revoke(tools: Tools, actor: Actor, alert_id: str, digest: str) -> None:
    """Take one photo of an alert down at once, whatever becomes of the alert."""
    await tools.store.write(_revoke, actor, alert_id, digest, tools.clock())
    log.info("photo.revoked", alert_id=alert_id, person=actor.person_id)


async def forget_unused(tools: Tools) -> None:
    """Forget uploads that no alert has taken."""
    now = tools.clock()
    if await tools.store.write(_forget_unused, now - UNUSED, now):
        await destroy_retired(tools)


def forget(conn: Connection, which: Sequence[int], *, at: datetime) -> int:
    """Empty these photos and retire their keys; the rows stay as the record of it."""
    if not which:
        return 0
    mine = photos.c.id.in_(which) & photos.c.purged_at.is_(None)
    keys = list(conn.scalars(select(photos.c.key_id).where(mine)))
    conn.execute(delete(photo_sizes).where(photo_sizes.c.photo_id.in_(which)))
    conn.execute(update(photos).where(mine).values(digest="", token=None, purged_at=at))
    if keys:
        conn.execute(insert(retired_keys), [{"key_id": key_id, "at": at} for key_id in keys])
    return len(keys)


def forget_of_alert(conn: Connection, alert_id: str, *, at: datetime) -> int:
    """Forget every photo of an alert, and uploads of the same pictures; gives how many."""
    own = select(photos.c.digest).where(photos.c.alert_id == alert_id, photos.c.digest != "")
    same = or_(
        photos.c.alert_id == alert_id, photos.c.alert_id.is_(None) & photos.c.digest.in_(own)
    )
    return forget(conn, list(conn.scalars(select(photos.c.id).where(same))), at=at)


# --- serving ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """A size of a photo as it is kept."""

    body: bytes | None  # sealed; None: no longer shown
    key_id: str
    digest: str


def address_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def read_public(conn: Connection, token: str, size: int, now: datetime) -> Shown:
    """Give what stands at a public address; raises NotFound for one that never was public."""
    lives, went_out = _is_shown(now).label("lives"), was_public().label("went_out")
    query = select(photos, lives, went_out).where(photos.c.address == address_of(token))
    row = conn.execute(query).one_or_none()
    if row is None or not row.went_out:
        raise NotFound("there is no such photo")
    return Shown(_body(conn, row.id, size) if row.lives else None, row.key_id, row.digest)


def was_public() -> ColumnElement[bool]:
    """Tell of a row of `photos` whether a version with it ever went out."""
    return _in_version(versions.c.sent_at.is_not(None))


def _is_shown(now: datetime) -> ColumnElement[bool]:
    lives = _in_version(versions.c.state == VersionState.ACTIVE, versions.c.expires_at > now)
    return and_(lives, photos.c.revoked_at.is_(None), photos.c.purged_at.is_(None))


def _in_version(*such: ColumnElement[bool]) -> ColumnElement[bool]:
    mine = version_photos.c.photo_id == photos.c.id
    return exists().where(mine, versions.c.id == version_photos.c.version_id, *such)


def read_own(conn: Connection, alert_id: str, digest: str, size: int) -> Shown:
    """Give a photo of an alert to those who may read it; raises NotFound."""
    row = conn.execute(
        select(photos).where(photos.c.alert_id == alert_id, photos.c.digest == digest)
    ).one_or_none()
    if row is None:
        raise NotFound("this alert has no such photo")
    return Shown(_body(conn, row.id, size), row.key_id, row.digest)


def read_either(conn: Connection, alert_id: str | None, digest: str, size: int) -> Shown:
    """Give a photo that an alert may show: its own, or one that none has taken; NotFound."""
    rows, _ = _find(conn, alert_id, [digest])
    if not rows:
        raise NotFound("there is no such photo")
    return Shown(_body(conn, rows[-1]["id"], size), rows[-1]["key_id"], digest)


def _body(conn: Connection, photo_id: int, size: int) -> bytes | None:
    found: bytes | None = conn.scalar(
        select(photo_sizes.c.body).where(
            photo_sizes.c.photo_id == photo_id, photo_sizes.c.size == size
        )
    )
    return found


async def read_photo(tools: Tools, token: str, size: int) -> bytes:
    """Give the JPEG at a public address; raises NotFound, and Gone once it is over."""
    shown = await tools.store.read(read_public, token, size, tools.clock())
    body = await open_shown(tools, shown)
    if body is None:
        raise Gone("this alert is over, and its photo is no longer published")
    return body


async def path_of(tools: Tools, number: int) -> str | None:
    """Give where a photo is served; None once it is deleted for good."""
    row = await tools.store.read(_sealed_token, number)
    if row is None or row["token"] is None:
        return None
    try:
        key = await tools.vault.key(row["key_id"])
    except NotFound:
        return None
    return photo_path(key.open(row["token"]).decode(), LINKED)


def _sealed_token(conn: Connection, number: int) -> RowMapping | None:
    query = select(photos.c.key_id, photos.c.token).where(photos.c.id == number)
    return conn.execute(query).mappings().one_or_none()


async def open_shown(tools: Tools, shown: Shown) -> bytes | None:
    """Give the JPEG; None when it is no longer shown."""
    if shown.body is None:
        return None
    try:
        key = await tools.vault.key(shown.key_id)
    except NotFound:
        return None
    return await asyncio.to_thread(key.open, shown.body)


# --- transactions ----------------------------------------------------------------------------


def _find(
    conn: Connection, alert_id: str | None, wanted: Collection[str]
) -> tuple[Sequence[RowMapping], dict[int, list[Size]]]:
    theirs: ColumnElement[bool] = photos.c.alert_id.is_(None)
    if alert_id is not None:
        theirs = or_(theirs, photos.c.alert_id == alert_id)
    query = select(photos).where(
        photos.c.digest.in_(wanted), photos.c.purged_at.is_(None), photos.c.revoked_at.is_(None)
    )
    order = (photos.c.alert_id.is_not(None), photos.c.id)
    return _with_sizes(conn, query.where(theirs).order_by(*order))


def _shown(conn: Connection, now: datetime) -> tuple[Sequence[RowMapping], dict[int, list[Size]]]:
    return _with_sizes(conn, select(photos).where(_is_shown(now)).order_by(photos.c.id))


def _with_sizes(
    conn: Connection, query: Select[Any]
) -> tuple[Sequence[RowMapping], dict[int, list[Size]]]:
    rows = conn.execute(query).mappings().all()
    sizes: dict[int, list[Size]] = defaultdict(list)
    columns = [photo_sizes.c[name] for name in ("photo_id", *Size.__dataclass_fields__)]
    of_them = photo_sizes.c.photo_id.in_([row["id"] for row in rows])
    order_by_size = photo_sizes.c.size.desc()
    for photo_id, *size in conn.execute(select(*columns).where(of_them).order_by(order_by_size)):
        sizes[photo_id].append(Size(*size))
    return rows, sizes


def _insert(conn: Connection, taken: _Upload) -> int:
    photo_id: int = conn.execute(
        insert(photos)
        .values(
            digest=taken.digest,
            key_id=taken.key.id,
            token=taken.key.seal(taken.token.encode()),
            address=address_of(taken.token),
            created_by=taken.actor.person_id,
            created_at=taken.at,
        )
        .returning(photos.c.id)
    ).scalar_one()
    rows = [
        {
            "photo_id": photo_id,
            "size": each.size,
            "width": each.width,
            "height": each.height,
            "length": len(each.body),
            "sha1": each.sha1,
            "body": taken.key.seal(each.body),
        }
        for each in taken.pictures
    ]
    conn.execute(insert(photo_sizes), rows)
    record(conn, Entry(taken.actor.label, "photo.uploaded", data={"photo": photo_id}), at=taken.at)
    return photo_id


def _size_of(picture: Picture) -> Size:
    return Size(picture.size, picture.width, picture.height, len(picture.body), picture.sha1)


def _revoke(conn: Connection, actor: Actor, alert_id: str, digest: str, at: datetime) -> None:
    actor.require(*take(conn, alert_id).rules.end_roles)
    mine = (photos.c.alert_id == alert_id) & (photos.c.digest == digest)
    photo_id = conn.scalar(select(photos.c.id).where(mine))
    if photo_id is None:
        raise NotFound("this alert has no such photo")
    unrevoked = photos.c.revoked_at.is_(None)
    revoked = conn.execute(update(photos).where(mine, unrevoked).values(revoked_at=at))
    if revoked.rowcount:
        wake(conn, DISPATCHES)  # feeds and files no longer name it
        record(conn, Entry(actor.label, "photo.revoked", alert_id, {"photo": photo_id}), at=at)


def _forget_unused(conn: Connection, before: datetime, at: datetime) -> int:
    query = select(photos.c.id).where(
        photos.c.alert_id.is_(None), photos.c.purged_at.is_(None), photos.c.created_at < before
    )
    return forget(conn, list(conn.scalars(query)), at=at)
