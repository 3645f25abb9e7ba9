"""What somebody would write instead: a loop around the best usual client, with no ledger.

`python -m tests.benchmarks.bare KIND` reads one JSON line, says "ready", waits for a line,
sends everything and prints one JSON line.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import resource
import ssl
import sys
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from yarl import URL

Send = Callable[[int], Awaitable[None]]
Task = dict[str, Any]


async def webhook(stack: AsyncExitStack, task: Task) -> list[Send]:
    """aiohttp tuned as far as it goes, signed by Standard Webhooks as alertd signs."""
    trust = ssl.create_default_context(cafile=task["ca"]) if task.get("ca") else True
    session = await stack.enter_async_context(
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=task["concurrency"], ssl=trust),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            auto_decompress=False,
        )
    )
    body, key = b"x" * task["size"], b"k" * 24

    async def send(n: int) -> None:
        stamp = str(int(time.time()))
        signed = b"%b.%b.%b" % (b"example-%d" % n, stamp.encode(), body)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "bare",
            "webhook-id": f"example-{n}",
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{b64encode(hmac.digest(key, signed, 'sha256')).decode()}",
        }
        url = URL(f"{task['url']}{n}", encoded=True)
        async with session.post(url, data=body, headers=headers) as answer:
            await answer.read()
            if answer.status != 200:
                raise RuntimeError(answer.status)

    return [send] * task["concurrency"]


async def sms(stack: AsyncExitStack, task: Task) -> list[Send]:
    """Twilio's SDK with its own asynchronous, pooled client."""
    from twilio.http.async_http_client import AsyncTwilioHttpClient  # noqa: PLC0415 - 30 MiB
    from twilio.rest import Client  # noqa: PLC0415

    http = AsyncTwilioHttpClient()
    stack.push_async_callback(http.close)
    client = Client("AC" + "0" * 32, "token", http_client=http)
    client.api.base_url = task["url"]
    text = "x" * task["size"]

    async def send(n: int) -> None:
        created = await client.messages.create_async(
            to=f"+30690{n:07}",
            body=text,
            from_="Example",
            validity_period=14_400,
            status_callback=f"https://alerts.example.org/callbacks/sms?delivery={n}",
        )
        if not created.sid:
            raise RuntimeError("no sid")

    return [send] * task["concurrency"]


async def email(stack: AsyncExitStack, task: Task) -> list[Send]:
    """aiosmtplib over kept connections, the message built once."""
    import aiosmtplib  # noqa: PLC0415

    lines = b"x" * 76 + b"\r\n"
    message = b"From: a@example.org\r\nSubject: Example\r\n\r\n" + lines * (task["size"] // 78)

    async def make() -> Send:
        server = aiosmtplib.SMTP(hostname="127.0.0.1", port=task["port"], start_tls=False)
        await server.connect()
        stack.callback(server.close)

        async def send(n: int) -> None:
            await server.sendmail("alerts@example.org", [f"reader{n}@example.org"], message)

        return send

    return [await make() for _ in range(task["concurrency"])]


KINDS = {"webhook": webhook, "sms": sms, "email": email}


async def main(kind: str, task: Task) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        senders = await KINDS[kind](stack, task)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        numbers = iter(range(task["count"]))
        before, started = cpu_s(), time.perf_counter()
        await asyncio.gather(*[_through(send, numbers) for send in senders])
        return {
            "seconds": time.perf_counter() - started,
            "cpu_s": cpu_s() - before,
            "rss_mib": peak_mib(),
        }


async def _through(send: Send, numbers: Iterator[int]) -> None:
    for n in numbers:
        await send(n)


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mib() -> float:
    # Not ru_maxrss: it begins with what the parent held when it started this process.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    told = json.loads(sys.stdin.readline())
    print(json.dumps(uvloop.run(main(sys.argv[1], told))), flush=True)
