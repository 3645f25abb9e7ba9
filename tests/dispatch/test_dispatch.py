"""From the last approval to every recipient accounted for."""

from tests.dispatch.conftest import Town


async def test_an_approved_alert_reaches_every_recipient_on_every_channel(town: Town) -> None:
    await town.populate(5)
    alert_id = await town.send()
    states = await town.settled(alert_id)
    await town.peers.twilio.callbacks.wait_for(10)
    states = await town.states(alert_id)
    assert states == {
        "sms": {"delivered": 5},
        "email": {"sent": 5},
        "webhook": {"delivered": 5},
        "feed": {"delivered": 2},
    }
    assert len(town.peers.webhooks.messages) == 5
    assert len(town.peers.smtp.messages) == 5
