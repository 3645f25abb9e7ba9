"""What is forecast is what is seen afterwards."""

from datetime import timedelta

from alertd.core import gsm
from alertd.pipeline.forecast import forecast
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
