"""What is forecast is what is seen afterwards."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, update

from alertd.core import gsm
from alertd.pipeline.audience import FRESH, Intent, count_ahead
from alertd.pipeline.forecast import forecast
from alertd.pipeline.versions import latest
from alertd.store.schema import recipients
from tests.dispatch.conftest import Town


async def test_the_forecast_counts_exactly_who_is_reached(town: Town) -> None:
    await town.populate(3)
    await town.populate(2, exercise=False)
    await town.populate(1, region="GR-M")
    alert_id = await town.submit()
    told = await forecast(town.tools, alert_id)
    await town.approve(alert_id)
    states = await town.settled(alert_id)
    assert {each.channel: each.addresses for each in told.channels} == {
        channel: sum(count.values()) for channel, count in states.items() if channel != "feed"
    }


async def test_the_forecast_tells_parts_and_when_the_rate_lets_it_finish(town: Town) -> None:
    await town.populate(3)
    alert_id = await town.submit()
    told = await forecast(town.tools, alert_id)
    await town.approve(alert_id)
    await town.peers.twilio.wait_for(3)
    sms = next(each for each in told.channels if each.channel == "sms")
    seen = {gsm.parts(message.body)[1] for message in town.peers.twilio.messages}
    assert {each.parts_each for each in sms.languages} == seen
    assert sms.rate_per_s == 5000
    assert sms.finishes_at == told.as_of + timedelta(seconds=3 / 5000)


async def test_an_update_is_forecast_to_those_reached_before_as_well(town: Town) -> None:
    await town.populate(1)
    alert_id = await town.send()
    await town.settled(alert_id)
    await town.populate(1)
    told = await forecast(town.tools, alert_id)
    assert {each.addresses for each in told.channels} == {2}


async def test_each_region_counts_whom_expansion_takes_for_it(town: Town) -> None:
    await town.populate(3)
    await town.populate(2, region="GR")
    alert_id = await town.submit()
    for channel in (await forecast(town.tools, alert_id)).channels:
        assert {each.region: each.addresses for each in channel.regions} == {"GR": 2, "GR-I": 3}


async def test_a_price_tells_what_all_the_parts_cost(town: Town) -> None:
    await town.populate(3)
    alert_id = await town.submit()
    told = {each.channel: each for each in (await forecast(town.tools, alert_id)).channels}
    sms = told["sms"]
    parts = sum(each.addresses * (each.parts_each or 0) for each in sms.languages)
    assert (sms.cost, sms.currency) == (parts * Decimal("0.045"), "EUR")
    assert told["email"].cost is None


async def test_a_count_is_used_again_for_minutes_but_for_a_new_recipient(town: Town) -> None:
    await town.populate(2)
    alert_id = await town.submit()
    first = await forecast(town.tools, alert_id)
    later = replace(town.tools, clock=lambda: first.as_of + FRESH / 2)
    await town.tools.store.write(_leave, 1)
    again = await forecast(later, alert_id)
    assert again.counted_at == first.counted_at < again.as_of
    assert [each.addresses for each in again.channels] == [2, 2, 2]
    much_later = replace(town.tools, clock=lambda: first.counted_at + FRESH)
    fresh = await forecast(much_later, alert_id)
    assert sum(each.addresses for each in fresh.channels) == 5
    await town.populate(1)
    entered = await forecast(much_later, alert_id)
    assert sum(each.addresses for each in entered.channels) == 8


async def test_a_count_begun_ahead_serves_all_who_ask_for_the_same_regions(town: Town) -> None:
    await town.populate(2)
    alert_id = await town.submit()
    version = await town.tools.store.read(latest, alert_id)
    chosen = Intent(
        alert_id="",
        regions=frozenset(version.regions),
        exercise=version.exercise,
        channels=frozenset(),
    )
    ahead = await (await count_ahead(town.tools, chosen))
    told = await asyncio.gather(*(forecast(town.tools, alert_id) for _ in range(2)))
    assert {each.counted_at for each in told} == {ahead.counted_at}
    assert [each.addresses for each in told[0].channels] == [2, 2, 2]


def _leave(conn: Connection, recipient_id: int) -> None:
    conn.execute(
        update(recipients)
        .where(recipients.c.id == recipient_id)
        .values(ended_at=datetime(2026, 1, 1, tzinfo=UTC))
    )
