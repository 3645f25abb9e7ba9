"""What operators see and do, page by page."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import datetime
from html import unescape
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, update

from alertd.console.operators import audit as audit_page
from alertd.console.operators import log
from alertd.console.operators.lists import harmless
from alertd.core.delivery import State
from alertd.pipeline import lanes
from alertd.pipeline.proposals import REMOVAL, propose
from alertd.pipeline.surfaces import note_gone, of_alert
from alertd.store.schema import (
    addresses,
    alarms,
    audit,
    deliveries,
    dispatches,
    progress,
    to_micros,
)
from alertd.tools import Tools
from alertd.watch import auditlog, dispatchlog, roster
from tests.console.conftest import Browser, SignIn, enter
from tests.console.operators.conftest import NEWSROOM
from tests.factories import child_facts
from tests.web.conftest import Deliver, Live, Person, Submit

CASE = "EX-2026-0001"


def actions(conn: Connection) -> list[str]:
    return list(conn.scalars(select(audit.c.action).order_by(audit.c.seq)))


def first_delivery(conn: Connection, channel: str = "email") -> int:
    query = select(deliveries.c.id).where(deliveries.c.channel == channel)
    return int(conn.execute(query.limit(1)).scalar_one())


PATHS = (
    "/board",
    "/board/now",
    "/board/channel?lane=sms",
    "/log",
    "/log?state=dead&channel=sms&reason=dns",
    "/log?case=EX-2026-0001",
    "/log?address=0",
    "/dead-letters",
    "/recipients",
    "/recipients/new",
    "/audit",
    "/audit?act=alert.submitted",
    "/release",
)


@pytest.mark.parametrize("language", ["el", "en"])
async def test_every_page_opens_in_both_languages(
    operator: Browser, alert_id: str, language: str
) -> None:
    for path in (*PATHS, f"/alerts/{alert_id}/report"):
        answer = await operator.get(path, headers={"Accept-Language": language})
        text = await answer.text()
        assert answer.status == 200, (path, text[:400])
        assert f'lang="{language}"' in text or path == "/board/now"
        assert "Παραδειγματίδου" not in text
        assert NEWSROOM not in text


async def test_a_channel_is_paused_for_a_reason_and_resumed(
    tools: Tools, operator: Browser
) -> None:
    form = {"lane": "sms", "act": "pause", "why": ""}
    refused = await operator.post("/board/channel", form)
    assert "Say in a few words why" in await refused.text()
    done = await operator.post("/board/channel", {**form, "why": "Example: wrong sender"})
    assert (done.status, done.headers["Location"]) == (303, "/board")
    text = await operator.read("/board")
    assert "SMS was paused" in text
    assert "Paused by an operator" in text
    await operator.post("/board/channel", {"lane": "sms", "act": "resume"})
    said = await tools.store.read(actions)
    assert said[-2:] == ["lane.closed", "lane.opened"]
    bodies = await tools.store.read(lambda conn: list(conn.scalars(select(audit.c.body))))
    assert "wrong sender" not in "".join(bodies)


async def test_the_board_shows_rules_that_nobody_has_decided(
    tools: Tools, operator: Browser, signed_in: SignIn
) -> None:
    await tools.store.write(propose, [("example", 2), ("gone", REMOVAL)], tools.clock())
    page = await operator.read("/board")
    assert "example: version 2 is proposed" in page
    assert "gone: its file is gone" in page
    assert "/rules" not in page
    number = await enter(tools, "Example both", {"operator": False, "administrator": False})
    both = await signed_in("operator", person_id=number)
    assert "/rules" in await both.read("/board")


async def test_readers_see_the_board_and_cannot_touch_it(signed_in: SignIn) -> None:
    reader = await signed_in("reader")
    text = await reader.read("/board/channel?lane=sms")
    assert "<button" not in text.partition("<main")[2]
    form = {"lane": "sms", "act": "pause", "why": "no"}
    assert (await reader.post("/board/channel", form)).status == 403


async def test_an_address_is_masked_until_it_is_asked_for_on_record(
    tools: Tools, operator: Browser, alert_id: str, signed_in: SignIn
) -> None:
    number = await tools.store.read(first_delivery)
    text = await operator.read(f"/log/{number}")
    assert "a***@news.example.org" in text
    assert NEWSROOM not in text
    shown = await (await operator.post(f"/log/{number}/address")).text()
    assert NEWSROOM in shown
    assert (await tools.store.read(actions))[-1] == "address.shown"
    reader = await signed_in("reader")
    assert (await reader.post(f"/log/{number}/address")).status == 403


async def test_an_address_is_found_exactly_and_never_stands_in_a_link(
    operator: Browser, alert_id: str
) -> None:
    found = await operator.post("/log/address", {"address_text": " alerts@NEWS.example.org "})
    assert "news" not in found.headers["Location"].lower()
    text = await operator.read(found.headers["Location"])
    assert "a***<wbr>@news.example.org" in text
    nobody = await operator.post("/log/address", {"address_text": "alert@news.example.org"})
    assert "Nobody is known by this address" in await operator.read(nobody.headers["Location"])


async def test_the_export_is_safe_to_open_in_a_spreadsheet(
    operator: Browser, alert_id: str, submit: Submit
) -> None:
    text = (await operator.read("/log.csv")).removeprefix("\ufeff")
    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows) == 4  # heading, two feeds, one newsroom
    assert NEWSROOM not in text
    for cell in ("=1+1", "+30 690", "-1", "@SUM", "\tx", "\rx"):
        assert harmless(cell) == f"'{cell}"
    assert harmless("EX-2026") == "EX-2026"


async def test_the_export_ends_with_the_last_line_however_little_is_read_at_once(
    operator: Browser, alert_id: str, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatchlog, "WINDOW", 2)
    monkeypatch.setattr(log, "_STEP", 1)
    text = (await operator.read("/log.csv")).removeprefix("\ufeff")
    numbers = [row[0] for row in csv.reader(io.StringIO(text))][1:]
    assert numbers == ["3", "2", "1"]
    monkeypatch.setattr(auditlog, "WINDOW", 4)
    monkeypatch.setattr(audit_page, "_STEP", 2)
    text = (await operator.read("/audit.csv?act=alert.submitted")).removeprefix("\ufeff")
    assert [row[3] for row in csv.reader(io.StringIO(text))] == ["action", "alert.submitted"]


async def test_the_preview_says_whether_anything_actual_goes_out_again(
    operator: Browser, alert_id: str, live: Live, deliver: Deliver
) -> None:
    await deliver("feed", State.DEAD)
    other = child_facts(name="Example Other", age=15)
    await live(case_reference="2026/0003", children=[other], not_a_duplicate_because="Fictional.")
    await deliver("feed", State.DEAD, State.DELIVERED)
    listed = await operator.read("/dead-letters")
    numbers = re.findall(r'name="chosen" value="(\d+)"', listed)
    mixed = await (await operator.post("/dead-letters/preview", {"chosen": numbers})).text()
    assert "confirm confirm-actual" in mixed
    assert mixed.count('class="drill"') == 2
    drills = await (await operator.post("/dead-letters/preview", {"chosen": numbers[-2:]})).text()
    assert "confirm confirm-exercise" in drills


async def test_dead_letters_are_queued_again_after_a_preview(
    tools: Tools, operator: Browser, alert_id: str, deliver: Deliver
) -> None:
    await deliver("email", State.DEAD)
    await deliver("feed", State.DEAD)
    listed = await operator.read("/dead-letters")
    numbers = re.findall(r'name="chosen" value="(\d+)"', listed)
    assert len(numbers) == 3
    await tools.store.write(
        lambda conn: conn.execute(
            update(addresses)
            .where(addresses.c.channel == "email")
            .values(suppressed_at=tools.clock(), suppressed_reason="opted_out")
        )
    )
    seen = await (await operator.post("/dead-letters/preview", {"chosen": numbers})).text()
    assert "Send 2 messages again" in seen
    assert "asked not to be written to" in seen
    assert (await tools.store.read(actions)).count("delivery.requeued") == 0
    await operator.post("/dead-letters", {"chosen": numbers})
    assert "Queued again: 2 of 3" in await operator.read("/dead-letters")
    assert (await tools.store.read(actions)).count("delivery.requeued") == 2


async def test_a_recipient_is_entered_ended_and_erased(tools: Tools, operator: Browser) -> None:
    form = {
        "channel": "sms",
        "address": "not a number",
        "language": "el",
        "recipient_class": "citizen",
        "label": "Example citizen",
        "regions": "GR-I",
        "exercise": "yes",
        "consent": "Example form",
        "consent_at": "2026-01-31",
    }
    wrong = await (await operator.post("/recipients/new", form)).text()
    assert "Give an address that this channel can reach." in wrong
    assert 'value="Example citizen"' in wrong
    made = await operator.post("/recipients/new", {**form, "address": "+306900000001"})
    path = made.headers["Location"]
    assert "+30 690 *** **01" in await operator.read(path)
    await operator.post(f"{path}/end")
    assert "ended" in await operator.read(path)
    await operator.post(f"{path}/erase")
    assert (await operator.get(path)).status == 404


async def test_recipients_are_found_by_what_they_are(
    tools: Tools, operator: Browser, alert_id: str
) -> None:
    shown = "a***<wbr>@news.example.org"
    fitting = ("channel=email", "language=el", "region=GR-I", "class=media", "state=told")
    assert shown in await operator.read("/recipients?" + "&".join(fitting))
    for other in ("channel=sms", "language=en", "region=GR-M", "class=citizen", "state=ended"):
        asked = [other if each.split("=")[0] == other.split("=")[0] else each for each in fitting]
        text = await operator.read("/recipients?" + "&".join(asked))
        assert "Nobody fits" in text, other
        assert shown not in text
    await tools.store.write(
        lambda conn: conn.execute(
            update(addresses)
            .where(addresses.c.channel == "email")
            .values(suppressed_at=tools.clock(), suppressed_reason="gone")
        )
    )
    assert shown not in await operator.read("/recipients?state=told")
    assert shown in await operator.read("/recipients?state=suppressed")


async def test_a_list_that_looked_at_many_and_found_few_goes_on(
    tools: Tools, operator: Browser, alert_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "WINDOW", 1)
    page = await tools.store.read(
        roster.find_recipients, roster.Wanted(channel="webhook"), after=0, limit=50
    )
    seen = 0
    while not page.full:
        assert page.rows == ()
        assert page.next is not None
        seen += 1
        page = await tools.store.read(
            roster.find_recipients, roster.Wanted(channel="webhook"), after=page.next, limit=50
        )
    assert seen == 1


async def test_failures_by_reason_lead_to_another_try(
    operator: Browser, alert_id: str, deliver: Deliver, signed_in: SignIn
) -> None:
    await deliver("email", State.DEAD)
    for path in (f"/alerts/{alert_id}", f"/alerts/{alert_id}/report"):
        (way,) = re.findall(r'href="(/dead-letters[^"]+)"', await operator.read(path))
        listed = await operator.read(unescape(way))
        assert len(re.findall(r'name="chosen"', listed)) == 1
    assert 'href="/dead-letters?channel=email"' in await operator.read("/board")
    reader = await signed_in("reader")
    for path in (f"/alerts/{alert_id}", f"/alerts/{alert_id}/report", "/board"):
        assert "/dead-letters" not in await reader.read(path)


async def test_a_webhooks_secret_is_shown_once(operator: Browser) -> None:
    form = {
        "channel": "webhook",
        "address": "https://partner.example.org/hook",
        "language": "en",
        "recipient_class": "partner",
        "label": "Example partner",
        "regions": "GR",
        "exercise": "no",
        "consent": "Example contract",
        "consent_at": "2026-01-31",
    }
    assert "whsec_" in await (await operator.post("/recipients/new", form)).text()
    assert "whsec_" not in await operator.read("/recipients")


async def test_an_alarm_says_in_words_what_it_is_about(
    operator: Browser, alert_id: str, tools: Tools
) -> None:
    about = {"stage_late": f"{CASE} 1 approval police", "not_started": f"{CASE} sms 3"}
    rows = [
        {"kind": kind, "subject": subject, "alert_id": alert_id, "raised_at": tools.clock()}
        for kind, subject in about.items()
    ]
    await tools.store.write(lambda conn: conn.execute(insert(alarms), rows))
    board = re.sub(r"<[^>]+>", "", await operator.read("/board"))
    assert f"{CASE} · Submission to approval · Approval by the Hellenic Police" in board
    assert f"{CASE} · SMS" in board


async def test_the_audit_log_is_filtered_and_exported(operator: Browser, alert_id: str) -> None:
    text = await operator.read("/audit?act=alert.submitted")
    assert text.count("<code>alert.submitted</code>") == 1
    mine = await operator.read(f"/audit?alert={alert_id}")
    assert "Activated" in mine
    theirs = await operator.read(f"/audit?case={CASE}&actor=Example%20police")
    assert theirs.count("<code>alert.approved</code>") == 1
    assert "<code>alert.activated</code>" not in theirs
    assert '<span class="hint">Who was asked:</span>' in mine
    assert '<span class="hint">Rule set:</span> AMBER Alert Hellas, version 1' in mine
    assert "No entry fits" in await operator.read("/audit?case=EX-2026-0009")
    rows = (await operator.read(f"/audit.csv?alert={alert_id}")).splitlines()
    assert len(rows) > 4


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"body": func.replace(audit.c.body, "alert.approved", "alert.ended")}, 1),
        ({"actor": "person:1"}, 1),  # what stands beside the body only repeats it
        ({"body": "no JSON"}, 1),
        ({"hash": "0" * 64}, 2),  # and the entry after it follows another one
    ],
)
async def test_an_entry_that_was_changed_is_not_called_verified(
    tools: Tools, operator: Browser, alert_id: str, change: dict[str, Any], wrong: int
) -> None:
    path = f"/audit?alert={alert_id}"
    assert "does not verify" not in await operator.read(path)
    await tools.store.write(_change_approval, change)
    text = await operator.read(path)
    assert text.count("does not verify</") == wrong + 1  # and above the list
    assert "call the auditor" in text


def _change_approval(conn: Connection, change: dict[str, Any]) -> None:
    latest = select(func.min(audit.c.seq)).where(audit.c.action == "alert.approved")
    conn.execute(update(audit).where(audit.c.seq == latest.scalar_subquery()).values(**change))


async def test_the_report_tells_who_approved_and_whom_it_reached(
    operator: Browser, alert_id: str, deliver: Deliver
) -> None:
    await deliver("feed")
    await deliver("email", State.DEAD)
    text = await operator.read(f"/alerts/{alert_id}/report")
    assert "Example prosecutor" in text
    assert "EX 12/2026" in text
    assert "refused" in text
    assert "EXERCISE" in text
    assert text.count("still public") == 3  # entry, page, CAP document
    assert "No partner had to be asked." in text


async def test_the_report_tells_in_one_row_what_officials_were_told_by_the_way(
    tools: Tools, operator: Browser, alert_id: str
) -> None:
    await tools.store.write(_notices, alert_id, tools.clock())
    text = await operator.read(f"/alerts/{alert_id}/report")
    reach = text[text.index("Whom it reached") : text.index("Failures</h2>")]
    assert reach.count("Notice to officials") == 1
    (row,) = [each for each in reach.split("<tr>") if "Notice to officials" in each]
    assert re.findall(r">([\d:]+|–)<", row) == ["3", "0", "3", "0", "0", "0:02", "0:09"]


def _notices(conn: Connection, alert_id: str, now: datetime) -> None:
    """Send two notices, one to one official and one to two of them."""
    sent = dict(conn.execute(select(dispatches).limit(1)).mappings().one())
    del sent["id"]
    for occurrence, count in ((1, 1), (2, 2)):
        mine = {"kind": "notice", "variant": "ended", "occurrence": occurrence}
        made = {**sent, **mine, "identifier": f"example.{occurrence}", "sent_at": now}
        number = conn.execute(insert(dispatches).values(**made)).inserted_primary_key
        assert number is not None
        at = to_micros(now) + 1_000_000
        reached = {"first_at": at + occurrence * 1_000_000, "last_at": at + occurrence * 4_000_000}
        row = {"dispatch_id": number[0], "channel": "sms", "state": State.SENT, "count": count}
        conn.execute(insert(progress).values(**row, **reached))


async def test_the_report_tells_what_is_gone_once_it_is_over(
    tools: Tools, operator: Browser, alert_id: str, deliver: Deliver, people: dict[str, Person]
) -> None:
    await deliver("feed")
    assert "still public" in await operator.read(f"/alerts/{alert_id}/report")
    form = {"reason_code": "found", "why": "An example.", "confirm": True}
    over = await people["police"].post(f"/api/v1/alerts/{alert_id}/end", form)
    assert over.status == 200, await over.text()
    text = await operator.read(f"/alerts/{alert_id}/report")
    assert "still public" not in text
    assert text.count("taken down, not yet seen to be gone") == 3
    (surface, *_) = await tools.store.read(of_alert, alert_id)
    await tools.store.write(note_gone, surface, tools.clock())
    text = await operator.read(f"/alerts/{alert_id}/report")
    assert text.count("taken down, not yet seen to be gone") == 2


async def test_a_held_ledger_is_released_only_by_the_word_and_a_second_factor(
    tools: Tools, operator: Browser, alert_id: str
) -> None:
    close: Callable[..., Any] = lanes.set_state
    await tools.store.write(close, lanes.EVERYTHING, lanes.EVERYTHING, lanes.CLOSED)
    assert "messages that are held" in await operator.read("/release")
    board = await operator.read("/board")
    assert "Held until an operator releases it" in board
    assert "Paused by an operator" not in board
    wrong = await operator.post("/release", {"typed": "yes"})
    assert "Type the word exactly" in await wrong.text()
    answer = await operator.post("/release", {"typed": "release"})
    assert answer.headers["Location"].startswith("/again")
    assert await tools.store.read(lanes.is_held)


async def test_a_cursor_of_nobody_is_refused(operator: Browser) -> None:
    assert (await operator.get("/log?after=1.2.3")).status == 422
