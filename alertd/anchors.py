"""Anchors: the signed end of the audit chain, written where the database's owner cannot reach.

Whoever can write the database can also make a whole chain anew. They cannot sign it: the key
stands in a file of its own, and what was once anchored stays readable elsewhere.
"""

import asyncio
import base64
import binascii
import hashlib
import json
import os
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import aiohttp
import aiosmtplib
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from pydantic import BaseModel, ConfigDict, SecretStr

from alertd.core.audit import Fault, Finding, Head, canonical, instant
from alertd.core.errors import ConfigError
from alertd.sections import Anchors

_FORMAT = "alertd-anchor-1"
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Anchor:
    """One signed head."""

    install: str
    seq: int
    hash: str
    at: str  # UTC, as core.audit.instant spells it
    key_id: str  # begins the SHA-256 of the public key
    signature: str = ""  # Ed25519 over `signed`, base64

    @property
    def head(self) -> Head:
        return Head(self.seq, self.hash)

    @property
    def signed(self) -> bytes:
        fields = asdict(self)
        del fields["signature"]
        return canonical({"format": _FORMAT, **fields}).encode()

    def line(self) -> str:
        """Give the anchor as one line of JSON."""
        return canonical(asdict(self))

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read one line; raises ValueError."""
        fields: dict[str, Any] = json.loads(line)
        try:
            anchor = cls(**fields)
        except TypeError:
            raise ValueError("not an anchor") from None
        if not isinstance(anchor.seq, int):
            raise ValueError("not an anchor: seq is no number")  # noqa: TRY004 - one error to catch
        return anchor


class Verifier:
    """The public key, which auditors keep."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = hashlib.sha256(raw).hexdigest()[:16]

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read an exported public key; raises ConfigError."""
        try:
            key = load_pem_public_key(pem)
        except ValueError:
            raise ConfigError("this is no public key in PEM") from None
        if not isinstance(key, Ed25519PublicKey):
            raise ConfigError("this is no Ed25519 public key")
        return cls(key)

    @property
    def pem(self) -> bytes:
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def holds(self, anchor: Anchor) -> bool:
        """Tell whether this key signed `anchor` as it stands."""
        try:
            signature = base64.b64decode(anchor.signature, validate=True)
            self._key.verify(signature, anchor.signed)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return anchor.key_id == self.key_id


class Signer:
    """Signs heads, and the public state, with the key whose 32-byte seed stands in the key file."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = Verifier(self._key.public_key())

    def sign(self, install: str, head: Head, at: datetime) -> Anchor:
        anchor = Anchor(install, head.seq, head.hash, instant(at), self.verifier.key_id)
        return replace(anchor, signature=self._signature(anchor.signed))

    def sign_text(self, text: str) -> str:
        """Give the signature of `text` as UTF-8, in base64; it must name its own format."""
        return self._signature(text.encode())

    def _signature(self, data: bytes) -> str:
        return base64.b64encode(self._key.sign(data)).decode()


def read_anchors(lines: Iterable[str]) -> Iterator[Anchor | Finding]:
    """Read the lines of an anchor file; a line that is none becomes a finding.

    A line without its closing brace is what a crash left behind, and is passed over.
    """
    for number, line in enumerate(lines, 1):
        if not line.rstrip().endswith("}"):
            continue
        try:
            yield Anchor.parse(line)
        except ValueError:
            yield Finding(Fault.FORGED, 0, f"line {number} of the anchors is no anchor")


class Target(Protocol):
    """Where anchors go."""

    name: str

    async def put(self, anchor: Anchor) -> None:
        """Hand `anchor` over; raises what its library raises."""
        ...


class FileTarget:
    """Appends to a file, durably; the file is never rotated or cut."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path

    async def put(self, anchor: Anchor) -> None:
        await asyncio.to_thread(self._append, f"{anchor.line()}\n".encode())

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        with os.fdopen(os.open(self._path, flags, 0o644), "rb+", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":  # a crash cut the last line
                    line = b"\n" + line
            file.write(line)
            os.fsync(file.fileno())


class WebhookTarget:
    """Posts to the operator's own URL, which may be an internal one."""

    name = "webhook"

    def __init__(self, url: str) -> None:
        self._url = url

    async def put(self, anchor: Anchor) -> None:
        headers = {"Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(
                self._url, data=anchor.line(), headers=headers, allow_redirects=False
            ) as response,
        ):
            if not 200 <= response.status < 300:
                raise OSError(f"the anchor's receiver answered {response.status}")


class Relay(BaseModel):
    """The server of `[channels.email]`, as far as anchors need to know it."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int | None = None
    tls: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: str | None = None
    username: str | None = None
    password: SecretStr | None = None
    sender: str


class MailTarget:
    """Mails anchors, so that they stand in somebody else's mailbox."""

    name = "mail"

    def __init__(self, relay: Relay, *, recipient: str) -> None:
        self._relay = relay
        self._recipient = recipient

    async def put(self, anchor: Anchor) -> None:
        relay = self._relay
        encrypted = relay.tls != "none"
        await aiosmtplib.send(
            self._mail(anchor),
            hostname=relay.host,
            port=relay.port,
            username=relay.username,
            password=relay.password.get_secret_value() if relay.password else None,
            timeout=_TIMEOUT_S,
            use_tls=relay.tls == "tls",
            start_tls=relay.tls == "starttls",
            tls_context=ssl.create_default_context(cafile=relay.ca_file) if encrypted else None,
        )

    def _mail(self, anchor: Anchor) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._relay.sender
        mail["To"] = self._recipient
        mail["Subject"] = f"{anchor.install}: audit anchor {anchor.seq}"
        mail["Message-ID"] = f"<anchor.{anchor.seq}.{anchor.hash[:16]}@{anchor.install}.invalid>"
        mail.set_content(anchor.line())
        return mail


def targets(anchors: Anchors, email: Mapping[str, Any] | None) -> list[Target]:
    """Give where `[anchors]` sends them; `email` is the section of the relay.

    Raises ConfigError when anchors are to be mailed and there is no relay.
    """
    found: list[Target] = []
    if anchors.file:
        found.append(FileTarget(anchors.file))
    if anchors.webhook:
        found.append(WebhookTarget(str(anchors.webhook)))
    if anchors.mail:
        if email is None:
            raise ConfigError("anchors.mail: needs the relay of [channels.email]; add that section")
        found.append(MailTarget(Relay.model_validate(email), recipient=anchors.mail))
    return found
