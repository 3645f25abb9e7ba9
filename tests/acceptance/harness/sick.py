"""Webhook endpoints that fail, each in its own way, in a process of their own.

Run as `python -m tests.acceptance.harness.sick FOLDER`; the first line that it prints names
their ports.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
HANGING = 14  # endpoints of the kind that costs most: it takes all and answers nothing

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Act = Callable[[Reader, Writer], Awaitable[None]]


async def _request(reader: Reader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length or 0))


async def hang_unread(_reader: Reader, _writer: Writer) -> None:
    await asyncio.Event().wait()


async def hang_taken(reader: Reader, _writer: Writer) -> None:
    await _request(reader)
    await asyncio.Event().wait()


async def reset(reader: Reader, writer: Writer) -> None:
    """In the middle of the request's body."""
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


async def throttle(reader: Reader, writer: Writer) -> None:
    await _answer(reader, writer, b"429 Too Many\r\nRetry-After: 1")


async def fail(reader: Reader, writer: Writer) -> None:
    await _answer(reader, writer, b"500 Oh")


async def _answer(reader: Reader, writer: Writer, status: bytes) -> None:
    while True:
        await _request(reader)
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)
        await writer.drain()


async def garbage(reader: Reader, writer: Writer) -> None:
    await _request(reader)
    writer.write(b"\x00\xffthis is not HTTP\r\n\r\n")


async def dribble(reader: Reader, writer: Writer) -> None:
    await _request(reader)
    for byte in b"HTTP/1.1 204 No Content\r\nServer: slow\r\n\r\n":
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(1)


ACTS: dict[str, Act] = {
    "hang_unread": hang_unread,
    "hang_taken": hang_taken,
    "reset": reset,
    "throttle": throttle,
    "fail": fail,
    "garbage": garbage,
    "dribble": dribble,
    "certificate": fail,  # who does not trust it never gets that far
}
KINDS = (*ACTS, "refuse", "dns")


async def _listen(act: Act, tls: ssl.SSLContext | None = None) -> int:
    async def serve(reader: Reader, writer: Writer) -> None:
        with suppress(OSError, EOFError):
            await act(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0, ssl=tls)
    port: int = server.sockets[0].getsockname()[1]
    _kept.append(server)
    return port


_kept: list[object] = []


def _self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sick.example.org")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "sick.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def serve(folder: Path) -> None:
    tls = _self_signed(folder)
    ports = {
        kind: await _listen(act, tls if kind == "certificate" else None)
        for kind, act in ACTS.items()
    }
    for number in range(HANGING):
        ports[f"hang_{number}"] = await _listen(hang_taken)
    refusing = socket.socket()
    refusing.bind((HOST, 0))  # bound, and never listened on
    ports["refuse"] = refusing.getsockname()[1]
    print(json.dumps(ports), flush=True)  # noqa: T201 - that is how it tells
    await asyncio.Event().wait()


@asynccontextmanager
async def sick(folder: Path) -> AsyncIterator[dict[str, str]]:
    """Give the URL of each kind of endpoint."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __spec__.name, str(folder)), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        ports = json.loads(await process.stdout.readline())
        urls = {kind: f"http://{HOST}:{port}" for kind, port in ports.items()}
        urls["certificate"] = urls["certificate"].replace("http:", "https:")
        urls["dns"] = "https://nowhere.invalid"
        yield urls
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
