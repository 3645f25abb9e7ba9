from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP
from sqlalchemy import delete, update
from structlog.testing import capture_logs

from alertd.anchors import (
    Anchor,
    FileTarget,
    MailTarget,
    Relay,
    Signer,
    Verifier,
    WebhookTarget,
    read_anchors,
    targets,
)
from alertd.core.audit import Fault, Finding, Head
from alertd.core.errors import ConfigError
from alertd.pipeline.hold import went_back_at
from alertd.pipeline.lanes import is_held
from alertd.pipeline.record import HEAD as HEAD_MARK
from alertd.pipeline.record import read_head
from alertd.sections import Anchors
from alertd.store.schema import audit, marks
from alertd.workers.anchor import Anchoring

from .conftest import Ledger, attempt

HEAD = Head(7, "ab" * 32)


class Memory:
    """A target that keeps what it is given, or refuses it."""

    def __init__(self, name: str = "memory", *, fails: bool = False) -> None:
        self.name = name
        self.fails = fails
        self.anchors: list[Anchor] = []

    async def put(self, anchor: Anchor) -> None:
        if self.fails:
            raise OSError("secret-host.example.org is away")
        self.anchors.append(anchor)


@pytest.fixture
def anchor(signer: Signer, clock: Any) -> Anchor:
    return signer.sign("test", HEAD, clock())


def make_anchoring(ledger: Ledger, clock: Any, *targets: Any, **more: Any) -> Anchoring:
    return Anchoring(ledger.store, ledger.signer, targets, install="test", clock=clock, **more)


def test_signed_form_is_pinned(anchor: Anchor) -> None:
    assert anchor.signed.decode() == (
        '{"at":"2026-11-24T02:00:00.000000Z","format":"alertd-anchor-1","hash":"'
        + "ab" * 32
        + '","install":"test","key_id":"'
        + anchor.key_id
        + '","seq":7}'
    )


def test_anchor_holds_under_its_own_key_alone(signer: Signer, anchor: Anchor) -> None:
    assert signer.verifier.holds(anchor)
    assert not Signer(bytes(32)).verifier.holds(anchor)


@pytest.mark.parametrize("signature", ["", "!", "AAAA"])
def test_anchor_with_no_real_signature_does_not_hold(
    signer: Signer, anchor: Anchor, signature: str
) -> None:
    assert not signer.verifier.holds(replace(anchor, signature=signature))


def test_exported_public_key_verifies(signer: Signer, anchor: Anchor) -> None:
    assert Verifier.from_pem(signer.verifier.pem).holds(anchor)


def test_what_is_no_public_key_is_refused() -> None:
    with pytest.raises(ConfigError):
        Verifier.from_pem(b"-----BEGIN NOTHING-----")


def test_anchor_reads_what_it_writes(anchor: Anchor) -> None:
    assert Anchor.parse(anchor.line()) == anchor


@pytest.mark.parametrize("line", ["{}", "[]", "1", '{"seq":1}', "x"])
def test_line_that_is_no_anchor_becomes_a_finding(line: str) -> None:
    with pytest.raises(ValueError, match=r"not an anchor|Expecting value"):
        Anchor.parse(line)
    found = list(read_anchors([line + "}\n"]))
    assert [(f.fault, type(f)) for f in found] == [(Fault.FORGED, Finding)]


async def test_file_grows_by_a_line_per_anchor(tmp_path: Path, anchor: Anchor) -> None:
    path = tmp_path / "sub" / "anchors.jsonl"
    later = replace(anchor, seq=8)
    await FileTarget(path).put(anchor)
    await FileTarget(path).put(later)
    assert list(read_anchors(path.read_text().splitlines(keepends=True))) == [anchor, later]


async def test_line_that_a_crash_cut_does_not_spoil_the_next(
    tmp_path: Path, anchor: Anchor
) -> None:
    path = tmp_path / "anchors.jsonl"
    path.write_text(anchor.line()[:40])
    await FileTarget(path).put(anchor)
    assert list(read_anchors(path.read_text().splitlines(keepends=True))) == [anchor]


@pytest.fixture
async def receiver() -> AsyncIterator[Callable[[int], Any]]:
    """Starts a receiver that answers with a given status and keeps what it got."""
    runners: list[web.AppRunner] = []

    async def start(status: int) -> tuple[str, list[Any]]:
        got: list[Any] = []

        async def take(request: web.Request) -> web.Response:
            got.append(await request.json())
            return web.Response(status=status, headers={"Location": "/elsewhere"})

        app = web.Application()
        app.router.add_post("/anchors", take)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        runners.append(runner)
        host, port = runner.addresses[0][:2]
        return f"http://{host}:{port}/anchors", got

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_webhook_gets_the_anchor(receiver: Any, anchor: Anchor) -> None:
    url, got = await receiver(204)
    await WebhookTarget(url).put(anchor)
    assert [Anchor.parse(json.dumps(fields)) for fields in got] == [anchor]


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_webhook_that_does_not_take_it_has_failed(
    receiver: Any, anchor: Anchor, status: int
) -> None:
    url, _ = await receiver(status)
    with pytest.raises(OSError, match=str(status)):
        await WebhookTarget(url).put(anchor)


async def test_mail_carries_the_anchor(anchor: Anchor) -> None:
    got: list[bytes] = []

    async def take(server: Any, session: Any, envelope: Any) -> str:
        got.append(envelope.content)
        return "250 OK"

    handler = SimpleNamespace(handle_DATA=take)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, loop=loop), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        relay = Relay(host="127.0.0.1", port=port, tls="none", sender="alertd@example.org")
        await MailTarget(relay, recipient="auditor@example.org").put(anchor)
    mail = message_from_bytes(got[0], policy=policy.default)
    assert mail["To"] == "auditor@example.org"
    assert Anchor.parse(mail.get_content()) == anchor


