"""This machine's clock is wrong: its peers tell, and the operators hear of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from alertd.demo.webhooks import SECRET
from alertd.settings import Settings
from alertd.store.schema import alarms
from alertd.watch.alarms import AlarmKind, standing
from alertd.watch.watcher import Watcher
from tests.dispatch.conftest import Peers, Town

PING = timedelta(seconds=90)


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/alertd.db"


@pytest.fixture
def settings(settings: Settings, peers: Peers) -> Settings:
    ping = {"ping_url": f"{peers.webhooks.url}/ping", "ping_secret": SECRET}
    webhook = settings.channels["webhook"] | ping
    return settings.model_copy(
        update={"channels": settings.channels | {"webhook": webhook}, "watch": settings.watch}
    )


async def test_a_clock_that_its_peers_contradict_is_an_alarm(town: Town) -> None:
    channel = town.tools.channels["webhook"]
    now = town.tools.clock()
    await channel.test_link(now + PING)
    assert await alarmed(town) == {"clock_off"}
    assert "clock" in " ".join(await town.app.watcher.faults())
    assert channel.clock_gap_s == pytest.approx(-PING.total_seconds(), abs=5)


async def test_another_machines_alarm_is_not_ended_here_before_a_day_is_over(town: Town) -> None:
    await town.tools.store.write(_raise, town.tools.clock())
    assert await alarmed(town) == {"clock_off"}
    later = town.tools.clock() + timedelta(days=1, minutes=1)
    watcher = Watcher(replace(town.tools, clock=lambda: later), town.app.watcher.limits)
    await watcher.look()
    assert "clock_off" not in {alarm.kind for alarm in await town.tools.store.read(standing)}


async def alarmed(town: Town) -> set[str]:
    await town.app.watcher.look()
    return {alarm.kind for alarm in await town.tools.store.read(standing)}


def _raise(conn: Connection, now: datetime) -> None:
    conn.execute(
        alarms.insert().values(kind=AlarmKind.CLOCK_OFF, subject="elsewhere", raised_at=now)
    )
