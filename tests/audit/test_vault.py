from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertd.core.errors import ConfigError, NotFound, StoreBusy
from alertd.vault import (
    Key,
    Master,
    SealBroken,
    Vault,
    load_or_create_secret,
    open_vault,
)

from .conftest import MASTER, files_with


@pytest.fixture(params=["sqlite", "postgresql"])
def keys_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/sub/keys.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def vault(keys_url: str) -> AsyncIterator[Vault]:
    async with open_vault(keys_url, MASTER) as opened:
        yield opened


@given(st.binary(max_size=200))
def test_what_is_sealed_opens(data: bytes) -> None:
    key = Key("k", MASTER)
    assert key.open(key.seal(data)) == data


def test_same_data_is_sealed_differently_each_time() -> None:
    key = Key("k", MASTER)
    assert key.seal(b"x") != key.seal(b"x")


@pytest.mark.parametrize(
    "other", [Key("k", bytes(32)), Key("another", MASTER)], ids=["secret", "id"]
)
def test_value_sealed_under_another_key_does_not_open(other: Key) -> None:
    with pytest.raises(SealBroken):
        other.open(Key("k", MASTER).seal(b"x"))


@given(st.data())
def test_value_with_any_bit_changed_does_not_open(data: st.DataObject) -> None:
    key = Key("k", MASTER)
    sealed = bytearray(key.seal(b"some text"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealBroken):
        key.open(bytes(sealed))


@pytest.mark.parametrize("size", [0, 5, 12, 27])
def test_value_that_was_cut_does_not_open(size: int) -> None:
    key = Key("k", MASTER)
    with pytest.raises(SealBroken):
        key.open(key.seal(b"text")[:size])


def test_broken_seal_does_not_tell_what_was_sealed() -> None:
    with pytest.raises(SealBroken) as raised:
        Key("k", MASTER).open(b"Exampleson" * 4)
    assert "Exampleson" not in str(raised.value)


def test_master_derives_another_mac_per_purpose() -> None:
    master = Master(MASTER)
    assert master.mac("child", "x") == master.mac("child", "x") != master.mac("plate", "x")
    assert len(master.mac("child", "x")) == 64


def test_master_seals_for_itself() -> None:
    master = Master(MASTER)
    assert master.open(master.seal(b"whsec")) == b"whsec"
    with pytest.raises(SealBroken):
        Master(bytes(32)).open(master.seal(b"whsec"))


def test_master_of_a_wrong_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="32 bytes"):
        Master(b"short")


async def test_key_is_the_same_after_a_restart(keys_url: str) -> None:
    async with open_vault(keys_url, MASTER) as vault:
        key = await vault.new()
        sealed = key.seal(b"x")
    async with open_vault(keys_url, MASTER) as vault:
        assert (await vault.key(key.id)).open(sealed) == b"x"
        assert await vault.ids() == {key.id}


async def test_destroyed_key_is_gone_for_everyone(vault: Vault, keys_url: str) -> None:
    key = await vault.new()
    await vault.destroy(key.id)
    await vault.destroy(key.id)
    async with open_vault(keys_url, MASTER) as other:
        for either in (vault, other):
            with pytest.raises(NotFound):
                await either.key(key.id)


async def test_unknown_key_is_not_found(vault: Vault) -> None:
    with pytest.raises(NotFound):
        await vault.key("nope")


async def test_many_keys_at_once_are_all_kept(vault: Vault) -> None:
    keys = await asyncio.gather(*(vault.new() for _ in range(20)))
    assert await vault.ids() == {key.id for key in keys}


async def test_another_master_key_is_refused(keys_url: str) -> None:
    async with open_vault(keys_url, MASTER):
        pass
    with pytest.raises(ConfigError, match="another master key"):
        async with open_vault(keys_url, bytes(32)):
            pass


async def test_two_nodes_may_start_at_once(keys_url: str) -> None:
    async def start() -> None:
        async with open_vault(keys_url, MASTER) as vault:
            await vault.new()

    await asyncio.gather(*(start() for _ in range(4)))


@pytest.mark.parametrize(
    "url", ["mysql://h/d", "sqlite://", "sqlite:///", "sqlite:///:memory:", "nonsense"]
)
async def test_other_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        async with open_vault(url, MASTER):
            pass


async def test_database_that_is_away_is_said_to_be_busy(tmp_path: Path) -> None:
    with pytest.raises(StoreBusy):
        async with open_vault("postgresql://127.0.0.1:1/none", MASTER):
            pass


async def test_file_of_keys_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "keys.db"
    async with open_vault(f"sqlite:///{path}", MASTER):
        assert path.stat().st_mode & 0o777 == 0o600


async def test_nothing_of_a_destroyed_key_stays_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    async with open_vault(f"sqlite:///{path}", MASTER) as vault:
        keys = [await vault.new() for _ in range(120)]
        wrapped = read_wrapped(path)
        for key in keys[::2]:
            await vault.destroy(key.id)
        for key in keys[::2]:
            half = len(wrapped[key.id]) // 2
            traces = (wrapped[key.id][:half], wrapped[key.id][half:])
            assert files_with(tmp_path, *traces) == []
        kept = [(await vault.key(key.id)).id for key in keys[1::2]]
        assert kept == [key.id for key in keys[1::2]]


async def test_keys_are_stored_wrapped_only(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    async with open_vault(f"sqlite:///{path}", MASTER) as vault:
        key = await vault.new()
        secret = vault.master.unwrap(key.id, read_wrapped(path)[key.id])
    assert files_with(tmp_path, secret, MASTER) == []


async def test_key_destroyed_by_another_node_is_forgotten_in_time(tmp_path: Path) -> None:
    now = 0.0
    url = f"sqlite:///{tmp_path}/keys.db"
    async with open_vault(url, MASTER) as other:
        vault = Vault(other._database, Master(MASTER), monotonic=lambda: now)
        key = await vault.new()
        await other.destroy(key.id)
        assert (await vault.key(key.id)).id == key.id
        now = 301.0
        with pytest.raises(NotFound):
            await vault.key(key.id)


def read_wrapped(path: Path) -> dict[str, bytes]:
    conn = sqlite3.connect(path)
    rows = dict(conn.execute("SELECT id, wrapped FROM keys").fetchall())
    conn.close()
    return rows


def test_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "master.key"
    secret = load_or_create_secret(path, 32, create=True)
    assert len(secret) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create_secret(path, 32, create=True) == secret
    assert [file.name for file in path.parent.iterdir()] == ["master.key"]


def test_missing_secret_is_not_made_unasked(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    with pytest.raises(ConfigError, match="missing; restore it"):
        load_or_create_secret(path, 32, create=False)
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o644])
def test_secret_that_others_can_get_at_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    load_or_create_secret(path, 32, create=True)
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_or_create_secret(path, 32, create=True)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_secret_of_a_wrong_size_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(bytes(size))
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=f"has {size} bytes instead of 32"):
        load_or_create_secret(path, 32, create=True)


def test_secret_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_or_create_secret(tmp_path, 32, create=True)
