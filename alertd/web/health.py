"""Whether this process lives, and whether it can work."""

import asyncio
import json

from aiohttp import web
from sqlalchemy import Connection, select

from alertd.store.schema import marks
from alertd.tools import Tools
from alertd.watch.watcher import Watcher

_PATIENCE_S = 3.0


def add_health(app: web.Application, tools: Tools, watcher: Watcher | None = None) -> None:
    async def healthz(_request: web.Request) -> web.Response:
        return _answer("ok", 200)

    async def readyz(_request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await tools.store.read(_touch)
                alarms = await watcher.faults() if watcher else []
        except Exception:  # noqa: BLE001 - whatever it is, nothing can be done here now
            return _answer("the ledger does not answer", 503)
        # Still ready: text messages, mail and pages go out without a signature.
        if tools.signer and tools.signer.fault:
            alarms.append("CAP documents cannot be signed")
        return _answer("ok", 200, *alarms)

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)


def _touch(conn: Connection) -> None:
    conn.execute(select(marks.c.name).limit(1)).all()


def _answer(state: str, status: int, *alarms: str) -> web.Response:
    said = {"status": state} | ({"alarms": list(alarms)} if alarms else {})
    return web.Response(
        body=json.dumps(said).encode(),
        content_type="application/json",
        status=status,
    )
