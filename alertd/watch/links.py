"""Link tests: whether each channel's peer would take a message now, asked every few minutes.

A test sends nothing to anybody. What came of it is kept, the latest few of each channel.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Row, delete, func, insert, select

from alertd.channel import Tested
from alertd.core.errors import Reason, SendError
from alertd.store.schema import link_tests
from alertd.tools import Tools

log = structlog.get_logger(__name__)

KEPT = 500  # of each channel: a day at the usual pace
PATIENCE_S = 30.0
FAILED_FOR = 3  # in a row, before it is worth an alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTest:
    channel: str
    at: datetime
    took_s: float
    passed: bool
    reason: str
    detail: str


async def test_links(tools: Tools, every_s: float) -> None:
    """Test every channel whose last test, by whichever node, is `every_s` old."""
    since = tools.clock() - timedelta(seconds=every_s)
    recent = await tools.store.read(_tested_since, since)
    due = [channel for name, channel in sorted(tools.channels.items()) if name not in recent]
    await asyncio.gather(*(_test(tools, channel) for channel in due if isinstance(channel, Tested)))


async def _test(tools: Tools, channel: Tested) -> None:
    at, began = tools.clock(), time.perf_counter()
    reason = ""
    detail: str | None = ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            detail = await channel.test_link(at)
    except SendError as error:
        reason, detail = str(error.reason), error.detail
    except TimeoutError:
        reason = str(Reason.TIMEOUT)
    except Exception as error:  # noqa: BLE001 - whatever it is, the link does not work
        reason, detail = str(Reason.DEFECT), type(error).__name__
    if detail is None:
        return
    test = LinkTest(
        channel=channel.name,
        at=at,
        took_s=time.perf_counter() - began,
        passed=not reason,
        reason=reason,
        detail=detail[:100],
    )
    await tools.store.write(keep_test, test)
    if reason:
        log.warning("link.failed", channel=channel.name, reason=reason, detail=detail[:100])


def keep_test(conn: Connection, test: LinkTest) -> None:
    """Store one test and forget those beyond KEPT."""
    number = conn.execute(
        insert(link_tests)
        .values(
            channel=test.channel,
            at=test.at,
            took_us=int(test.took_s * 1_000_000),
            passed=test.passed,
            reason=test.reason,
            detail=test.detail,
        )
        .returning(link_tests.c.id)
    ).scalar_one()
    mine = link_tests.c.channel == test.channel
    beyond = (
        select(link_tests.c.id)
        .where(mine, link_tests.c.id <= number)
        .order_by(link_tests.c.id.desc())
        .offset(KEPT)
        .limit(1)
    )
    last = conn.scalar(beyond)
    if last is not None:
        conn.execute(delete(link_tests).where(mine, link_tests.c.id <= last))


def read_tests(conn: Connection, channel: str, limit: int = 100) -> list[LinkTest]:
    """Give the latest tests of a channel, newest first."""
    query = (
        select(link_tests)
        .where(link_tests.c.channel == channel)
        .order_by(link_tests.c.id.desc())
        .limit(limit)
    )
    return [_told(row) for row in conn.execute(query)]


def latest_tests(conn: Connection, channels: Sequence[str]) -> dict[str, LinkTest]:
    """Give the newest test of each channel: a seek each, and one question for all."""
    newest = [
        select(func.max(link_tests.c.id)).where(link_tests.c.channel == name).scalar_subquery()
        for name in channels
    ]
    rows = conn.execute(select(link_tests).where(link_tests.c.id.in_(newest)))
    return {row.channel: _told(row) for row in rows}


def _told(row: Row[Any]) -> LinkTest:
    return LinkTest(
        channel=row.channel,
        at=row.at,
        took_s=row.took_us / 1_000_000,
        passed=row.passed,
        reason=row.reason,
        detail=row.detail,
    )


def is_down(conn: Connection, channel: str) -> bool:
    """Tell whether the last few tests of a channel all failed."""
    tests = read_tests(conn, channel, FAILED_FOR)
    return len(tests) == FAILED_FOR and not any(test.passed for test in tests)


def _tested_since(conn: Connection, since: datetime) -> set[str]:
    query = select(link_tests.c.channel).group_by(link_tests.c.channel)
    return set(conn.scalars(query.having(func.max(link_tests.c.at) > since)))
