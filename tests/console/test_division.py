"""Operators see and act on their regions and programmes alone, page by page and route by route."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from alertd.console.app import PAGES
from alertd.console.permissions import May, permitted
from alertd.core.delivery import State
from alertd.pipeline import persons
from alertd.pipeline.expand import expand, pending
from alertd.store.schema import alarms, deliveries, recipients
from alertd.tools import Tools
from alertd.web.api import routes
from tests.console.conftest import STAFF, SignIn, enter
from tests.console.operators.conftest import enter_newsroom
from tests.console.test_jurisdiction import ATTICA, CRETE, HERE, place
from tests.console.test_pages import STREAMS
from tests.web.conftest import Activate, Person, Submit

CASE = "EX-2026-0001"
FOREIGN = ([CRETE], ())
OTHER_PROGRAMME = ((), ["other"])


@pytest.fixture
async def alert_id(tools: Tools, signed_in: SignIn, submit: Submit, activate: Activate) -> str:
    """Bring out an exercise in Attica, of which one message failed and an alarm stands."""
    number = await enter(tools, "Example enterer", {"operator": False})
    await enter_newsroom(tools, await signed_in("operator", person_id=number))
    made = await submit()
    await activate(made)
    for dispatch in await tools.store.read(pending):
        while not (await tools.store.write(expand, dispatch, now=tools.clock())).done:
            pass
    await tools.store.write(_fail, made, tools.clock())
    return made


def _fail(conn: Connection, alert_id: str, now: Any) -> None:
    mine = select(deliveries.c.id).where(deliveries.c.channel == "email").limit(1)
    halted = {"state": State.DEAD, "reason": "dns"}
    conn.execute(update(deliveries).where(deliveries.c.id == mine.scalar_subquery()).values(halted))
    said = {"kind": "stage_late", "subject": CASE, "alert_id": alert_id, "raised_at": now}
    conn.execute(insert(alarms).values(said))


def dead(conn: Connection) -> int:
    query = select(deliveries.c.id).where(deliveries.c.state == State.DEAD)
    return int(conn.execute(query).scalar_one())


def newsroom(conn: Connection) -> int:
    return int(conn.execute(select(recipients.c.id)).scalar_one())


async def fill_in(tools: Tools, path: str, alert_id: str) -> str:
    """Give an address that names what is there: the alert, its dead letter, its recipient."""
    number = await tools.store.read(newsroom if "/recipients" in path else dead)
    found = path.replace("{id}", alert_id).replace("{number}", str(number))
    return re.sub(r"\{[a-z]+\}", "police", found)


@pytest.mark.parametrize("mine", [FOREIGN, OTHER_PROGRAMME], ids=["region", "programme"])
@pytest.mark.parametrize("role", ["operator", "reader", "police"])
async def test_no_page_shows_a_foreigner_an_alert_or_acts_on_it(
    tools: Tools, signed_in: SignIn, alert_id: str, role: str, mine: Any
) -> None:
    browser = await signed_in(role)
    await place(tools, browser.person_id, *mine)
    may = permitted(STAFF[role], tools.rulebook)
    before = await tools.store.read(dead)
    tried = 0
    for page in PAGES:
        if page.needs not in may or page.path.endswith(STREAMS) or page.needs is May.OWN_ACCOUNT:
            continue
        at = await fill_in(tools, page.path, alert_id)
        given = {"chosen": str(before), "lane": "sms", "act": "pause", "why": "Example."}
        if mine is OTHER_PROGRAMME and page.needs is May.RECIPIENTS:
            continue  # recipients belong to regions, not to programmes
        get = page.method == "GET"
        answer = await (browser.get(at) if get else browser.post(at, given))
        text = (await answer.text()).replace(at, "")  # the page names itself
        assert CASE not in text, at
        assert alert_id not in text, at
        assert "news" not in text or "newsroom" in at or page.needs is May.MEDIA, at
        tried += 1
    assert tried > 5
    assert await tools.store.read(dead) == before  # nothing was queued again
    assert await tools.store.read(newsroom)


@pytest.mark.parametrize("mine", [FOREIGN, OTHER_PROGRAMME], ids=["region", "programme"])
async def test_no_route_tells_a_foreigner_of_an_alert_or_acts_on_it(
    tools: Tools, people: dict[str, Person], alert_id: str, mine: Any
) -> None:
    for person in people.values():
        number = (await persons.authenticate(tools, person.token)).person_id
        await place(tools, number, *mine)
    before = await tools.store.read(dead)
    for route in routes(tools.rulebook):
        for role in ("operator", "reader", "police"):
            if role not in route.roles:
                continue
            if mine is OTHER_PROGRAMME and "recipients" in route.path:
                continue
            at = await fill_in(tools, route.path, alert_id)
            answer = await people[role].ask(route.method, at)
            text = await answer.text()
            assert CASE not in text, at
            assert alert_id not in text, at
            assert "news" not in text, at
    assert await tools.store.read(dead) == before
    assert await tools.store.read(newsroom)


READ = ("/board", "/log", "/log.csv", "/dead-letters", "/audit", "/audit.csv")


@pytest.mark.parametrize("mine", [((), ()), ([ATTICA], ()), ((), [HERE])])
async def test_whoever_it_concerns_sees_and_does_all_of_it(
    tools: Tools, signed_in: SignIn, alert_id: str, mine: tuple[Sequence[str], Sequence[str]]
) -> None:
    browser = await signed_in("operator")
    await place(tools, browser.person_id, *mine)
    for path in READ:
        text = await browser.read(path)
        assert CASE in text or alert_id in text, path
    assert f"/recipients/{await tools.store.read(newsroom)}" in await browser.read("/recipients")
    number = await tools.store.read(dead)
    assert (await browser.post(f"/log/{number}/address")).status == 200
    await browser.post("/dead-letters", {"chosen": str(number)})
    assert "Queued again: 1 of 1" in await browser.read("/")


async def test_what_reaches_beyond_is_seen_and_not_sent_again(
    tools: Tools, signed_in: SignIn, submit: Submit, activate: Activate
) -> None:
    operator = await signed_in("operator")
    await enter_newsroom(tools, operator)
    wide = await submit(area={"regions": [ATTICA, CRETE]})
    await activate(wide)
    for dispatch in await tools.store.read(pending):
        while not (await tools.store.write(expand, dispatch, now=tools.clock())).done:
            pass
    await tools.store.write(_fail, wide, tools.clock())
    await place(tools, operator.person_id, [CRETE])
    number = await tools.store.read(dead)
    assert CASE in await operator.read(f"/log/{number}")
    assert (await operator.post(f"/log/{number}/address")).status == 403
    page = await (await operator.post("/dead-letters/preview", {"chosen": str(number)})).text()
    assert "beyond your regions" in page
    await operator.post("/dead-letters", {"chosen": str(number)})
    assert await tools.store.read(dead) == number


async def test_a_channel_serves_all_and_is_paused_only_by_whom_nothing_bounds(
    tools: Tools, signed_in: SignIn
) -> None:
    operator = await signed_in("operator")
    given = {"lane": "sms", "act": "pause", "why": "Example."}
    assert 'name="act"' in await operator.read("/board/channel?lane=sms")
    await place(tools, operator.person_id, [ATTICA])
    assert 'name="act"' not in await operator.read("/board/channel?lane=sms")
    assert (await operator.post("/board/channel", given)).status == 403


async def test_recipients_elsewhere_are_neither_entered_nor_taken_over(
    tools: Tools, signed_in: SignIn, people: dict[str, Person]
) -> None:
    await enter_newsroom(tools, await signed_in("operator"))
    number = (await persons.authenticate(tools, people["operator"].token)).person_id
    await place(tools, number, [CRETE])
    facts = {
        "channel": "email",
        "address": "alerts@news.example.org",
        "language": "el",
        "regions": [ATTICA],
        "recipient_class": "media",
        "exercise": True,
        "label": "Example newsroom",
        "consent": "Example contract 7",
        "consent_at": "2026-01-31T10:00:00+02:00",
    }
    answer = await people["operator"].post("/api/v1/recipients", facts)
    assert answer.status == 422
    assert "regions" in {each["field"] for each in (await answer.json())["errors"]}
    taken = await people["operator"].post("/api/v1/recipients", facts | {"regions": [CRETE]})
    assert taken.status == 403
    other = facts | {"regions": [CRETE], "label": "Example of Crete"}
    assert (await people["operator"].post("/api/v1/recipients", other)).status == 201
    listed = await (await people["operator"].get("/api/v1/recipients")).json()
    assert [each["label"] for each in listed["items"]] == ["Example of Crete"]
