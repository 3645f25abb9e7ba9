"""Signatures of CAP documents: enveloped XML-DSig, the X.509 certificate in KeyInfo."""

import binascii
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature as WrongIssuer
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree
from signxml.algorithms import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
)
from signxml.exceptions import SignXMLException
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from alertd.core.cap import NAMESPACE, BrokenDocument, open_tree
from alertd.core.cap.read import SIGNATURE
from alertd.core.errors import AlertdError, ConfigError, Refused
from alertd.sections import Cap

_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_METHODS = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)
_DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})
_LONGEST_CHAIN = 5
_TRIAL = f'<alert xmlns="{NAMESPACE}"><identifier>trial</identifier></alert>'.encode()

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class NotSigned(AlertdError):
    """The document could not be signed; the text names the file and the remedy."""


class NotVerified(Refused):
    """There is no signature, or it does not hold; the text says which."""


class CapSigner:
    """Signs with the files of `[cap]`, read anew each time: a renewed certificate needs no restart.

    `fault` is why nothing could be signed when it was last tried; None when all is well.
    """

    def __init__(self, key: Path, certificate: Path, *, warn: timedelta) -> None:
        self.fault: str | None = None
        self.told: set[int] = set()  # the documents that operators know are not signed
        self._key, self._certificate, self._warn = key, certificate, warn

    def sign(self, document: bytes, now: datetime) -> bytes:
        """Give the document with its signature, tried before it is handed out; raises NotSigned."""
        try:
            signed = self._sign(document, now)
        except NotSigned as error:
            self.fault = str(error)
            raise
        self.fault = None
        return signed

    def trouble(self, now: datetime) -> str | None:
        """Sign a trial, and tell what is wrong or soon will be."""
        try:
            self.sign(_TRIAL, now)
            ends = _certificate(self._certificate).not_valid_after_utc
        except NotSigned as error:
            return f"CAP documents are not published: {error}"
        if ends - now > self._warn:
            return None
        return f"the certificate that signs CAP documents expires on {ends:%Y-%m-%d}: renew it"

    def _sign(self, document: bytes, now: datetime) -> bytes:
        key, certificate = _key(self._key), _certificate(self._certificate)
        if key.public_key() != certificate.public_key():
            raise NotSigned(f"{self._key} is not the key of {self._certificate}")
        _in_force(certificate, now, NotSigned(f"{self._certificate} is not valid now: renew it"))
        kind = "RSA" if isinstance(key, rsa.RSAPrivateKey) else "ECDSA"
        signer = XMLSigner(
            method=SignatureConstructionMethod.enveloped,
            signature_algorithm=SignatureMethod[f"{kind}_SHA256"],
            digest_algorithm=DigestAlgorithm.SHA256,
            c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
        )
        try:
            tree = signer.sign(etree.fromstring(document), key=key, cert=[certificate])
            signed = etree.tostring(tree, encoding="UTF-8", xml_declaration=True)
            verify(open_tree(signed), [certificate], now)
        except (SignXMLException, ValueError, TypeError, NotVerified) as error:
            raise NotSigned(f"signing failed: {type(error).__name__}") from error
        return signed


@dataclass(frozen=True, slots=True)
class Senders:
    """Who is known to sign its requests in CAP, and what becomes of everybody else's."""

    certificates: Mapping[str, Path]
    unregistered: Literal["accept", "draft", "refuse"]


NOBODY = Senders({}, "draft")


def make_signer(cap: Cap) -> CapSigner | None:
    """Give what signs by these settings; None when nothing is to be signed."""
    if cap.key is None or cap.certificate is None:
        return None
    return CapSigner(cap.key, cap.certificate, warn=timedelta(days=cap.warn_days))


def _key(path: Path) -> Key:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise NotSigned(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError):
        raise NotSigned(f"{path}: is no PEM private key without a passphrase") from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise NotSigned(f"{path}: must be an RSA or an elliptic curve key")
    return key


