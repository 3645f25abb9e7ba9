"""Keys and certificates for tests, made where they are needed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from lxml import etree

from alertd.capsign import CapSigner, Key

START = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Pair:
    """A private key and its certificate, as files."""

    key: Path
    certificate: Path
    made: Key
    issued: x509.Certificate

    def signer(self) -> CapSigner:
        return CapSigner(self.key, self.certificate, warn=timedelta(days=30))


def make_pair(
    folder: Path,
    name: str = "example",
    *,
    kind: Literal["rsa", "ec", "ec-384"] = "ec",
    days: int = 365,
    issuer: Pair | None = None,
    ca: bool = False,
) -> Pair:
    """Write a pair that is valid from START on; without an issuer it signs itself."""
    key: Key
    if kind == "rsa":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    else:
        key = ec.generate_private_key(ec.SECP256R1() if kind == "ec" else ec.SECP384R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}.example.org")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.issued.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(issuer.made if issuer else key, hashes.SHA256())
    )
    files = folder / f"{name}.key.pem", folder / f"{name}.pem"
    files[0].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    files[1].write_bytes(certificate.public_bytes(Encoding.PEM))
    return Pair(*files, key, certificate)


def holds(document: bytes, pair: Pair) -> bool:
    """Verify with xmlsec, which shares no code with what signed."""
    try:
        node = xmlsec.tree.find_node(etree.fromstring(document), xmlsec.constants.NodeSignature)
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_file(
            str(pair.certificate), xmlsec.constants.KeyDataFormatCertPem
        )
        context.verify(node)
    except (xmlsec.Error, etree.XMLSyntaxError):
        return False
    return True