RELAY = {"host": "smtp.example.org", "sender": "alertd@example.org", "concurrency": 6}


def make_section(tmp_path: Path, **changes: Any) -> Anchors:
    fields = {"key_file": tmp_path / "key", "interval_s": 60, "file": None, **changes}
    return Anchors(**fields)


def test_settings_name_the_targets(tmp_path: Path) -> None:
    section = make_section(
        tmp_path,
        file=tmp_path / "anchors.jsonl",
        webhook="https://anchors.example.org/",
        mail="auditor@example.org",
    )
    assert [target.name for target in targets(section, RELAY)] == ["file", "webhook", "mail"]
    assert targets(make_section(tmp_path), RELAY) == []


def test_anchors_by_mail_need_a_relay(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"channels\.email"):
        targets(make_section(tmp_path, mail="auditor@example.org"), None)


def test_relay_does_not_print_its_password() -> None:
    assert "hunter2" not in repr(Relay.model_validate(RELAY | {"password": "hunter2"}))


async def test_anchor_names_the_head_and_verifies(ledger: Ledger, clock: Any) -> None:
    target = Memory()
    await ledger.record()
    await make_anchoring(ledger, clock, target).write()
    (anchor,) = target.anchors
    assert anchor.head == await ledger.store.read(read_head)
    assert (await ledger.verify(anchor)).ok


async def test_nothing_is_anchored_twice_or_before_there_is_anything(
    ledger: Ledger, clock: Any
) -> None:
    target = Memory()
    anchoring = make_anchoring(ledger, clock, target)
    await anchoring.write()
    assert target.anchors == []
    await ledger.record()
    await anchoring.write()
    await anchoring.write()
    assert [anchor.seq for anchor in target.anchors] == [1]


async def test_target_that_fails_is_loud_and_tried_again_and_stops_no_other(
    ledger: Ledger, clock: Any
) -> None:
    bad, good = Memory("bad", fails=True), Memory("good")
    anchoring = make_anchoring(ledger, clock, bad, good)
    await ledger.record()
    with capture_logs() as logs:
        await anchoring.write()
    assert [(log["event"], log["log_level"], log["target"]) for log in logs] == [
        ("anchor.target_failed", "error", "bad")
    ]
    assert "secret-host" not in str(logs)
    bad.fails = False
    await anchoring.write()
    assert [len(target.anchors) for target in (bad, good)] == [1, 1]


async def test_chain_that_was_tampered_with_is_not_signed(ledger: Ledger, clock: Any) -> None:
    target = Memory()
    anchoring = make_anchoring(ledger, clock, target)
    await ledger.record()
    await anchoring.write()
    await ledger.record()
    await ledger.tamper(audit.update().where(audit.c.seq == 2).values(body="{}"))
    with capture_logs() as logs:
        await anchoring.write()
    assert [(log["event"], log["log_level"]) for log in logs] == [
        ("audit.chain_broken", "critical")
    ]
    assert anchoring.broken
    assert len(target.anchors) == 1


async def test_chain_that_does_not_follow_the_last_known_anchor_is_not_signed(
    ledger: Ledger, clock: Any
) -> None:
    target = Memory()
    await ledger.record()
    await ledger.record()
    anchoring = make_anchoring(ledger, clock, target, since=Head(1, "0" * 64))
    with capture_logs():
        await anchoring.write()
    assert (anchoring.broken, target.anchors) == (True, [])


async def forget_the_last(ledger: Ledger, kept: Head) -> None:
    """Do what a standby does that takes over before it has heard of the latest entries."""
    await ledger.tamper(delete(audit).where(audit.c.seq > kept.seq))
    await ledger.tamper(update(marks).where(marks.c.name == HEAD_MARK).values(value=str(kept)))


@pytest.mark.parametrize("lost", ["outcomes", "a decision"])
async def test_a_ledger_that_lost_its_end_is_followed_from_what_it_kept(
    ledger: Ledger, clock: Any, lost: str
) -> None:
    target = Memory()
    anchoring = make_anchoring(ledger, clock, target)
    await ledger.record()
    await anchoring.write()
    kept = await ledger.store.read(read_head)
    await (ledger.settle([attempt()]) if lost == "outcomes" else ledger.record())
    await anchoring.look()
    await forget_the_last(ledger, kept)
    with capture_logs() as logs:
        await anchoring.write()
    [said] = logs
    assert (said["event"], said["kept"], said["known"]) == ("ledger.went_back", 1, 2)
    assert said["held"] is await ledger.store.read(is_held) is (lost == "a decision")
    assert await ledger.store.read(went_back_at, clock()) == clock()
    assert not anchoring.broken
    assert target.anchors[-1].head == await ledger.store.read(read_head)


async def test_state_change_is_anchored_at_once_and_a_batch_waits(
    ledger: Ledger, clock: Any
) -> None:
    written: asyncio.Queue[Anchor] = asyncio.Queue()

    class Waiting:
        name = "waiting"
        put = staticmethod(written.put)

    following = asyncio.create_task(make_anchoring(ledger, clock, Waiting()).follow(pause_s=0))
    try:
        await asyncio.sleep(0)
        await ledger.settle([attempt()])
        assert written.empty()
        await ledger.record()
        anchor = await asyncio.wait_for(written.get(), 10)
        assert anchor.seq == 2
    finally:
        following.cancel()
