"""What we print of a certificate is what ``openssl x509 -text`` prints, field by field."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path
from tempfile import NamedTemporaryFile
from uuid import UUID

import cryptography_vectors
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID
from hypothesis import given
from hypothesis import strategies as st

from peerkey.errors import Misconfigured
from peerkey.pki.certificate import MAXIMUM_CERTIFICATE_BYTES, read_bundle
from peerkey.pki.policy import leaf_findings
from peerkey.pki.rare_extensions import (
    NETSCAPE_CERT_TYPE,
    NETSCAPE_TEXTS,
    POLICY_MAPPINGS,
    other_name,
    shown,
)
from peerkey.pki.text import lines, word
from peerkey.testing.ca import TestCA
from peerkey_cli.key_types import KeyType
from peerkey_cli.laboratory.keys import generate

VECTORS = Path(cryptography_vectors.__file__).parent / "x509"

#: Extensions whose contents `cryptography` does not parse: their printable bytes are shown in place of words.
NOT_PARSED = {ExtensionOID.ADMISSIONS.dotted_string}
#: Certificates about which the two differ for another reason.
OTHERWISE = {
    "accvraiz1.pem": "OpenSSL shows no text that is not ASCII",
    "utf8-dnsname.pem": "OpenSSL writes letters that are not ASCII as escapes",
    "bigoid.pem": "OpenSSL does not show what lies behind an object identifier that is too large for it",
    "all_supported_names.pem": "attributes of names that have another word in OpenSSL",
    "extended_key_usage.pem": "purposes of vendors that have a word in OpenSSL",
    "mismatch_inner_outer_sig_algorithm.der": "the two algorithms differ; we show the one that is signed",
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
    published = [(file, read) for file in sorted(VECTORS.rglob("*")) if (read := readable(file)) is not None]
    at_once = openssl_at_once([certificate for _, certificate in published])
    for (file, certificate), text in zip(published, at_once, strict=True):
        ours = fields(lines(certificate))
        if ours == fields(text) or ours == fields(openssl(certificate)):
            outcomes["equal"] += 1
        elif file.name in OTHERWISE or not NOT_PARSED.isdisjoint(extensions(certificate)):
            outcomes["explained"] += 1
        elif leaf_findings(certificate, certificate.public_key()):
            outcomes["not accepted of any peer"] += 1
        else:
            unexplained.append(file.name)

    assert unexplained == []
    assert outcomes["equal"] > 430
    assert outcomes["explained"] < 25


EVERY_EXTENSION = """
basicConstraints=critical,CA:TRUE,pathlen:3
keyUsage=critical,digitalSignature,nonRepudiation,keyAgreement,keyCertSign,cRLSign,encipherOnly
extendedKeyUsage=serverAuth,clientAuth,codeSigning,emailProtection,timeStamping,OCSPSigning,1.2.3.4
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid,issuer:always
subjectAltName=@names
issuerAltName=DNS:issuer.example.com,URI:http://issuer.example.com
crlDistributionPoints=point
freshestCRL=URI:http://example.com/delta.crl
authorityInfoAccess=OCSP;URI:http://ocsp.example.com,caIssuers;URI:http://example.com/ca.cer
subjectInfoAccess=1.3.6.1.5.5.7.48.5;URI:http://example.com/repository
certificatePolicies=1.2.3.4.5,@policy
policyMappings=1.2.3.4.5:1.2.3.4.6,1.2.3.4.7:1.2.3.4.8
policyConstraints=requireExplicitPolicy:3,inhibitPolicyMapping:1
inhibitAnyPolicy=2
nameConstraints=permitted;DNS:.example.com,permitted;IP:10.0.0.0/255.0.0.0,excluded;email:.bad.example.com
subjectDirectoryAttributes=DER:30:12:30:10:06:03:55:04:06:31:09:04:07:74:65:73:74:69:6e:67
tlsfeature=status_request
noCheck=ignored
nsCertType=client,server,email,objsign,sslCA,emailCA,objCA
nsComment="A comment"
nsBaseUrl="http://example.com/"
nsCaPolicyUrl="http://example.com/policy"
nsSslServerName=example.com
1.2.3.4.5.6=ASN1:UTF8String:of nobody
[names]
DNS.1=example.com
IP.1=192.0.2.7
IP.2=2001:db8::7
URI.1=urn:uuid:d66887a3-a556-4782-952b-f8818ec8d8bc
email.1=node@example.com
RID.1=1.2.3.4
dirName.1=directory
otherName.1=1.3.6.1.4.1.311.20.2.3;UTF8:node@example.com
otherName.2=1.3.6.1.5.5.7.8.7;IA5:_peerkey.example.com
otherName.3=1.2.3.4;IA5:text
otherName.4=1.2.3.4;INTEGER:5
[directory]
C=CH
CN=somebody
[point]
fullname=URI:http://example.com/ca.crl
CRLissuer=dirName:directory
reasons=keyCompromise,CACompromise
[policy]
policyIdentifier=1.2.3.4.9
CPS.1=http://example.com/cps
userNotice.1=@notice
[notice]
explicitText="A notice"
organization=Example
noticeNumbers=1,2
"""


def test_every_extension_that_openssl_has_a_word_for_is_shown_as_openssl_shows_it(tmp_path: Path) -> None:
    (tmp_path / "all.cnf").write_text(f"[req]\ndistinguished_name=dn\n[dn]\n[all]{EVERY_EXTENSION}")
    new = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key")
    done = subprocess.run(
        ["openssl", "req", *new, "-config", "all.cnf", "-extensions", "all", "-subj", "/CN=all", "-out", "c"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    (certificate,) = read_bundle((tmp_path / "c").read_bytes(), "c")

    assert fields(lines(certificate)) == fields(openssl(certificate))


@given(st.sampled_from([POLICY_MAPPINGS, NETSCAPE_CERT_TYPE, *NETSCAPE_TEXTS]), st.binary(max_size=64))
def test_what_an_extension_should_not_hold_is_shown_all_the_same(oid: str, der: bytes) -> None:
    shown_as = shown(oid, der, word)

    assert shown_as is None or all(isinstance(line, str) for line in shown_as)
    assert other_name(x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x0c" + der)).startswith("othername:")


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
    return begun(done.stdout.decode("utf-8", "replace"))


def openssl_at_once(certificates: list[x509.Certificate]) -> list[list[str]]:
    """Return the text of each from one process: one for each of them takes half a minute.

    It is the same text, but for some names, which this command writes as OpenSSL did before version 1.1.
    """
    with NamedTemporaryFile(suffix=".pem") as file:
        file.write(b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates))
        file.flush()
        done = subprocess.run(
            ["openssl", "storeutl", "-certs", "-noout", "-text", file.name],
            capture_output=True,
            check=True,
            timeout=60,
        )
    found = re.split(
        r"^(?:\d+: Certificate|Total found: \d+)\n",
        done.stdout.decode("utf-8", "replace"),
        flags=re.MULTILINE,
    )
    return [begun(text) for text in found[1:-1]]


def begun(text: str) -> list[str]:
    """Return the lines, with these two in lines of their own: OpenSSL begins them in the one before."""
    return re.sub(r"(?<=\S) ?\s*(?=(?:CRL Issuer|Reasons):)", "\n", text).splitlines()


def fields(text: list[str]) -> list[str]:
    """Return the lines without what versions of OpenSSL differ in: spaces."""
    squeezed = (re.sub(r"\s+", " ", re.sub(r" ?([=+]) ?|(,) ", r"\1\2", line)).strip() for line in text)
    return [line for line in squeezed if line]
