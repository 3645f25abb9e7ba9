"""Signatures of CAP documents: they hold by another implementation, and nothing else does."""

import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree
from signxml.algorithms import SignatureMethod
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from alertd.capsign import CapSigner, NotSigned, NotVerified, read_signed
from alertd.core import cap
from tests import debian
from tests.core.test_cap import make_cap, make_info, schema_faults
from tests.signing import START, Pair, holds, make_pair

NOW = START + timedelta(days=10)
DOCUMENT = cap.to_xml(make_cap(info=[make_info(headline="Παιδί αναζητείται & «λ»")]))
AT_THE_TIME = SignatureConfiguration(verification_time=NOW)
DS = "http://www.w3.org/2000/09/xmldsig#"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pairs")


@pytest.fixture(scope="module", params=["rsa", "ec", "ec-384"])
def pair(request: pytest.FixtureRequest, folder: Path) -> Pair:
    return make_pair(folder, f"signer-{request.param}", kind=request.param)


def test_a_signed_document_is_valid_and_holds_elsewhere(pair: Pair) -> None:
    signed = pair.signer().sign(DOCUMENT, NOW)
    assert holds(signed, pair)
    assert schema_faults(signed) == []
    assert cap.parse(signed) == cap.parse(DOCUMENT)
    root = etree.fromstring(signed)
    assert root[-1].tag == f"{{{DS}}}Signature"
    assert root.find(f".//{{{DS}}}KeyInfo/{{{DS}}}X509Data/{{{DS}}}X509Certificate") is not None
    found = read_signed(signed, [pair.issued], NOW)
    assert found.trusted
    assert cap.read(found.signed).alert == cap.parse(DOCUMENT)


@pytest.fixture(scope="module")
def xmlsec() -> str:
    """Give the command; without it the tests are skipped, loudly, and in CI it is installed."""
    if os.environ.get("CI") and shutil.which("xmlsec1") is None:
        debian.install("xmlsec1")
    if found := shutil.which("xmlsec1"):
        return found
    assert not os.environ.get("CI"), "CI wants Debian's xmlsec1"
    pytest.skip("NO XMLSEC1: install it to have signatures checked by somebody else")


