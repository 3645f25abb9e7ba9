"""The signed state, read as docs/feeds.md tells a newsroom to."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from aiohttp.test_utils import TestClient
from cryptography.hazmat.primitives.serialization import load_pem_public_key

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

Client = TestClient[Any, Any]


async def verified(public: Client) -> dict[str, Any]:
    """Read the manifest as docs/feeds.md tells a newsroom to."""
    envelope = json.loads(await get(public, "/state.json"))
    key: Any = load_pem_public_key((await get(public, "/state.pub")).encode())
    key.verify(base64.b64decode(envelope["signature"]), envelope["state"].encode())
    state: dict[str, Any] = json.loads(envelope["state"])
    return state


async def test_the_state_names_what_is_in_force_by_digests_that_hold(
    public: Client, live: Any, end: Any, deliver: Deliver
) -> None:
    assert (await verified(public))["alerts"] == []
    alert_id = await live()
    await live(status="exercise", case_reference="E-2")
    state = await verified(public)
    assert state["format"] == "alertd-state-1"
    assert len(state["exercises"]) == 1
    (alert,) = state["alerts"]
    assert (alert["identifier"], alert["state"]) == (f"example.{alert_id}.1", "live")
    document = await public.get(alert["cap"]["url"].removeprefix(PUBLIC_URL))
    assert alert["cap"]["sha256"] == hashlib.sha256(await document.read()).hexdigest()
    for language, digest in alert["entries"].items():
        (item,) = json.loads(await get(public, f"/feeds/{language}/feed.json"))["items"]
        text = json.dumps(item, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        assert digest == hashlib.sha256(text.encode()).hexdigest()
    assert not [name for name in NAMES if name in json.dumps(state, ensure_ascii=False)]
    await end(alert_id)
    assert (await verified(public))["alerts"] == []
    await deliver()
    (alert,) = (await verified(public))["alerts"]
    assert alert["state"] == "ended"


@both_databases
async def test_the_sequence_grows_with_every_change_and_with_no_other(
    public: Client,
    submit: Submit,
    *,
    activate: Activate,
    amend: Any,
    end: Any,
    deliver: Deliver,
    clock: FakeClock,
) -> None:
    numbers = [(await verified(public))["sequence"]]
    alert_id = await submit(status="actual")
    assert (await verified(public))["sequence"] == numbers[0], "what waits is nobody's business"
    await activate(alert_id)
    await deliver()
    numbers.append((await verified(public))["sequence"])
    await amend(alert_id)
    numbers.append((await verified(public))["sequence"])
    await deliver("email")
    assert (await verified(public))["sequence"] == numbers[-1]
    await end(alert_id)
    numbers.append((await verified(public))["sequence"])
    await deliver()
    numbers.append((await verified(public))["sequence"])
    clock.tick(hours=25)
    numbers.append((await verified(public))["sequence"])
    assert numbers == sorted(set(numbers))


async def test_the_state_is_signed_anew_with_every_heartbeat(
    public: Client, clock: FakeClock
) -> None:
    first = await verified(public)
    clock.tick(seconds=59)
    assert await verified(public) == first
    clock.tick(seconds=1)
    second = await verified(public)
    assert second["generated_at"] == "2026-11-24T02:01:00Z"
    assert second["good_until"] == "2026-11-24T02:04:00Z"
    assert second["sequence"] == first["sequence"]
