"""Pages as the public sees them: valid, without script, neutral once an alert is over."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import html5lib
import pytest
from aiohttp.test_utils import TestClient
from lxml import etree
from sqlalchemy import update

from alertd import views
from alertd.core.delivery import State
from alertd.store.schema import alerts
from alertd.tools import Tools
from tests.conftest import FakeClock
from tests.web.conftest import (
    NAMES,
    PUBLIC_URL,
    Activate,
    Deliver,
    Submit,
    both_databases,
    get,
)
from tests.web.test_problems import problem

Client = TestClient[Any, Any]
PAGE_BYTES = 30_000


def check_page(text: str) -> Any:
    """Hold a page to the HTML standard, and to carry no script and nothing from elsewhere."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    parser.parse(text)
    root = etree.HTML(text)
    assert not root.xpath(
        "//script | //iframe | //form | //@style | //*[starts-with(name(@*),'on')]"
    )
    assert root.xpath("string(//html/@lang)")
    assert len(root.xpath("//h1")) == len(root.xpath("//main")) == 1
    assert root.xpath("string(//meta[@name='robots']/@content)") == "noindex, noarchive"
    assert "url(" not in text
    assert "@import" not in text
    assert len(text.encode()) < PAGE_BYTES
    return root


@pytest.mark.parametrize("status", ["actual", "exercise"])
async def test_an_alert_has_a_page_in_each_language(public: Client, live: Any, status: str) -> None:
    alert_id = await live(status=status)
    for language in ("el", "en"):
        answer = await public.get(f"/a/{alert_id}/{language}")
        root = check_page(await answer.text())
        assert root.get("lang") == language
        said = root.xpath("string(//body)")
        assert "Παραδειγματίδου" in said
        assert root.xpath("//a[starts-with(@href, 'tel:')]/@href") == ["tel:+306900000000"]
        assert answer.headers["X-Robots-Tag"] == "noindex, noarchive"
        policy = answer.headers["Content-Security-Policy"]
        style = root.xpath("string(//style)")
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in policy
        assert "default-src 'none'" in policy
        assert f"'sha256-{digest}'" in root.xpath("string(//meta[@http-equiv]/@content)")
        hatched = bool(root.xpath("//*[contains(@class, 'hatched')]"))
        assert hatched is (status != "actual")
        assert ("EXERCISE" in said or "ΑΣΚΗΣΗ" in said) is hatched
    assert await get(public, f"/a/{alert_id}") == await get(public, f"/a/{alert_id}/el")
    await problem(await public.get(f"/a/{alert_id}/fr"), 404)


async def test_what_others_show_of_a_shared_link_names_nobody(public: Client, live: Any) -> None:
    alert_id = await live()
    root = check_page(await get(public, f"/a/{alert_id}/en"))
    heads = root.xpath("//title/text() | //meta/@content")
    assert not [text for text in heads if any(name in text for name in NAMES)]
    assert root.xpath("string(//meta[@property='og:title']/@content)") == "AMBER Alert: Attica"
    assert not root.xpath("//meta[@property='og:image']")


async def test_a_page_is_there_once_it_is_public(
    public: Client, submit: Submit, activate: Activate, deliver: Deliver
) -> None:
    alert_id = await submit(status="actual")
    await problem(await public.get(f"/a/{alert_id}"), 404)
    await activate(alert_id)
    await deliver("feed", State.DEAD)
    await problem(await public.get(f"/a/{alert_id}"), 404)


@pytest.mark.parametrize("code", ["found", "issued_in_error", "search_continues"])
@both_databases
async def test_after_the_end_the_page_says_so_for_good(
    public: Client,
    live: Any,
    *,
    end: Any,
    deliver: Deliver,
    clock: FakeClock,
    tools: Tools,
    code: str,
) -> None:
    alert_id = await live()
    key_id = await tools.store.read(views.key_id, alert_id)

    async def said() -> str:
        root = check_page(await get(public, f"/a/{alert_id}/en"))
        text: str = root.xpath("string(//body)")
        assert not [name for name in NAMES if name in etree.tostring(root, encoding="unicode")]
        return text

    await end(alert_id, code)
    assert "This alert has ended" in await said()
    await deliver()
    notice = await said()
    assert "AMBER Alert, Attica" in notice
    clock.tick(days=400)
    assert await said() == notice
    await tools.vault.destroy(key_id)
    await tools.store.write(lambda conn: conn.execute(update(alerts).values(purged_at=clock())))
    assert "This alert has ended" in await said()


async def test_an_expired_page_says_so(public: Client, live: Any, clock: FakeClock) -> None:
    alert_id = await live()
    clock.tick(hours=12)
    text = await get(public, f"/a/{alert_id}/el")
    assert "Αυτή η ειδοποίηση έχει λήξει" in text
    check_page(text)
    assert "Παραδειγματίδου" not in text


async def test_a_page_lists_what_is_in_force(
    public: Client, live: Any, end: Any, deliver: Deliver
) -> None:
    root = check_page(await get(public, "/en"))
    assert "No alert is in force" in root.xpath("string(//main)")
    alert_id = await live()
    await live(status="exercise")
    root = check_page(await get(public, "/en"))
    assert root.xpath("//main//a/@href") == [f"{PUBLIC_URL}/a/{alert_id}/en"]
    assert check_page(await get(public, "/")).get("lang") == "el"
    await end(alert_id)
    await deliver()
    assert "No alert is in force" in await get(public, "/en")
