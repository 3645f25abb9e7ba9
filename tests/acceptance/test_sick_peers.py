"""Endpoints that refuse, hang, break off or talk rubbish delay nobody but themselves."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from alertd.core.errors import Reason
from alertd.store.schema import addresses, attempts, deliveries
from tests.acceptance.conftest import Scene, Scenes
from tests.acceptance.harness.sick import HANGING, KINDS, sick

HEALTHY = 300  # on three channels
EACH = 20  # recipients behind each sick endpoint
NOT_DONE = {"queued", "leased"}

# What the ledger says of an attempt at each; several where the moment decides.
REASONS: Mapping[str, set[str]] = {
    "hang_unread": {Reason.TIMEOUT},
    "hang_taken": {Reason.TIMEOUT},
    "reset": {Reason.DROPPED},
    "throttle": {Reason.THROTTLED},
    "fail": {Reason.SERVER_ERROR},
    "garbage": {Reason.BAD_ANSWER, Reason.DROPPED},
    "dribble": {Reason.TIMEOUT},
    "certificate": {Reason.TLS},
    "refuse": {Reason.REFUSED_CONNECTION},
    "dns": {Reason.DNS, Reason.TIMEOUT},
}


async def _sent_to(scene: Scene, urls: Mapping[str, str], kinds: Sequence[str]) -> None:
    for kind in kinds:
        found = [f"{urls[kind]}/{kind}/{number}" for number in range(EACH)]
        await scene.here.enter("webhook", found)
    await scene.daemon.start()
    await scene.here.send()


async def _healthy_first(scene: Scene, sick_ones: int) -> None:
    """Everybody else is through while all who cannot be reached are still being tried."""
    await scene.here.until_done(HEALTHY)
    counts = await scene.here.counts()
    waiting = sum(counts[state] for state in NOT_DONE)
    assert waiting == sick_ones * EACH
    for channel in ("sms", "email", "webhook"):
        lines = scene.peers.lines(channel)
        assert len(lines) == len({line.id for line in lines}) == HEALTHY // 3


async def _tried(scene: Scene, kinds: Sequence[str]) -> dict[str, set[str]]:
    """Wait until each kind has been tried; gives the reasons in the ledger."""
    async with asyncio.timeout(30):
        while True:
            reasons = await scene.here.tools.store.read(_reasons)
            if reasons.keys() >= set(kinds):
                return reasons
            await asyncio.sleep(0.1)


async def test_one_of_each_at_once_delays_nobody_else(scenes: Scenes, tmp_path: Path) -> None:
    scene = await scenes.make(people=HEALTHY // 3)
    async with sick(tmp_path) as urls:
        await _sent_to(scene, urls, KINDS)
        await _healthy_first(scene, len(KINDS))
        reasons = await _tried(scene, KINDS)
    wrong = {kind: found for kind, found in reasons.items() if not found <= REASONS[kind]}
    assert not wrong
    print(f"{HEALTHY} tried, 0 lost beside {len(KINDS)} kinds of sick endpoints")  # noqa: T201


async def test_more_hanging_endpoints_than_places_delay_nobody_else(
    scenes: Scenes, tmp_path: Path
) -> None:
    """Together they could hold every connection that the channel has."""
    kinds = [f"hang_{number}" for number in range(HANGING)]
    channels = {"webhook": {"timeout_s": 60}}
    scene = await scenes.make(people=HEALTHY // 3, channels=channels, dispatch={"lease_s": 130})
    async with sick(tmp_path) as urls:
        await _sent_to(scene, urls, kinds)
        await _healthy_first(scene, HANGING)
        reasons = await scene.here.tools.store.read(_reasons)
    assert not reasons  # not one of them has been given up yet


@pytest.mark.chaos
@pytest.mark.parametrize("kind", KINDS)
async def test_each_alone_delays_nobody_else(scenes: Scenes, tmp_path: Path, kind: str) -> None:
    scene = await scenes.make(people=HEALTHY // 3)
    async with sick(tmp_path) as urls:
        await _sent_to(scene, urls, [kind])
        await _healthy_first(scene, 1)
        reasons = await _tried(scene, [kind])
    assert reasons[kind] <= REASONS[kind]
    print(f"{kind}: {HEALTHY} tried, 0 lost")  # noqa: T201


def _reasons(conn: Connection) -> dict[str, set[str]]:
    """Give the reasons of failed attempts by kind of endpoint."""
    query = (
        select(addresses.c.address, attempts.c.reason)
        .join(deliveries, deliveries.c.address_id == addresses.c.id)
        .join(attempts, attempts.c.delivery_id == deliveries.c.id)
        .where(attempts.c.reason != "")
    )
    found: dict[str, set[str]] = defaultdict(set)
    for row in conn.execute(query):
        found[row.address.split("/")[3]].add(row.reason)
    return dict(found)
