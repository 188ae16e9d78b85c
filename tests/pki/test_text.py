"""What we print of a certificate is what ``openssl x509 -text`` prints, field by field."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path
from uuid import UUID

import cryptography_vectors
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from peerkey.errors import Misconfigured
from peerkey.pki.certificate import MAXIMUM_CERTIFICATE_BYTES, read_bundle
from peerkey.pki.policy import leaf_findings
from peerkey.pki.text import lines
from peerkey.testing.ca import TestCA
from peerkey_cli.key_types import KeyType
from peerkey_cli.laboratory.keys import generate

VECTORS = Path(cryptography_vectors.__file__).parent / "x509"

#: Extensions whose contents `cryptography` does not parse: their printable bytes are shown in place of words.
NOT_PARSED = {
    ExtensionOID.POLICY_MAPPINGS.dotted_string,
    ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS.dotted_string,
    ExtensionOID.PRIVATE_KEY_USAGE_PERIOD.dotted_string,
    ExtensionOID.ADMISSIONS.dotted_string,
    "2.16.840.1.113730.1.1",  # Netscape Cert Type
}
#: Certificates about which the two differ for another reason.
OTHERWISE = {
    "accvraiz1.pem": "OpenSSL shows no text that is not ASCII",
    "utf8-dnsname.pem": "OpenSSL writes letters that are not ASCII as escapes",
    "bigoid.pem": "OpenSSL does not show what lies behind an object identifier that is too large for it",
    "all_supported_names.pem": "attributes of names that have another word in OpenSSL",
    "extended_key_usage.pem": "purposes of vendors that have a word in OpenSSL",
    "mismatch_inner_outer_sig_algorithm.der": "the two algorithms differ; we show the one that is signed",
    "san_other_name.pem": "a kind of name that peers do not use",
    "scottishpower-bitstring-dn.pem": "a bit string in a name",
    "unique_identifier.pem": "a bit string in a name",
    "InvalidonlySomeReasonsTest20EE.crt": "the unused bit of the reasons, which is not kept",
    "InvalidonlySomeReasonsTest21EE.crt": "the unused bit of the reasons, which is not kept",
    "ValidonlySomeReasonsTest19EE.crt": "the unused bit of the reasons, which is not kept",
    "UIDCACert.crt": "unique identifiers, which RFC 5280 has forbidden",
    "ValidNameUIDsTest6EE.crt": "unique identifiers, which RFC 5280 has forbidden",
    "rsa_pss.pem": "parameters of a key that is for PSS alone",
    "rsa_pss_cert.pem": "parameters of a key that is for PSS alone",
    "rsa_pss_cert_invalid_mgf.der": "parameters that `cryptography` does not read",
    "rsa_pss_cert_no_sig_params.der": "parameters that `cryptography` does not read",
    "rsa_pss_cert_unsupported_mgf_hash.der": "parameters that `cryptography` does not read",
}


@pytest.mark.parametrize("kind", [kind for kind in KeyType if not kind.startswith("ml-dsa")])
def test_a_node_of_every_kind_of_key_is_shown_as_openssl_shows_it(kind: KeyType) -> None:
    ca = TestCA(root_key=generate(kind))
    issued = ca.issue(UUID(int=7), alias="the-east", issuer=ca.root, key=generate(kind))

    assert fields(lines(issued.certificate)) == fields(openssl(issued.certificate))


@pytest.mark.parametrize("kind", [kind for kind in KeyType if kind.startswith("ml-dsa")])
def test_a_key_of_ml_dsa_is_shown_under_its_name(kind: KeyType) -> None:
    ca = TestCA(root_key=generate(kind))

    shown = lines(ca.root.certificate)

    assert f"        Signature Algorithm: {kind.upper()}" in shown
    assert f"            Public Key Algorithm: {kind.upper()}" in shown


def test_every_published_certificate_is_shown_as_openssl_shows_it() -> None:
    outcomes: Counter[str] = Counter()
    unexplained = []
    for file in sorted(VECTORS.rglob("*")):
        certificate = readable(file)
        if certificate is None:
            continue
        if fields(lines(certificate)) == fields(openssl(certificate)):
            outcomes["equal"] += 1
        elif file.name in OTHERWISE or not NOT_PARSED.isdisjoint(extensions(certificate)):
            outcomes["explained"] += 1
        elif leaf_findings(certificate, certificate.public_key()):
            outcomes["not accepted of any peer"] += 1
        else:
            unexplained.append(file.name)

    assert unexplained == []
    assert outcomes["equal"] > 400
    assert outcomes["explained"] < 60


# --- helpers --------------------------------------------------------------------------------------


def readable(file: Path) -> x509.Certificate | None:
    if (
        file.suffix not in {".pem", ".der", ".crt", ".cer"}
        or file.stat().st_size > 4 * MAXIMUM_CERTIFICATE_BYTES
    ):
        return None
    try:
        return read_bundle(file.read_bytes(), file.name)[0]
    except Misconfigured:
        return None


def extensions(certificate: x509.Certificate) -> set[str]:
    return {extension.oid.dotted_string for extension in certificate.extensions}


def openssl(certificate: x509.Certificate) -> list[str]:
    done = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-noout", "-text"],
        input=certificate.public_bytes(Encoding.DER),
        capture_output=True,
        check=False,
        timeout=60,
    )
    text = done.stdout.decode("utf-8", "replace")
    # It begins these two in the line of what stands before them.
    return re.sub(r"(?<=\S) ?\s*(?=(?:CRL Issuer|Reasons):)", "\n", text).splitlines()


def fields(text: list[str]) -> list[str]:
    """Return the lines without what versions of OpenSSL differ in: spaces."""
    squeezed = (re.sub(r"\s+", " ", re.sub(r" ?([=+]) ?|(,) ", r"\1\2", line)).strip() for line in text)
    return [line for line in squeezed if line]
