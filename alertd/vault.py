"""Keys and sealing: one key per alert, kept apart from the ledger, destroyed by a purge.

Everything personal in the ledger is sealed under its alert's key. The keys stand in a database
of their own, each wrapped by the master key, which stands in neither. A backup of the ledger
alone therefore tells nothing, and destroying one key covers free pages, journals and backups.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
import sqlite3
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    MetaData,
    NullPool,
    String,
    Table,
    create_engine,
    delete,
    event,
    func,
    insert,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from alertd.core.errors import ConfigError, DiskFull, NotFound, StoreBusy, StoreError

T = TypeVar("T")

SECRET_SIZE = 32  # bytes of the master secret, of every key and of a signing key's seed
_NONCE_SIZE = 12
_CACHE_SIZE = 256  # keys; an install has a handful of living alerts
_CACHE_S = 300.0  # another node may destroy a key: no copy outlives this

_metadata = MetaData()
_keys = Table(
    "keys",
    _metadata,
    Column("id", String(40), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)
_notes = Table(
    "notes",  # what must be known of the ledger without asking the ledger
    _metadata,
    Column("name", String(40), primary_key=True),
    Column("value", String(200), nullable=False),
)
_PREPARING = 0x616C65727464  # any number that is ours alone
_PROBE = "master"  # the row that tells whether the master key is the right one


class SealBroken(StoreError):
    """A sealed value was changed, or was sealed under another key."""


class Sealer(Protocol):
    """Something to seal with: an alert's Key or, for what is about no alert, the Master."""

    def seal(self, data: bytes) -> bytes: ...

    def open(self, sealed: bytes) -> bytes: ...


class Key:
    """AES-256-GCM under one key: 12 bytes of nonce, then ciphertext and tag.

    The nonces are random, which is sound for 2**32 sealings; an alert has some thousands.
    """

    def __init__(self, id: str, secret: bytes) -> None:  # noqa: A002 - what it is called
        self.id = id
        self._about = id.encode()
        self._cipher = AESGCM(secret)

    def seal(self, data: bytes) -> bytes:
        nonce = os.urandom(_NONCE_SIZE)
        return nonce + self._cipher.encrypt(nonce, data, self._about)

    def open(self, sealed: bytes) -> bytes:
        """Give what was sealed; raises SealBroken."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], self._about)
        except (InvalidTag, ValueError):
            raise SealBroken(f"a value sealed under key {self.id} does not open") from None


class Master:
    """What is derived from the master secret, one subkey per purpose."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_SIZE:
            raise ConfigError(f"the master key must have {SECRET_SIZE} bytes, not {len(secret)}")
        self._secret = secret
        self._macs: dict[str, bytes] = {}
        self._key = Key("master", self._derive("seal"))
        self._wrapping = self._derive("wrap")

    def seal(self, data: bytes) -> bytes:
        return self._key.seal(data)

    def open(self, sealed: bytes) -> bytes:
        """Give what was sealed; raises SealBroken."""
        return self._key.open(sealed)

    def mac(self, purpose: str, text: str) -> str:
        """Give the hex HMAC-SHA256 of `text`; the same text differs from purpose to purpose."""
        if purpose not in self._macs:
            self._macs[purpose] = self._derive(f"mac:{purpose}")
        return hmac.new(self._macs[purpose], text.encode(), hashlib.sha256).hexdigest()

    def wrap(self, key_id: str, secret: bytes) -> bytes:
        return Key(key_id, self._wrapping).seal(secret)

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        return Key(key_id, self._wrapping).open(wrapped)

    def _derive(self, purpose: str) -> bytes:
        info = f"alertd/{purpose}".encode()
        return HKDF(SHA256(), SECRET_SIZE, salt=None, info=info).derive(self._secret)


def _has(key_id: str) -> ColumnElement[bool]:
    return _keys.c.id == key_id


