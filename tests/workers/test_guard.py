"""Background tasks end when they are told to."""

import asyncio

from alertd.workers.guard import end, guard


async def test_a_task_that_loses_a_cancellation_is_asked_again() -> None:
    asked = 0

    async def deaf() -> None:
        nonlocal asked
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                asked += 1
                if asked > 1:
                    raise

    task = guard(deaf(), "deaf")
    await asyncio.sleep(0)
    await asyncio.wait_for(end(task), 10)
    assert asked == 2
