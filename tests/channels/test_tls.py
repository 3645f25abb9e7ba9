"""TLS is checked: a stranger's certificate gets nothing."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from alertd.core.errors import Reason, Unsent
from alertd.demo.webhooks import SECRET
from alertd.testing import make_message, outcome
from tests.channels.making import email_channel, webhook_channel

ADDRESS = "someone@example.org"


@dataclass(frozen=True)
class Identity:
    """A certificate of 127.0.0.1 that signed itself."""

    certificate: Path
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*paths)
    return Identity(paths[0], context)


class Keeper:
    def __init__(self) -> None:
        self.encrypted: list[bool] = []

    async def handle_DATA(self, *about) -> str:  # noqa: N802 - aiosmtpd's name
        session = about[1]
        self.encrypted.append(session.ssl is not None)
        return "250 2.0.0 Ok"


@dataclass
class Server:
    port: int
    keeper: Keeper


@pytest.fixture(params=["starttls", "tls"])
async def server(request, identity) -> AsyncIterator[tuple[str, Server]]:
    keeper, loop = Keeper(), asyncio.get_running_loop()
    upgraded = request.param == "starttls"
    listening = await loop.create_server(
        lambda: SMTP(
            keeper,
            hostname="aiosmtpd.test",
            tls_context=identity.context if upgraded else None,
            require_starttls=upgraded,
            loop=loop,
        ),
        "127.0.0.1",
        0,
        ssl=None if upgraded else identity.context,
    )
    yield request.param, Server(listening.sockets[0].getsockname()[1], keeper)
    listening.close()


async def test_mail_goes_encrypted_to_a_server_that_proves_itself(server, identity):
    tls, peer = server
    async with email_channel(peer.port, tls=tls, ca_file=str(identity.certificate)) as channel:
        for _ in range(2):
            await channel.send(make_message(channel, ADDRESS))
    assert len(peer.keeper.encrypted) == 2
    assert tls == "tls" or all(peer.keeper.encrypted)


async def test_mail_does_not_go_to_a_server_that_nobody_vouches_for(server):
    tls, peer = server
    async with email_channel(peer.port, tls=tls) as channel:
        result = await outcome(channel, make_message(channel, ADDRESS))
    assert (type(result), result.reason) == (Unsent, Reason.TLS)
    assert not peer.keeper.encrypted


async def test_a_webhook_does_not_go_to_a_host_that_nobody_vouches_for(identity):
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            heard.put_nowait(await reader.read(1))
        writer.close()

    listening = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=identity.context)
    port = listening.sockets[0].getsockname()[1]
    async with webhook_channel() as channel:
        message = make_message(channel, f"https://127.0.0.1:{port}/", secret=SECRET)
        result = await outcome(channel, message)
    assert (type(result), result.reason) == (Unsent, Reason.TLS)
    listening.close()
    assert heard.empty() or heard.get_nowait() == b""
