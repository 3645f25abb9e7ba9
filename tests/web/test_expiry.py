"""An alert's last hours: the warning, an extension under approval, the silent expiry."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aiohttp.test_utils import TestClient
from lxml import etree
from sqlalchemy import select

from alertd.pipeline.expire import expire, warn
from alertd.store.schema import dispatches
from alertd.tools import Tools
from tests.conftest import FakeClock
from tests.factories import child_facts
from tests.web.conftest import (
    NAMES,
    Activate,
    Deliver,
    Live,
    Person,
    both_databases,
    get,
)

Client = TestClient[Any, Any]


@both_databases
async def test_an_extension_carries_it_on_and_a_silent_expiry_takes_it_down(
    public: Client,
    tools: Tools,
    people: dict[str, Person],
    *,
    live: Live,
    photo: Any,
    activate: Activate,
    deliver: Deliver,
    clock: FakeClock,
) -> None:
    until = (clock() + timedelta(hours=3)).isoformat()
    alert_id = await live(children=[child_facts(photo=await photo())], expires_at=until)
    page, path = f"/a/{alert_id}/en", f"/api/v1/alerts/{alert_id}"
    (item,) = (await (await public.get("/feeds/en/feed.json")).json(content_type=None))["items"]
    picture = item["image"].removeprefix("https://alerts.example.org")
    clock.tick(hours=2, minutes=30)
    assert await warn(tools) == 1
    later = {"expires_at": (clock() + timedelta(hours=2)).isoformat()}
    assert (await people["submitter"].post(f"{path}/extensions", later)).status == 201
    await activate(alert_id)
    await deliver()
    clock.tick(hours=1)
    assert await expire(tools) == 0
    assert "Παραδειγματίδου" in await get(public, page)
    clock.tick(hours=1)
    for told in (False, True):  # from its second on, whether the duty was there or not
        if told:
            assert await expire(tools) == 1
        text = await get(public, page)
        assert "This alert has ended" in text
        assert not [name for name in NAMES if name in text]
        assert (await public.get(picture)).status == 410
        for number in (1, 2):
            cap = await public.get(f"/cap/example.{alert_id}.{number}.xml")
            assert cap.status == 410
        atom = etree.fromstring((await get(public, "/feeds/en/atom.xml")).encode())
        assert atom.xpath("count(//*[local-name()='entry'])") == 0
        assert atom.xpath("count(//*[local-name()='deleted-entry'])") == 1
    kinds = await tools.store.read(lambda conn: set(conn.scalars(select(dispatches.c.kind))))
    assert "expiry" not in kinds, "the rule set has nobody told"
    assert (await (await people["police"].get(path)).json())["state"] == "expired"
