"""Photos: taken in, kept sealed under a key of their own, shown while their alert lives.

An upload belongs to nobody until an alert names its digest; one that none takes is forgotten.
"""

import asyncio
import hashlib
import secrets
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)

from alertd.core.alert import ChildAlert
from alertd.core.errors import Conflict, InvalidAlert, NotFound, Problem
from alertd.core.lifecycle import VersionState
from alertd.core.photo import Photo, Size
from alertd.pictures import Picture, derive
from alertd.pipeline.record import Entry, record
from alertd.pipeline.retired import destroy_retired
from alertd.pipeline.versions import take
from alertd.store.schema import photo_sizes, photos, retired_keys, version_photos, versions
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
    return [
        Photo(
            row["id"],
            row["digest"],
            (await tools.vault.key(row["key_id"])).open(row["token"]).decode(),
            tuple(sizes[row["id"]]),
        )
        for row in chosen.values()
    ]


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
    row = conn.execute(select(photos).where(photos.c.address == address_of(token))).one_or_none()
    if row is None:
        raise NotFound("there is no such photo")
    mine = (version_photos.c.photo_id == row.id) & (versions.c.id == version_photos.c.version_id)
    lives = exists().where(
        mine, versions.c.state == VersionState.ACTIVE, versions.c.expires_at > now
    )
    went_out = exists().where(mine, versions.c.sent_at.is_not(None))
    live, was_public = conn.execute(select(lives, went_out)).one()
    if not was_public:
        raise NotFound("there is no such photo")
    shown = live and row.revoked_at is None
    return Shown(_body(conn, row.id, size) if shown else None, row.key_id, row.digest)


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
    rows = conn.execute(query.where(theirs).order_by(*order)).mappings().all()
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
        record(conn, Entry(actor.label, "photo.revoked", alert_id, {"photo": photo_id}), at=at)


def _forget_unused(conn: Connection, before: datetime, at: datetime) -> int:
    query = select(photos.c.id).where(
        photos.c.alert_id.is_(None), photos.c.purged_at.is_(None), photos.c.created_at < before
    )
    return forget(conn, list(conn.scalars(query)), at=at)
