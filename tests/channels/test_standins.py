"""The stand-ins refuse what the real ones refuse, and show what arrived."""

import aiohttp
import pytest

from alertd.demo.peer import KEPT, Inbox
from alertd.demo.twilio import ACCOUNT_SID, AUTH_TOKEN, FakeTwilio
from alertd.testing import make_context, make_message, make_prepared, make_texts
from tests.channels.making import email_channel

GOOD = {"To": "+306900000001", "Body": "Example", "From": "Example", "ValidityPeriod": "60"}


async def post(twilio: FakeTwilio, form: dict[str, str], *, sid=ACCOUNT_SID, token=AUTH_TOKEN):
    login = aiohttp.encode_basic_auth(ACCOUNT_SID, token)
    url = f"{twilio.url}/2010-04-01/Accounts/{sid}/Messages.json"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=form, headers={"Authorization": login}) as response,
    ):
        return response.status, await response.json()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"To": ""}, 21604),
        ({"To": "306900000001"}, 21211),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"From": ""}, 21603),
        ({"ValidityPeriod": "0"}, 20001),
        ({"ValidityPeriod": "36001"}, 20001),
        ({"ValidityPeriod": "soon"}, 20001),
    ],
)
async def test_a_form_that_twilio_refuses_is_refused(twilio, change, code):
    status, payload = await post(twilio, GOOD | change)
    assert (status, payload["code"]) == (400, code)
    assert not twilio.messages


async def test_strangers_are_refused(twilio):
    assert (await post(twilio, GOOD, token="another"))[0] == 401
    assert (await post(twilio, GOOD, sid="AC" + "f" * 32))[0] == 404
    assert (await post(twilio, GOOD))[0] == 201


async def test_a_page_shows_what_arrived_and_runs_none_of_it(smtp):
    async with email_channel(smtp.smtp_port) as channel:
        texts = make_texts(channel) | {"subject.txt": "<script>alert(1)</script>"}
        prepared = make_prepared(channel, channel.compose(texts, make_context())[0])
        await channel.send(make_message(channel, "someone@example.org", prepared=prepared))
    async with aiohttp.ClientSession() as session, session.get(smtp.url) as response:
        page = await response.text()
    assert "1 arrived" in page
    assert "someone@example.org" in page
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


async def test_an_inbox_forgets_the_oldest_and_counts_on():
    inbox: Inbox[int] = Inbox()
    for number in range(KEPT + 5):
        await inbox.add(number)
    assert inbox.count == KEPT + 5
    assert (len(inbox.latest), inbox.latest[0]) == (KEPT, 5)


async def test_waiting_for_what_does_not_come_ends():
    with pytest.raises(TimeoutError):
        await Inbox[int]().wait_for(1, timeout_s=0.01)
