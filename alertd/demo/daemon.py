"""The daemon as a user gets it: a process of its own, on a fresh folder, blind to the outside."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from alertd.core.errors import AlertdError
from alertd.demo.ports import HOST
from alertd.example import toml_value

READY_S = 60.0
STOP_S = 15.0
OURS = ("ALERTD_", "TWILIO_")
LOG_LINES = 15


class DaemonDied(AlertdError):
    """The daemon did not start, or ended before its time."""


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """Give the environment without whatever could lead the demo into the real world."""
    return {
        name: value
        for name, value in environ.items()
        if not name.upper().startswith(OURS) and not name.lower().endswith("_proxy")
    }


def write_config(path: Path, sections: Mapping[str, Any]) -> None:
    """Write `sections` as TOML: the demo's daemon reads a file like any other."""
    path.write_text("\n".join(_toml(sections, ())) + "\n", encoding="utf-8")


def _toml(table: Mapping[str, Any], key: tuple[str, ...]) -> list[str]:
    lines = [f"[{'.'.join(key)}]"] if key else []
    lines += [
        f"{name} = {toml_value(value)}"
        for name, value in table.items()
        if not isinstance(value, Mapping)
    ]
    for name, value in table.items():
        if isinstance(value, Mapping):
            lines += _toml(value, (*key, name))
    return lines


@asynccontextmanager
async def daemon(config: Path, api_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `alertd serve` until left; raises DaemonDied when it does not come up."""
    folder = config.parent
    with (folder / "alertd.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "alertd", "--config", str(config), "serve"),
            cwd=folder,
            env=scrubbed(os.environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is ours: we stop it
        )
    try:
        await _ready(process, api_url, folder / "alertd.log")
        yield process
    finally:
        await _stop(process)


async def _ready(process: asyncio.subprocess.Process, api_url: str, log: Path) -> None:
    try:
        async with asyncio.timeout(READY_S), aiohttp.ClientSession() as session:
            while process.returncode is None:
                try:
                    async with session.get(f"{api_url}/readyz") as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise DaemonDied(f"the daemon is not ready after {READY_S:.0f} s; see {log}") from None
    raise DaemonDied("the daemon did not start:\n" + tail(log))


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def tail(log: Path) -> str:
    """Give the last lines of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])


def url(port: int) -> str:
    return f"http://{HOST}:{port}"