def _certificate(path: Path) -> x509.Certificate:
    try:
        return load_certificates(path)[0]
    except ConfigError as error:
        raise NotSigned(str(error)) from None


def load_certificates(path: Path) -> list[x509.Certificate]:
    """Read a PEM file, the certificate itself first; raises ConfigError."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"{path}: holds no PEM certificate") from None


def _in_force(certificate: x509.Certificate, now: datetime, error: AlertdError) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise error


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that holds over the whole of `signed`."""

    signed: etree._Element  # what to read: exactly what was signed
    certificate: x509.Certificate
    trusted: bool  # the certificate is one that was asked for, or issued by one

    @property
    def subject(self) -> str:
        return self.certificate.subject.rfc4514_string()

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()


def is_signed(root: etree._Element) -> bool:
    return root.find(SIGNATURE) is not None


def verify(
    root: etree._Element, trust: Sequence[x509.Certificate] | None, now: datetime
) -> Signature:
    """Check the signature of a document; raises NotVerified.

    With `trust` the signer must be one of these, or a certificate that one of them issued;
    without, only that nothing was changed since is known.
    """
    signatures = root.findall(SIGNATURE)
    if not signatures:
        raise NotVerified("the document is not signed")
    if len(signatures) > 1 or root.index(signatures[0]) != len(root) - 1:
        raise NotVerified("one signature must stand at the end of the document")
    enclosed = _enclosed(signatures[0])
    signer = enclosed[0]
    _in_force(signer, now, NotVerified("the signer's certificate is not valid now"))
    if trust is not None and not _leads_to(signer, enclosed[1:], trust, now):
        raise NotVerified("the signer's certificate is not one that is trusted")
    return Signature(_signed(root, signer, now), signer, trusted=trust is not None)


def _enclosed(signature: etree._Element) -> list[x509.Certificate]:
    found = signature.findall(f"{_DS}KeyInfo/{_DS}X509Data/{_DS}X509Certificate")
    try:
        certificates = [
            x509.load_der_x509_certificate(b64decode("".join((each.text or "").split())))
            for each in found[:_LONGEST_CHAIN]
        ]
    except (ValueError, binascii.Error):
        raise NotVerified("the signature holds no X.509 certificate that can be read") from None
    if not certificates:
        raise NotVerified("the signature names no X.509 certificate")
    return certificates


def _leads_to(
    signer: x509.Certificate,
    between: Sequence[x509.Certificate],
    trust: Sequence[x509.Certificate],
    now: datetime,
) -> bool:
    """Tell whether a chain of issuers, each allowed to issue, leads to a trusted certificate."""
    at = signer
    for _ in range(_LONGEST_CHAIN):
        if at in trust:
            return True
        issuers = [each for each in (*trust, *between) if each != at and _issued(at, each, now)]
        if not issuers:
            return False
        at = issuers[0]
    return False


def _issued(certificate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, ValueError, TypeError, WrongIssuer):
        return False
    valid = issuer.not_valid_before_utc <= now <= issuer.not_valid_after_utc
    return constraints.ca and valid


def _signed(root: etree._Element, signer: x509.Certificate, now: datetime) -> etree._Element:
    expected = SignatureConfiguration(
        location="./",
        signature_methods=_METHODS,
        digest_algorithms=_DIGESTS,
        verification_time=now,
    )
    try:
        result = XMLVerifier().verify(root, x509_cert=signer, expect_config=expected)
    except (SignXMLException, ValueError, TypeError, AttributeError, KeyError):
        raise NotVerified("the signature does not hold: something was changed") from None
    found = result[0] if isinstance(result, list) else result
    signed = found.signed_xml
    if signed is None or signed.tag != root.tag or len(signed) != len(root) - 1:
        raise NotVerified("the signature does not cover the whole document")
    return signed


def read_signed(data: bytes, trust: Sequence[x509.Certificate] | None, now: datetime) -> Signature:
    """As `verify`, of bytes."""
    try:
        return verify(open_tree(data), trust, now)
    except BrokenDocument as error:
        raise NotVerified(f"the document {error}") from None