def test_the_xmlsec_command_agrees(xmlsec: str, pair: Pair, tmp_path: Path) -> None:
    file = tmp_path / "signed.xml"
    file.write_bytes(pair.signer().sign(DOCUMENT, NOW))
    command = [xmlsec, "--verify", "--pubkey-cert-pem", str(pair.certificate), str(file)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_one_changed_byte_breaks_it(pair: Pair) -> None:
    signed = pair.signer().sign(DOCUMENT, NOW)
    start = signed.index(b"<identifier>")
    end = signed.index(b"</info>")
    changed = 0
    for place in range(start, end, 13):
        byte = signed[place]
        if byte >= 0x80 or not chr(byte).isalnum():
            continue
        other = signed[:place] + (b"x" if byte != ord("x") else b"y") + signed[place + 1 :]
        assert not holds(other, pair)
        with pytest.raises(NotVerified):
            read_signed(other, [pair.issued], NOW)
        changed += 1
    assert changed > 20


def test_another_certificate_is_not_trusted(pair: Pair, folder: Path) -> None:
    signed = pair.signer().sign(DOCUMENT, NOW)
    other = make_pair(folder, "other")
    with pytest.raises(NotVerified, match="trusted"):
        read_signed(signed, [other.issued], NOW)
    assert not read_signed(signed, None, NOW).trusted


def test_a_certificate_is_trusted_for_its_issuers_sake(folder: Path) -> None:
    authority = make_pair(folder, "authority", ca=True)
    child = make_pair(folder, "child", issuer=authority)
    signed = child.signer().sign(DOCUMENT, NOW)
    assert read_signed(signed, [authority.issued], NOW).subject == "CN=child.example.org"


def test_a_certificate_that_may_not_issue_vouches_for_nobody(folder: Path) -> None:
    nobody = make_pair(folder, "nobody", ca=False)
    child = make_pair(folder, "foundling", issuer=nobody)
    with pytest.raises(NotVerified, match="trusted"):
        read_signed(child.signer().sign(DOCUMENT, NOW), [nobody.issued], NOW)


def test_an_expired_certificate_verifies_nothing(pair: Pair) -> None:
    signed = pair.signer().sign(DOCUMENT, NOW)
    with pytest.raises(NotVerified, match="not valid now"):
        read_signed(signed, [pair.issued], NOW + timedelta(days=400))


def wrapped(signed: bytes) -> bytes:
    """Put what was signed into a document of another, in the way of signature wrapping."""
    evil = etree.fromstring(DOCUMENT.replace(b"Exercise", b"Actual"))
    good = etree.fromstring(signed)
    signature = good[-1]
    good.remove(signature)
    etree.SubElement(signature, f"{{{DS}}}Object").append(good)
    evil.append(signature)
    return etree.tostring(evil)


def test_a_signature_over_a_part_is_none(pair: Pair) -> None:
    root = etree.fromstring(DOCUMENT)
    root.find(f"{{{cap.NAMESPACE}}}info").set("Id", "part")
    signer = XMLSigner(
        signature_algorithm=SignatureMethod.RSA_SHA256
        if isinstance(pair.made, rsa.RSAPrivateKey)
        else SignatureMethod.ECDSA_SHA256,
    )
    signed = signer.sign(root, key=pair.made, cert=[pair.issued], reference_uri="#part")
    assert XMLVerifier().verify(signed, x509_cert=pair.issued, expect_config=AT_THE_TIME)
    with pytest.raises(NotVerified, match="whole document"):
        read_signed(etree.tostring(signed), [pair.issued], NOW)


@pytest.mark.parametrize(
    "break_",
    [
        lambda _signed: DOCUMENT,
        wrapped,
        lambda signed: signed.replace(b"</alert>", signed[signed.index(b"<ds:Sig") :]),
        lambda signed: signed.replace(b"</info>", b"</info><info/>", 1),
        lambda signed: signed.replace(b'URI=""', b'URI="#x"'),
        lambda signed: signed.replace(b"X509Certificate", b"X509CRL"),
        lambda signed: signed.replace(b"X509Certificate>MI", b"X509Certificate>XX", 1),
        lambda signed: b"<!DOCTYPE a>" + signed.partition(b"?>\n")[2],
        lambda _signed: b"",
    ],
)
def test_whatever_is_done_to_a_signature_it_is_refused(pair: Pair, break_: object) -> None:
    assert callable(break_)
    with pytest.raises(NotVerified):
        read_signed(break_(pair.signer().sign(DOCUMENT, NOW)), [pair.issued], NOW)


def test_a_pair_in_order_is_no_trouble_until_it_nears_its_end(folder: Path) -> None:
    signer = make_pair(folder, "short", days=100).signer()
    assert signer.trouble(NOW) is None
    assert "expires on 2027-02-09" in (signer.trouble(START + timedelta(days=80)) or "")
    assert signer.fault is None
    assert "not valid" in (signer.trouble(START + timedelta(days=101)) or "")
    assert signer.fault


def test_what_keeps_a_pair_from_signing_is_said(folder: Path, tmp_path: Path) -> None:
    one, other = make_pair(folder, "one"), make_pair(folder, "two")
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    for key, certificate, words in (
        (one.key, other.certificate, "is not the key of"),
        (tmp_path / "none.pem", one.certificate, "cannot be read"),
        (one.key, tmp_path / "none.pem", "cannot be read"),
        (broken, one.certificate, "no PEM private key"),
        (one.key, broken, "no PEM certificate"),
    ):
        signer = CapSigner(key, certificate, warn=timedelta(days=30))
        with pytest.raises(NotSigned, match=words):
            signer.sign(DOCUMENT, NOW)
        assert words in (signer.fault or "")


def test_a_renewed_pair_needs_no_restart(folder: Path) -> None:
    signer = make_pair(folder, "renewed", days=5).signer()
    with pytest.raises(NotSigned):
        signer.sign(DOCUMENT, NOW)
    renewed = make_pair(folder, "renewed", days=365)
    assert holds(signer.sign(DOCUMENT, NOW), renewed)
    assert signer.fault is None
