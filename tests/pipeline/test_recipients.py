"""Who is told: entered by hand or by file, gone at their wish, erased by an operator."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from alertd.core.errors import InvalidAlert, NotAllowed, NotFound
from alertd.pipeline.enrolment import Outcome
from alertd.pipeline.recipients import (
    Added,
    Imported,
    Recipient,
    add,
    end_own,
    erase,
    import_rows,
    remove,
)
from alertd.store.schema import (
    addresses,
    audit,
    person_addresses,
    recipient_regions,
    recipients,
)
from alertd.tools import CONSOLE
from tests.pipeline.conftest import Office

HEADER = "channel,address,language,regions,class,exercise,label,consent,consent_at"
ROW = "sms,+306900000001,el,GR-I,citizen,yes,Example one,form 1,2026-01-31"


async def added(office: Office, **changes: Any) -> Added:
    facts = {
        "channel": "sms",
        "address": "+30 690 000 0001",
        "language": "el",
        "regions": ["GR-I"],
        "recipient_class": "citizen",
        "exercise": True,
        "label": "Example one",
        "consent": "form 1",
        "consent_at": "2026-01-31",
    }
    return await add(office.tools, CONSOLE, Recipient.model_validate(facts | changes))


async def imported(office: Office, *rows: str, header: str = HEADER) -> Imported:
    lines = [f"{line}\n" for line in (header, *rows)]
    return await import_rows(office.tools, CONSOLE, lines)


async def test_a_recipient_is_entered_in_one_spelling_with_lane_and_consent(
    office: Office,
) -> None:
    done = await added(office, regions=["GR-I", "GR-B"])
    [address] = await office.rows(select(addresses).where(addresses.c.id == done.address_id))
    assert (address.address, address.secret) == ("+306900000001", None)
    assert address.lane == office.tools.channels["sms"].lane("+306900000001")
    [recipient] = await office.rows(select(recipients))
    assert (recipient.consent, recipient.exercise) == ("form 1", True)
    assert recipient.consent_at == datetime.fromisoformat("2026-01-31T00:00:00+00:00")
    assert [row.region for row in await office.rows(select(recipient_regions))] == ["GR-B", "GR-I"]


async def test_one_address_of_several_recipients_has_one_row(office: Office) -> None:
    first = await added(office)
    second = await added(office, label="Example two", address="+306900000001")
    assert first.address_id == second.address_id
    assert first.recipient_id != second.recipient_id


async def test_entering_again_changes_nothing(office: Office) -> None:
    first = await added(office)
    again = await added(office)
    assert (again.outcome, again.recipient_id) == (Outcome.UNCHANGED, first.recipient_id)
    assert len(await office.rows(select(recipients))) == 1


async def test_a_webhooks_secret_is_shown_once_and_stored_sealed(office: Office) -> None:
    done = await added(office, channel="webhook", address="https://partner.example.org/hook")
    assert done.secret.startswith("whsec_")
    assert done.secret not in repr(done)
    [row] = await office.rows(select(addresses).where(addresses.c.id == done.address_id))
    assert done.secret.encode() not in row.secret
    assert office.tools.vault.master.open(row.secret).decode() == done.secret
    again = await added(
        office, channel="webhook", address="https://partner.example.org/hook", label="Example two"
    )
    assert again.secret == ""


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"channel": "pigeon"}, "channel"),
        ({"address": "not a number"}, "address"),
        ({"regions": ["GR-I", "GR-99"]}, "regions.1"),
        ({"consent_at": "2027-01-01"}, "consent_at"),
    ],
)
async def test_a_faulty_recipient_is_refused_by_field(
    office: Office, changes: dict[str, Any], field: str
) -> None:
    before = await office.counts()
    with pytest.raises(InvalidAlert) as caught:
        await added(office, **changes)
    assert [problem.field for problem in caught.value.problems] == [field]
    assert await office.counts() == before


async def test_only_an_operator_enters_and_erases(office: Office) -> None:
    done = await added(office)
    with pytest.raises(NotAllowed):
        await erase(office.tools, office["police"], done.recipient_id)
    with pytest.raises(NotAllowed):
        await import_rows(office.tools, office["police"], [HEADER])


# --- files -----------------------------------------------------------------------------------


async def test_a_file_is_entered_and_its_bad_rows_reported_by_line(office: Office) -> None:
    report = await imported(
        office,
        ROW,
        "sms,nonsense,el,GR-I,citizen,yes,Example two,form 1,2026-01-31",
        "email,two@example.org,en,GR-I;GR-B,press,no,Example two,form 2,2026-02-01T10:00+02:00",
        "sms,+306900000004,el,GR-99,A class,perhaps,,form 1,",
        "sms,+306900000005,el",
        ROW + ",surplus",
    )
    assert (report.added, report.changed, report.unchanged) == (2, 0, 0)
    said = {row.line: {problem.field for problem in row.problems} for row in report.refused}
    assert said == {
        3: {"address"},
        5: {"class", "exercise", "label", "consent_at"},
        6: {"regions", "label", "consent", "consent_at"},
        7: {"row"},
    }
    assert "nonsense" not in str(report.refused)


async def test_a_file_imported_again_changes_nothing(office: Office) -> None:
    await imported(office, ROW)
    report = await imported(office, ROW)
    assert (report.added, report.changed, report.unchanged) == (0, 0, 1)
    assert len(await office.rows(select(recipients))) == 1


async def test_a_file_imported_again_brings_rows_up_to_date(office: Office) -> None:
    await imported(office, ROW)
    report = await imported(office, ROW.replace("GR-I", "GR-B").replace(",el,", ",en,"))
    assert (report.added, report.changed) == (0, 1)
    [row] = await office.rows(select(recipients))
    assert row.language == "en"
    assert [each.region for each in await office.rows(select(recipient_regions))] == ["GR-B"]


async def test_the_same_row_twice_in_a_file_is_reported(office: Office) -> None:
    report = await imported(office, ROW, ROW)
    assert report.added == 1
    assert [row.line for row in report.refused] == [3]


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (f"{HEADER},nickname", "column 10 is unknown"),
        (HEADER.replace(",consent_at", ""), "consent_at is missing"),
        (f"{HEADER},label", "twice"),
        ("", "channel is missing"),
    ],
)
async def test_a_file_with_other_columns_is_refused_whole(
    office: Office, header: str, says: str
) -> None:
    before = await office.counts()
    with pytest.raises(InvalidAlert, match=says):
        await imported(office, ROW, header=header)
    assert await office.counts() == before


async def test_a_file_as_a_spreadsheet_saves_it_is_read(office: Office) -> None:
    header = "\ufeff" + ", ".join(name.title() for name in HEADER.split(","))
    assert (await imported(office, ROW, header=header)).added == 1


async def test_a_file_that_is_not_utf8_is_refused(office: Office) -> None:
    def lines() -> Iterator[str]:
        yield HEADER + "\n"
        yield b"sms,\xff".decode()

    with pytest.raises(InvalidAlert, match="UTF-8"):
        await import_rows(office.tools, CONSOLE, lines())


async def test_new_webhooks_of_a_file_get_their_secrets_shown(office: Office) -> None:
    row = "webhook,https://partner.example.org/hook,en,GR,partner,no,Partner,form 2,2026-01-31"
    report = await imported(office, ROW, row)
    assert list(report.secrets) == [3]
    assert (await imported(office, ROW, row)).secrets == {}


async def test_progress_is_told_after_each_batch(office: Office) -> None:
    rows = [ROW.replace("0000001", f"{n:07}") for n in range(2500)]
    heard: list[int] = []
    report = await import_rows(
        office.tools, CONSOLE, [f"{line}\n" for line in (HEADER, *rows)], told=heard.append
    )
    assert report.added == 2500
    assert heard == [1001, 2001, 2501]
    assert len(await office.rows(select(recipients.c.id))) == 2500


async def test_two_imports_at_the_same_moment_enter_everybody_once(office: Office) -> None:
    rows = [ROW.replace("0000001", f"{n:07}") for n in range(50)]
    done = await asyncio.gather(imported(office, *rows), imported(office, *rows))
    assert sorted((each.added, each.unchanged) for each in done) == [(0, 50), (50, 0)]


async def test_imports_are_audited_in_counts_alone(office: Office) -> None:
    await imported(office, ROW)
    query = select(audit.c.body).where(audit.c.action == "recipients.entered")
    [row] = await office.rows(query)
    assert '"added":1' in row.body
    assert "690" not in row.body
    assert "Example one" not in row.body


# --- leaving ---------------------------------------------------------------------------------


async def test_an_own_link_ends_every_subscription_of_its_address(office: Office) -> None:
    first = await added(office)
    await added(office, label="Example two")
    await end_own(office.tools, first.address_id)
    assert all(row.ended_at == office.clock.now for row in await office.rows(select(recipients)))
    [address] = await office.rows(select(addresses).where(addresses.c.id == first.address_id))
    assert (address.suppressed_at, address.suppressed_reason) == (office.clock.now, "opted_out")


async def test_leaving_again_changes_nothing(office: Office) -> None:
    done = await added(office)
    await end_own(office.tools, done.address_id)
    before = await office.counts()
    await end_own(office.tools, done.address_id)
    assert await office.counts() == before


async def test_who_left_comes_back_only_by_a_newer_consent(office: Office) -> None:
    done = await added(office)
    await end_own(office.tools, done.address_id)
    report = await imported(office, ROW)
    assert [problem.field for row in report.refused for problem in row.problems] == ["consent_at"]

    office.clock.tick(days=2)
    newer = (office.clock.now - timedelta(days=1)).isoformat()
    back = await added(office, consent_at=newer)
    assert (back.outcome, back.recipient_id) == (Outcome.CHANGED, done.recipient_id)
    [row] = await office.rows(select(recipients))
    assert row.ended_at is None
    [address] = await office.rows(select(addresses).where(addresses.c.id == done.address_id))
    assert address.suppressed_at is None


async def test_an_official_who_leaves_is_still_asked_for_approvals(office: Office) -> None:
    done = await added(office, channel="email", address="police@example.org")
    await end_own(office.tools, done.address_id)
    alert_id = await office.submit()
    assert ("police", "police@example.org") in await office.asked(alert_id)


async def test_a_removed_recipient_stays_on_record(office: Office) -> None:
    done = await added(office)
    await remove(office.tools, CONSOLE, done.recipient_id)
    await remove(office.tools, CONSOLE, done.recipient_id)
    [row] = await office.rows(select(recipients))
    assert row.ended_at == office.clock.now
    actions = await office.rows(select(audit).where(audit.c.action == "recipient.removed"))
    assert len(actions) == 1


async def test_an_erased_recipient_leaves_no_word_behind(office: Office) -> None:
    url = "https://partner.example.org/hook"
    done = await added(office, channel="webhook", address=url)
    await erase(office.tools, CONSOLE, done.recipient_id)
    assert await office.rows(select(recipients)) == []
    assert await office.rows(select(recipient_regions)) == []
    [row] = await office.rows(select(addresses).where(addresses.c.id == done.address_id))
    assert (row.address, row.lane, row.secret) == (f"erased:{done.address_id}", "webhook", None)
    assert row.suppressed_at == office.clock.now
    with pytest.raises(NotFound):
        await erase(office.tools, CONSOLE, done.recipient_id)


async def test_an_address_that_somebody_else_uses_is_not_erased(office: Office) -> None:
    done = await added(office, channel="email", address="police@example.org")
    await erase(office.tools, CONSOLE, done.recipient_id)
    [row] = await office.rows(
        select(addresses.c.address)
        .join(person_addresses, person_addresses.c.address_id == addresses.c.id)
        .where(addresses.c.id == done.address_id)
    )
    assert row.address == "police@example.org"
