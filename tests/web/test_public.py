"""Own links, providers' callbacks and health, on the public listener."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from structlog.testing import capture_logs
from twilio.request_validator import RequestValidator

from alertd.channel import Report
from alertd.core.errors import Busy, StoreBusy
from alertd.ownlinks import own_token
from alertd.pipeline import recipients
from alertd.pipeline.recipients import Recipient
from alertd.tools import CONSOLE, Tools
from alertd.web import Reports
from tests.web.conftest import AUTH_TOKEN, PUBLIC_URL, Sink
from tests.web.test_problems import problem

Client = TestClient[Any, Any]
ADDRESS = "reader@example.org"


@pytest.fixture
async def link(tools: Tools) -> str:
    """Enter a recipient and give the path of its own link."""
    wanted = Recipient.model_validate(
        {
            "label": "Example reader",
            "recipient_class": "citizen",
            "channel": "email",
            "address": ADDRESS,
            "language": "el",
            "regions": ["GR-I"],
            "consent": "Example form 3",
            "consent_at": "2026-01-31T10:00:00+02:00",
        }
    )
    added = await recipients.add(tools, CONSOLE, wanted)
    return f"/s/{own_token(tools.vault.master, added.address_id, ADDRESS)}"


async def test_looking_at_an_own_link_ends_nothing(public: Client, link: str) -> None:
    for method in ("GET", "HEAD", "GET"):
        answer = await public.request(method, link)
        assert answer.status == 200
    shown = await answer.text()
    assert '<html lang="el">' in shown
    assert "r***@example.org" in shown
    assert "Αττική" in shown
    assert '<form method="post">' in shown
    assert ADDRESS not in shown
    assert "<script" not in shown


@pytest.mark.parametrize("form", [None, {"List-Unsubscribe": "One-Click"}])
async def test_posting_to_an_own_link_ends_the_subscription(
    public: Client, link: str, form: dict[str, str] | None
) -> None:
    for _ in range(2):
        answer = await public.post(link, data=form)
        assert answer.status == 200
        assert "<form" not in await answer.text()
    assert "<form" not in await (await public.get(link)).text()


async def test_a_forged_own_link_opens_nothing(public: Client, link: str) -> None:
    number, _, mac = link.removeprefix("/s/").partition(".")
    flipped = ("A" if mac[0] != "A" else "B") + mac[1:]
    for token in (f"{number}.{flipped}", f"99.{mac}", f"{number}.{mac[:-1]}", "..%2f..", mac):
        for method in ("GET", "POST"):
            await problem(await public.request(method, f"/s/{token}"), 404)
    assert "<form" in await (await public.get(link)).text()


async def test_an_own_link_never_reaches_the_log(public: Client, link: str) -> None:
    with capture_logs() as lines:
        await public.get(link)
        await public.post(link)
    assert link.removeprefix("/s/") not in repr(lines)
    assert ADDRESS not in repr(lines)
    assert {line["path"] for line in lines if line["event"] == "http.request"} == {"/s/{token}"}


async def test_an_own_link_is_not_told_to_other_sites(public: Client, link: str) -> None:
    answer = await public.get(link)
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def signed(path: str, form: dict[str, str]) -> dict[str, str]:
    signature = RequestValidator(AUTH_TOKEN).compute_signature(PUBLIC_URL + path, form)
    return {"X-Twilio-Signature": signature}


STATUS = {
    "MessageSid": "SM" + "0" * 32,
    "MessageStatus": "delivered",
    "AccountSid": "AC" + "0" * 32,
}


async def test_a_signed_callback_is_passed_on(public: Client, sink: Sink) -> None:
    path = "/callbacks/sms?delivery=abc-7"
    answer = await public.post(path, data=STATUS, headers=signed(path, STATUS))
    assert (answer.status, await answer.read()) == (204, b"")
    (report,) = sink.reports
    assert (report.delivery_id, report.state) == ("abc-7", "delivered")


async def test_a_forged_callback_is_refused(public: Client, sink: Sink) -> None:
    path = "/callbacks/sms?delivery=abc-7"
    headers = signed("/callbacks/sms?delivery=abc-8", STATUS)
    await problem(await public.post(path, data=STATUS, headers=headers), 403)
    await problem(await public.post(path, data=STATUS), 403)
    assert sink.reports == []


@pytest.mark.parametrize("channel", ["email", "pigeon", "..%2fsms"])
async def test_a_channel_without_reports_is_not_found(public: Client, channel: str) -> None:
    await problem(await public.post(f"/callbacks/{channel}", data=STATUS), 404)


async def test_a_large_callback_is_refused(public: Client) -> None:
    await problem(await public.post("/callbacks/sms", data=b"x" * 70_000), 413)


async def test_reports_are_settled_in_groups() -> None:
    groups: list[int] = []

    async def settle(reports: Sequence[Report]) -> None:
        groups.append(len(reports))
        await asyncio.sleep(0)

    reports = Reports(settle)
    waiting = [
        asyncio.create_task(reports.put(Report(f"abc-{n}", "delivered"))) for n in range(700)
    ]
    await asyncio.sleep(0)
    running = asyncio.create_task(reports.run())
    await asyncio.gather(*waiting)
    running.cancel()
    assert groups == [500, 200]


async def test_a_report_that_was_not_kept_is_not_answered_as_kept() -> None:
    async def settle(reports: Sequence[Report]) -> None:
        raise StoreBusy("away")

    reports = Reports(settle)
    running = asyncio.create_task(reports.run())
    with pytest.raises(Busy):
        await reports.put(Report("abc-1", "delivered"))
    running.cancel()


async def test_a_full_queue_asks_to_come_again() -> None:
    async def settle(reports: Sequence[Report]) -> None: ...

    reports = Reports(settle, room=1)
    first = asyncio.create_task(reports.put(Report("abc-1", "delivered")))
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await reports.put(Report("abc-2", "delivered"))
    first.cancel()


async def test_health_is_told_on_both_listeners(public: Client, api: Client) -> None:
    for client in (public, api):
        for path in ("/healthz", "/readyz"):
            answer = await client.get(path)
            assert (answer.status, await answer.json()) == (200, {"status": "ok"})


async def test_a_process_without_its_ledger_lives_but_is_not_ready(
    public: Client, tools: Tools
) -> None:
    await tools.store.close()
    assert (await public.get("/healthz")).status == 200
    assert (await public.get("/readyz")).status == 503


async def test_the_public_side_has_no_api(public: Client) -> None:
    for path in ("/api/v1/alerts", "/api/v1/openapi.json", "/api/v1/docs"):
        await problem(await public.get(path), 404)


@pytest.mark.parametrize(
    "path", ["/..%2f..%2fetc/passwd", "/feeds/%2e%2e/%2e%2e/alertd.toml", "/%2fetc/passwd"]
)
async def test_no_path_leads_to_a_file(public: Client, path: str) -> None:
    await problem(await public.get(path), 404)
