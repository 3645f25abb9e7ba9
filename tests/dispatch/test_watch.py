"""alertd watches over itself: link tests, alarms, stage clocks, drains, measures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, select, update

from alertd.core.errors import Conflict, NotAllowed
from alertd.core.rendition import Kind
from alertd.demo.twilio import ACCOUNT_SID
from alertd.pipeline import lanes, persons
from alertd.pipeline.breakglass import Act, break_glass
from alertd.pipeline.hold import hold_old_copy
from alertd.pipeline.proposals import decided, propose
from alertd.pipeline.record import Entry, record
from alertd.sections import Watch
from alertd.store.schema import addresses, alarms, audit, dispatches
from alertd.tools import CONSOLE, Actor
from alertd.watch import links, switch
from alertd.watch.alarms import Alarm, recent
from alertd.watch.notify import channels_of
from alertd.watch.watcher import Watcher
from tests.dispatch.conftest import Town
from tests.factories import NOW

LIMITS = Watch(
    link_test_s=180,
    start_s=60,
    waiting_s=120,
    submission_s=3600,
    approval_s=900,
    first_delivery_s=60,
    takedown_s=90,
    notify=True,
)
PHONE = "+306900000099"


class Late:
    """A watcher that looks on from a later moment."""

    def __init__(self, town: Town, **later: float) -> None:
        self.span = timedelta(**later)
        self.watcher = Watcher(replace(town.tools, clock=self), LIMITS)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.span


@pytest.fixture
async def operator(town: Town) -> Actor:
    person = persons.NewPerson(
        name="Example operator",
        language="en",
        roles={"operator": False},
        addresses=[("sms", PHONE), ("email", "operator@example.org")],
    )
    number = await persons.create(town.tools, CONSOLE, person)
    return Actor(number, person.name, frozenset({"operator"}))


async def until(true: Callable[[], bool], timeout_s: float = 10) -> None:
    async with asyncio.timeout(timeout_s):
        while not true():
            await asyncio.sleep(0.02)


def kinds(conn: Connection) -> list[tuple[str, bool]]:
    return [(alarm.kind, alarm.ended_at is None) for alarm in recent(conn)]


def notices(conn: Connection) -> list[str]:
    query = select(dispatches.c.variant).where(dispatches.c.kind == Kind.NOTICE)
    return [name for name in conn.scalars(query) if name != "activated"]


def test_one_notice_names_all_channels_of_its_kind() -> None:
    found = [
        Alarm(kind=kind, subject=f"2026/0412 {channel} 3", alert_id=alert_id, raised_at=NOW)
        for kind, channel, alert_id in (
            ("not_started", "sms", "first"),
            ("not_started", "email", "first"),
            ("nobody", "webhook", "first"),
            ("not_started", "feed", "second"),
        )
    ]
    assert channels_of(found[0], found) == ["email", "sms"]
    assert channels_of(found[2], found) == ["webhook"]


async def test_a_planned_channel_that_has_not_begun_is_shouted_once(
    town: Town, operator: Actor
) -> None:
    await town.populate(2)
    await switch.pause(town.tools, operator, "sms", "example maintenance")
    alert_id = await town.send()
    await until(lambda: len(town.peers.smtp.messages) >= 2)
    late = Late(town, seconds=90)
    for _ in range(2):
        await late.watcher.look()
    found = await town.tools.store.read(kinds)
    assert found.count(("not_started", True)) == 1  # email, webhook and feed have begun
    assert ("channel_closed", True) in found
    assert await town.tools.store.read(notices) == ["not_started"]
    said = await town.tools.store.read(
        lambda conn: list(conn.scalars(select(audit.c.action).where(audit.c.alert_id == alert_id)))
    )
    assert said.count("alarm.raised") == 1
    await switch.resume(town.tools, operator, "sms")
    await town.settled(alert_id)
    await late.watcher.look()
    assert ("not_started", False) in await town.tools.store.read(kinds)


async def test_a_planned_channel_with_no_recipient_is_shouted(town: Town, operator: Actor) -> None:
    await town.populate(2)
    await town.tools.store.write(
        lambda conn: conn.execute(
            update(addresses)
            .where(addresses.c.channel == "webhook")
            .values(suppressed_at=datetime.now(UTC), suppressed_reason="gone")
        )
    )
    await town.settled(await town.send())
    await Late(town, seconds=50).watcher.look()
    assert "nobody" not in dict(await town.tools.store.read(kinds))
    await Late(town, seconds=90).watcher.look()
    found = [alarm for alarm in await town.tools.store.read(recent) if alarm.kind == "nobody"]
    assert [alarm.subject.split()[1] for alarm in found] == ["webhook"]
    assert await town.tools.store.read(notices) == ["nobody"]


async def test_an_alarm_without_an_alert_reaches_operators_past_a_held_ledger(
    town: Town, operator: Actor
) -> None:
    await town.tools.store.write(lanes.set_state, lanes.EVERYTHING, lanes.EVERYTHING, lanes.CLOSED)
    watcher = Late(town).watcher
    await watcher.look()
    await until(lambda: any(sms.to == PHONE for sms in town.peers.twilio.messages))
    (told,) = [sms for sms in town.peers.twilio.messages if sms.to == PHONE]
    assert "old copy" in told.body
    mail = town.peers.smtp.messages[-1].message
    assert "old copy" in str(mail["subject"])
    html = mail.get_body(("html",)).get_content()
    assert ">Open the board</a>" in html
    assert "Case" not in html
    await watcher.look()
    assert len([sms for sms in town.peers.twilio.messages if sms.to == PHONE]) == 1


async def test_what_goes_around_two_administrators_reaches_operators_once(
    town: Town, operator: Actor
) -> None:
    now = datetime.now(UTC)
    await town.tools.store.write(propose, [("example", 2)], now - timedelta(days=2))
    await town.tools.store.write(propose, [("example", 2), ("fresh", 1)], now)
    for act in Act:
        await town.tools.store.write(break_glass, act, operator.person_id, "keys were lost", now)
    watcher = Late(town).watcher
    for _ in range(2):
        await watcher.look()
    assert sorted(await town.tools.store.read(kinds)) == [
        ("glass_broken", True),
        ("glass_token", True),
        ("rules_open", True),
    ]
    told = [sms.body for sms in town.peers.twilio.messages if sms.to == PHONE]
    assert sum("example 2" in body for body in told) == 1
    assert sum("administrator was entered from the command line" in body for body in told) == 1
    assert sum("token was given from the command line" in body for body in told) == 1
    assert len(told) == 3
    await town.tools.store.write(decided, "example", 2)
    await watcher.look()
    assert ("rules_open", False) in await town.tools.store.read(kinds)


async def test_an_alarm_that_nobody_took_is_told_again(town: Town) -> None:
    person = persons.NewPerson(
        name="Example operator",
        language="el",
        roles={"operator": False},
        addresses=[("sms", PHONE)],
    )
    await persons.create(town.tools, CONSOLE, person)
    town.peers.twilio.account_sid = "AC" + "f" * 32
    await town.tools.store.write(lanes.set_state, lanes.EVERYTHING, lanes.EVERYTHING, lanes.CLOSED)
    late = Late(town)
    await late.watcher.look()

    def told(conn: Connection) -> list[datetime | None]:
        return list(conn.scalars(select(alarms.c.told_at)))

    assert await town.tools.store.read(told) == [None]
    late.span = timedelta(seconds=61)
    town.peers.twilio.account_sid = ACCOUNT_SID
    await late.watcher.look()
    assert None not in await town.tools.store.read(told)


async def test_link_tests_are_kept_and_three_failures_are_an_alarm(
    town: Town, operator: Actor
) -> None:
    await links.test_links(town.tools, 180)
    good = {
        name: await town.tools.store.read(links.read_tests, name)
        for name in ("sms", "email", "feed", "webhook")
    }
    assert {name: [test.passed for test in tests[:1]] for name, tests in good.items()} == {
        "sms": [True],
        "email": [True],
        "feed": [True],
        "webhook": [],  # no endpoint is configured for pings
    }
    assert not town.peers.twilio.messages
    town.peers.twilio.script.account_status = "suspended"
    for _ in range(3):
        await links.test_links(town.tools, 0)
    tests = await town.tools.store.read(links.read_tests, "sms")
    assert [(test.passed, test.detail) for test in tests[:3]] == [(False, "suspended")] * 3
    await Late(town).watcher.look()
    assert ("link_down", True) in await town.tools.store.read(kinds)


async def test_link_tests_forget_what_is_old(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "KEPT", 3)
    for _ in range(5):
        await links.test_links(town.tools, 0)
    assert len(await town.tools.store.read(links.read_tests, "email")) <= 4


async def test_a_drained_channel_sends_what_waits_and_pauses(town: Town, operator: Actor) -> None:
    await town.populate(3)
    watcher = Late(town).watcher
    alert_id = await town.send()
    await switch.drain(town.tools, operator, "email", "example move")
    await town.settled(alert_id)
    await watcher.look()
    board = await watcher.board()
    assert {c.channel: c.state for c in board.channels}["email"] == "closed"
    with pytest.raises(Conflict):
        await switch.drain(town.tools, operator, "email", "again")
    await switch.resume(town.tools, operator, "email")
    board = await watcher.board()
    assert {c.channel: c.state for c in board.channels}["email"] == "open"


async def test_only_operators_switch_channels(town: Town) -> None:
    with pytest.raises(NotAllowed):
        await switch.pause(town.tools, town.officials["police"], "sms", "no")


async def test_a_late_stage_of_an_actual_alert_is_an_alarm(town: Town, operator: Actor) -> None:
    await town.submit(status="actual")
    late = Late(town, hours=1)
    await late.watcher.look()
    stages = {(clock.stage, clock.role): clock for clock in late.watcher.clocks}
    assert stages["approval", "police"].is_late(late())
    submission = stages["submission", ""]
    assert submission.lasted(late()) == pytest.approx(
        timedelta(minutes=30), abs=timedelta(seconds=9)
    )
    assert ("stage_late", True) in await town.tools.store.read(kinds)
    assert await town.tools.store.read(notices) == ["stage_late"]


async def test_a_late_stage_of_an_exercise_is_none(town: Town) -> None:
    await town.submit()
    late = Late(town, hours=1)
    await late.watcher.look()
    assert any(clock.is_late(late()) for clock in late.watcher.clocks)
    assert "stage_late" not in dict(await town.tools.store.read(kinds))


async def scrape(town: Town, **headers: str) -> tuple[int, str]:
    url = f"http://127.0.0.1:{town.app.ports['api']}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


def samples(page: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


async def test_the_measures_count_every_attempt_and_hold_nothing_personal(town: Town) -> None:
    await scrape(town)  # from here on it counts
    await town.populate(3)
    await town.settled(await town.send())
    status, page = await scrape(town)
    assert status == 200
    found = {(name, *sorted(labels.items())): value for name, labels, value in samples(page)}
    made = {
        labels["channel"]: value
        for name, labels, value in samples(page)
        if name == "alertd_attempts_total"
        and labels["result"] in {"sent", "delivered"}
        and labels["channel"] != "sms"  # whose deliveries are reported later as well
    }
    assert made["email"] == 3
    assert made["webhook"] == 3
    assert found["alertd_delay_seconds_count", ("channel", "email")] == 3
    assert found["alertd_queued", ("channel", "email")] == 0
    assert found["alertd_channel_state", ("channel", "sms"), ("state", "open")] == 1
    assert found["alertd_audit_chain_broken",] == 0
    assert found["alertd_audit_head",] > 0
    for word in ("Παραδειγματίδου", "@", "+3069", "XXX-0000", "EX-2026"):
        assert word not in page


async def test_the_measures_are_for_this_machine_and_for_operators(
    town: Town, operator: Actor
) -> None:
    forwarded = {"X-Forwarded-For": "192.0.2.7"}
    assert (await scrape(town, **forwarded))[0] == 401
    minted = await persons.mint(
        town.tools, CONSOLE, operator.person_id, label="example", lifetime=timedelta(hours=1)
    )
    bearer = {"Authorization": f"Bearer {minted.token}"}
    assert (await scrape(town, **forwarded, **bearer))[0] == 200


def forge(conn: Connection) -> None:
    seq = record(conn, Entry("person:1", "alert.edited"), at=datetime.now(UTC))
    conn.execute(update(audit).where(audit.c.seq == seq).values(actor="nobody"))


async def test_readiness_and_alarms_tell_of_a_broken_chain_and_a_held_ledger(town: Town) -> None:
    await town.tools.vault.note("ledger_head", "1:" + "0" * 64)
    await hold_old_copy(town.tools, "example")
    await town.tools.store.write(forge)
    await until(lambda: town.app.watcher.chain.broken)
    url = f"http://127.0.0.1:{town.app.ports['api']}/readyz"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        said = await answer.json()
    assert any("held" in alarm for alarm in said["alarms"])
    assert any("does not verify" in alarm for alarm in said["alarms"])
    await town.app.watcher.look()
    assert {("chain_broken", True), ("held", True)} <= set(await town.tools.store.read(kinds))
