from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert, select

from alertd.atlas import load_atlas
from alertd.core.errors import NotFound
from alertd.pipeline import recipients as recipients_
from alertd.resources import home
from alertd.store.schema import (
    addresses,
    deliveries,
    person_addresses,
    recipient_regions,
    recipients,
)
from alertd.tools import CONSOLE

from .conftest import Ledger, attempt, checkpoint, files_with

NUMBER = "+306900000001"
ATLAS = load_atlas(home("config") / "regions")


@pytest.fixture
async def ledger(ledger: Ledger) -> Ledger:
    """Two recipients; the first is reached at NUMBER."""
    await ledger.settle([attempt(number) for number in range(1, 5)])
    for number in (1, 2):
        await ledger.tamper(
            insert(recipients).values(
                id=number,
                address_id=number,
                label=f"Example Recipient {number}",
                recipient_class="public",
                language="el",
                exercise=True,
                consent=f"form {number}",
                consent_at=ledger.now,
                created_at=ledger.now,
            )
        )
        await ledger.tamper(insert(recipient_regions).values(region="GR", recipient_id=number))
    return ledger


async def erase(ledger: Ledger, recipient_id: int = 1) -> None:
    tools: Any = SimpleNamespace(store=ledger.store, clock=lambda: ledger.now, atlas=ATLAS)
    await recipients_.erase(tools, CONSOLE, recipient_id)


async def rows(ledger: Ledger, query: Any) -> list[Any]:
    return list(await ledger.store.read(lambda conn: conn.execute(query).all()))


async def test_erased_recipient_lives_nowhere(ledger: Ledger) -> None:
    await erase(ledger)
    assert await rows(ledger, select(recipients.c.id)) == [(2,)]
    assert await rows(ledger, select(recipient_regions.c.recipient_id)) == [(2,)]


async def test_address_of_an_erased_recipient_is_blank_and_suppressed(ledger: Ledger) -> None:
    await erase(ledger)
    query = select(addresses.c.address, addresses.c.suppressed_reason).order_by(addresses.c.id)
    assert (await rows(ledger, query))[:2] == [("erased:1", "erased"), ("+306900000002", None)]


async def test_deliveries_of_an_erased_recipient_still_count_and_verify(ledger: Ledger) -> None:
    await erase(ledger)
    assert len(await rows(ledger, select(deliveries.c.id))) == 4
    report = await ledger.verify()
    assert (report.ok, report.attempts) == (True, 4)


async def test_entry_of_an_erasure_names_no_address(ledger: Ledger) -> None:
    await erase(ledger)
    bodies = await ledger.store.read(lambda conn: conn.exec_driver_sql("SELECT body FROM audit"))
    text = " ".join(body for (body,) in bodies)
    assert "recipient.erased" in text
    assert NUMBER not in text
    assert "Example Recipient" not in text


async def test_address_that_another_recipient_has_stays(ledger: Ledger) -> None:
    await ledger.tamper(recipients.update().values(address_id=1))
    await erase(ledger)
    query = select(addresses.c.address, addresses.c.suppressed_at).where(addresses.c.id == 1)
    assert await rows(ledger, query) == [(NUMBER, None)]


async def test_address_that_an_official_has_stays(ledger: Ledger) -> None:
    await ledger.tamper(insert(person_addresses).values(person_id=1, address_id=1))
    await erase(ledger)
    query = select(addresses.c.address).where(addresses.c.id == 1)
    assert await rows(ledger, query) == [(NUMBER,)]


async def test_address_goes_with_the_last_who_has_it(ledger: Ledger) -> None:
    await ledger.tamper(recipients.update().values(address_id=1))
    await erase(ledger, 1)
    await erase(ledger, 2)
    query = select(addresses.c.address).where(addresses.c.id == 1)
    assert await rows(ledger, query) == [("erased:1",)]


async def test_unknown_recipient_cannot_be_erased(ledger: Ledger) -> None:
    with pytest.raises(NotFound):
        await erase(ledger, 99)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_no_file_holds_the_address_after_an_erasure(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "alertd.db"
    checkpoint(path)
    traces = [NUMBER.encode(), b"Example Recipient 1"]
    assert len(files_with(tmp_path, *traces)) == 2
    await erase(ledger)
    checkpoint(path)
    assert files_with(tmp_path, *traces) == []