class _Database(Protocol):
    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one durable transaction; raises StoreBusy when the database is away."""
        ...

    async def close(self) -> None: ...


class Vault:
    """The keys of all alerts; made by `open_vault`."""

    def __init__(
        self,
        database: _Database,
        master: Master,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.master = master
        self._database = database
        self._monotonic = monotonic
        self._cache: OrderedDict[str, tuple[float, Key]] = OrderedDict()

    async def new(self) -> Key:
        """Make a key and give it once it is durable."""
        key_id = secrets.token_hex(16)
        secret = AESGCM.generate_key(SECRET_SIZE * 8)
        await self._put(key_id, self.master.wrap(key_id, secret))
        return self._remember(Key(key_id, secret))

    async def key(self, key_id: str) -> Key:
        """Give a key; raises NotFound once it is destroyed."""
        if (key := self._cached(key_id)) is not None:
            return key
        wrapped = await self._get(key_id)
        if wrapped is None:
            raise NotFound("the key of this alert is destroyed: its personal data is gone for good")
        return self._remember(Key(key_id, self.master.unwrap(key_id, wrapped)))

    async def destroy(self, key_id: str) -> None:
        """Destroy a key for good; destroying it again changes nothing."""
        self._cache.pop(key_id, None)
        await self._database.run(lambda conn: conn.execute(delete(_keys).where(_has(key_id))))
        self._cache.pop(key_id, None)  # a reader may have fetched it meanwhile

    async def ids(self) -> frozenset[str]:
        """Name every key that there is."""
        query = select(_keys.c.id).where(_keys.c.id != _PROBE)
        return frozenset(await self._database.run(lambda conn: conn.scalars(query).all()))

    async def note(self, name: str, value: str) -> None:
        """Keep a fact about the ledger where a copy of the ledger does not carry it along."""

        def work(conn: Connection) -> None:
            conn.execute(delete(_notes).where(_notes.c.name == name))
            conn.execute(insert(_notes).values(name=name, value=value))

        await self._database.run(work)

    async def noted(self, name: str) -> str | None:
        query = select(_notes.c.value).where(_notes.c.name == name)
        found: str | None = await self._database.run(lambda conn: conn.scalar(query))
        return found

    async def prepare(self) -> None:
        """Make the table; raises ConfigError when its keys belong to another master key."""
        await self._database.run(self._prepare)

    def _prepare(self, conn: Connection) -> None:
        if conn.dialect.name == "postgresql":  # two nodes may start at once
            conn.execute(select(func.pg_advisory_xact_lock(_PREPARING)))
        _metadata.create_all(conn)
        wrapped = conn.scalar(select(_keys.c.wrapped).where(_has(_PROBE)))
        if wrapped is None:
            conn.execute(insert(_keys).values(id=_PROBE, wrapped=self.master.wrap(_PROBE, b"")))
            return
        try:
            self.master.unwrap(_PROBE, wrapped)
        except SealBroken:
            raise ConfigError(
                "the key database was made under another master key: restore the master key"
                " file that belongs to it"
            ) from None

    async def _put(self, key_id: str, wrapped: bytes) -> None:
        statement = insert(_keys).values(id=key_id, wrapped=wrapped)
        await self._database.run(lambda conn: conn.execute(statement))

    async def _get(self, key_id: str) -> bytes | None:
        query = select(_keys.c.wrapped).where(_has(key_id))
        found: bytes | None = await self._database.run(lambda conn: conn.scalar(query))
        return found

    def _cached(self, key_id: str) -> Key | None:
        fresh_until, key = self._cache.get(key_id, (0.0, None))
        if key is None or fresh_until <= self._monotonic():
            self._cache.pop(key_id, None)
            return None
        self._cache.move_to_end(key_id)
        return key

    def _remember(self, key: Key) -> Key:
        self._cache[key.id] = (self._monotonic() + _CACHE_S, key)
        while len(self._cache) > _CACHE_SIZE:
            self._cache.popitem(last=False)
        return key


class _Sqlite:
    """Keys in a file: deleted ones are overwritten, and no write-ahead log remembers them."""

    def __init__(self, url: URL) -> None:
        path = Path(url.database or "")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)  # SQLite gives its journal the same mode
        self._engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
        event.listen(self._engine, "connect", _set_pragmas)
        event.listen(self._engine, "begin", lambda conn: conn.exec_driver_sql("BEGIN IMMEDIATE"))

    async def run(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._run, work)

    def _run(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine.begin() as conn:
                return work(conn)
        except DBAPIError as error:
            if getattr(error.orig, "sqlite_errorname", "") in DiskFull.CODES:
                raise DiskFull(DiskFull.__doc__) from error
            raise StoreBusy("the key database cannot be used") from error

    async def close(self) -> None:
        self._engine.dispose()


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where we say so
    connection.executescript(
        # EXTRA also syncs the folder: a journal that came back would undo a commit.
        "PRAGMA busy_timeout = 10000; PRAGMA secure_delete = ON;"
        "PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA"
    )


class _Postgres:
    """Keys in a database that must not be the ledger's, nor be kept in the same backup."""

    def __init__(self, url: URL) -> None:
        self._engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            pool_size=2,
            pool_pre_ping=True,
            hide_parameters=True,
        )

    async def run(self, work: Callable[[Connection], T]) -> T:
        try:
            async with self._engine.begin() as conn:
                return await conn.run_sync(work)
        except (DBAPIError, OSError) as error:
            raise StoreBusy("the key database cannot be used") from error

    async def close(self) -> None:
        await self._engine.dispose()


_KINDS: dict[str, type[_Sqlite | _Postgres]] = {"sqlite": _Sqlite, "postgresql": _Postgres}


def _database(url: str) -> _Database:
    try:
        parsed = make_url(url)
        kind = _KINDS[parsed.get_backend_name()]
    except (ArgumentError, KeyError):
        raise _unusable() from None
    if parsed.database in (None, "", ":memory:"):
        raise _unusable()
    return kind(parsed)


def _unusable() -> ConfigError:
    return ConfigError("keys.url: give sqlite:///path/of/keys.db or postgresql://host/database")


@asynccontextmanager
async def open_vault(url: str, master_key: bytes) -> AsyncIterator[Vault]:
    """Open the keys at `sqlite:///path` or `postgresql://...`, wrapped by `master_key`.

    Raises ConfigError for any other URL and for a master key that is not theirs.
    """
    database = _database(url)
    try:
        vault = Vault(database, Master(master_key))
        await vault.prepare()
        yield vault
    finally:
        await database.close()


def load_or_create_secret(path: Path, size: int, *, create: bool) -> bytes:
    """Give the `size` bytes of a secret file, made (0600) when it is missing and may be made."""
    try:
        secret = path.read_bytes()
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not create:
            raise ConfigError(
                f"{path}: this secret file is missing; restore it, or for a new install make it:"
                f" (umask 077; head -c {size} /dev/urandom > {path})"
            ) from None
        _create_secret(path, size)
        return load_or_create_secret(path, size, create=False)
    except OSError as error:
        raise ConfigError(f"{path}: this secret file cannot be read: {error.strerror}") from None
    if mode & 0o027:  # a group may read: orchestrators mount secrets that way
        raise ConfigError(f"{path}: other users can get at this secret; run: chmod 600 {path}")
    if len(secret) != size:
        raise ConfigError(
            f"{path}: this secret file has {len(secret)} bytes instead of {size};"
            " restore it from its backup"
        )
    return secret


def _create_secret(path: Path, size: int) -> None:
    """Write a whole secret or none; another process that is faster wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(secrets.token_bytes(size))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
