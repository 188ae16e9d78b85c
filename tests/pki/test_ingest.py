"""Importing: three checks in their order, whatever the form in which authorities hand certificates over."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import cryptography_vectors
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from peerkey.pki import laboratory
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.ingest import (
    MAXIMUM_IMPORT_BYTES,
    Accepted,
    Check,
    Holder,
    ImportRefused,
    accepted,
    handed_over,
    ingested,
)
from peerkey.pki.revocation import NoRevocation, Revocation
from peerkey.pki.trust import TrustAnchors
from peerkey.testing.ca import NOW, Issued, TestCA, new_key
from peerkey.testing.revocation import RevocationTable

NODE = UUID("d66887a3-a556-4782-952b-f8818ec8d8bc")
CA = TestCA()
ISSUED = CA.issue(NODE)
DAY = timedelta(days=1)
ROOT_PEM = CA.root.certificate.public_bytes(Encoding.PEM)

FORMS: dict[str, Callable[[bytes], bytes]] = {
    "as written": lambda pem: pem,
    "with text around": lambda pem: (
        b"Certificate:\n    Data: \xe4\xf6\n" + pem + b"\nRegards, your authority\n"
    ),
    "with Windows line ends": lambda pem: pem.replace(b"\n", b"\r\n"),
    "without line ends (I95-65559)": lambda pem: pem.replace(b"\n", b""),
    "with spaces for line ends": lambda pem: pem.replace(b"\n", b" "),
    "with line ends written out": lambda pem: pem.replace(b"\n", rb"\n"),
    "indented": lambda pem: b"".join(b"    " + line + b"\n" for line in pem.splitlines()),
    "in UTF-16": lambda pem: pem.decode().encode("utf-16"),
    "twice": lambda pem: pem + pem,
    "PKCS#7 in DER": lambda pem: pkcs7.serialize_certificates(of_pem(pem), Encoding.DER),
    "PKCS#7 in PEM": lambda pem: pkcs7.serialize_certificates(of_pem(pem), Encoding.PEM),
    "PKCS#7 without line ends": lambda pem: pkcs7.serialize_certificates(of_pem(pem), Encoding.PEM).replace(
        b"\n", b""
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_chain_is_taken_however_it_is_handed_over(form: str) -> None:
    imported = take(FORMS[form](ISSUED.pem))

    assert imported.pem == ISSUED.pem


def test_a_single_certificate_in_der_is_taken() -> None:
    issued = CA.issue(NODE, issuer=CA.root)

    assert take(issued.chain[0], issued).chain == (issued.certificate,)


@pytest.mark.parametrize("seed", range(6))
def test_a_chain_is_taken_in_any_order_and_installed_leaf_first_without_its_root(seed: int) -> None:
    issued, stranger = deep(3), TestCA("stranger").issue(UUID(int=9))
    pieces = [
        *map(as_pem, (issued.certificate, *issued.intermediates)),
        ROOT_PEM,
        *map(as_pem, stranger_chain(stranger)),
    ]
    random.Random(seed).shuffle(pieces)

    imported = take(b"".join(pieces), issued)

    assert imported.chain == (issued.certificate, *issued.intermediates)
    assert imported.left_out == 2


def test_the_text_of_openssl_x509_is_read_over() -> None:
    text = (Path(cryptography_vectors.__file__).parent / "x509" / "cryptography.io.pem").read_bytes()

    assert refused(text).check is Check.VALIDITY


# --- the first check ------------------------------------------------------------------------------


def test_a_private_key_that_accompanies_it_is_refused_first_and_not_repeated() -> None:
    key = ISSUED.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    expired = CA.issue(NODE, key=ISSUED.key, not_after=NOW - DAY / 2)

    fault = refused(key + expired.pem, expired)

    assert fault.check is Check.PRIVATE_KEY
    assert "a private key in PEM" in str(fault)
    assert key.splitlines()[1].decode() not in str(fault)
    assert fault.__context__ is None


# --- the second check -----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["expired", "not yet valid"])
def test_ingestion_checks_the_dates(mode: str) -> None:
    """I95-64977: ingestion without expiry and revocation check."""
    dates = {"not_after": NOW - DAY / 2} if mode == "expired" else {"not_before": NOW + DAY}
    bad = CA.issue(NODE, key=ISSUED.key, **dates)  # type: ignore[arg-type]

    fault = refused(bad.pem, bad)

    assert fault.check is Check.VALIDITY
    assert mode.replace(" ", "-") in str(fault)


def test_a_certificate_for_another_key_is_refused_by_the_name_of_ours() -> None:
    fault = refused(CA.issue(NODE).pem)

    assert fault.check is Check.VALIDITY
    assert "none of the 2 certificates is for the private key node.key" in str(fault)


def test_two_certificates_for_our_key_are_refused_for_there_is_no_telling_which_is_meant() -> None:
    fault = refused(ISSUED.pem + CA.issue(NODE, key=ISSUED.key).pem)

    assert "holds 2 certificates for the private key" in str(fault)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ca": True}, "ca-leaf"),
        ({"purposes": x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])}, "bad-extended-key-usage"),
        ({"usage": laboratory.CA_USAGE}, "bad-key-usage"),
        ({"common_names": [str(UUID(int=1))]}, "identity-mismatch"),
        ({"common_names": ["a", "b"]}, "names-two-identities"),
    ],
    ids=["CA:TRUE", "purpose", "usage", "another node", "two names"],
)
def test_a_certificate_that_peers_would_refuse_is_refused(change: dict[str, object], said: str) -> None:
    bad = CA.issue(NODE, **change)  # type: ignore[arg-type]

    fault = refused(bad.pem, bad)

    assert fault.check is Check.VALIDITY
    assert said in str(fault)


def test_a_weak_key_is_refused() -> None:
    weak = CA.issue(NODE, key=rsa.generate_private_key(65_537, 1_024))  # noqa: S505

    assert "weak-key: RSA with 1024 bits" in str(refused(weak.pem, weak))


def test_a_kind_of_key_that_peers_do_not_accept_is_refused() -> None:
    key = dsa.generate_private_key(2_048).public_key()
    odd = CA.issue(NODE, public_key=key)
    holder = Holder(PeerIdentity(NODE), key, "node.key")

    with pytest.raises(ImportRefused, match="forbidden-algorithm: a key of kind"):
        accepted(handed_over(odd.pem, "f"), "f", holder, trust=CA.trust, revocation=NoRevocation(), at=NOW)


def test_a_chain_of_another_hierarchy_is_refused() -> None:
    """ "All routers [...] MUST have certificates issued by the same certificate hierarchy." """
    other = TestCA("other").issue(NODE)

    assert "untrusted" in str(refused(other.pem, other))
    assert "no trusted CA is configured" in str(refused(ISSUED.pem, trust=TrustAnchors.of([])))


def test_an_authority_whose_basic_constraints_are_not_critical_is_refused_by_name() -> None:
    lax = CA.authority("lax", issuer=CA.root, basic=(x509.BasicConstraints(ca=True, path_length=None), False))
    below = CA.issue(NODE, issuer=lax)

    assert "basicConstraints are not critical" in str(refused(below.pem, below))


def test_more_authorities_than_peers_accept_are_refused() -> None:
    issued = deep(6)

    assert "6 authorities stand above the certificate; at most 5" in str(refused(issued.pem, issued))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no certificate, neither in PEM nor in DER"),
        (b"hello", "holds no certificate, neither in PEM nor in DER"),
        (ISSUED.pem[:-40], "was the text cut?"),
        (ISSUED.chain[0][:-1], "cannot be read"),
        (ISSUED.chain[0] + b"\0", "cannot be read"),
        (b"0" * (MAXIMUM_IMPORT_BYTES + 1), "larger than"),
        (b"\x30\x80" * 100_000, "cannot be read"),
        (b"-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----", "the PKCS#7 container cannot be read"),
        (
            b"-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----",
            "but a CERTIFICATE REQUEST",
        ),
        (ISSUED.pem.replace(b"MII", b"MIJ"), "cannot be read"),
    ],
    ids=[
        "nothing",
        "text",
        "cut PEM",
        "cut DER",
        "DER and more",
        "huge",
        "nested",
        "PKCS#7",
        "request",
        "spoilt",
    ],
)
def test_what_is_no_certificate_is_refused_in_one_line(content: bytes, said: str) -> None:
    fault = refused(content)

    assert fault.check is Check.VALIDITY
    assert said in str(fault)
    assert str(fault).isprintable()


# --- the third check ------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["leaf", "intermediate"])
def test_ingestion_checks_revocation(who: str) -> None:
    """I95-64977: ingestion without expiry and revocation check."""
    table = RevocationTable()
    table.revoke(ISSUED.certificate if who == "leaf" else CA.intermediate.certificate, NOW - DAY)

    fault = refused(ISSUED.pem, revocation=table)

    assert fault.check is Check.REVOCATION
    assert "revoked" in str(fault)


def test_what_is_not_valid_is_told_before_what_is_revoked() -> None:
    expired, table = CA.issue(NODE, not_after=NOW - DAY / 2), RevocationTable()
    table.revoke(expired.certificate, NOW - DAY)

    assert refused(expired.pem, expired, revocation=table).check is Check.VALIDITY


# --- the event ------------------------------------------------------------------------------------


def test_the_event_of_an_import_has_the_fields_of_the_original() -> None:
    point = x509.DistributionPoint(
        [x509.UniformResourceIdentifier("http://10.27.34.42/crlfile.crl")], None, None, None
    )
    issued = CA.issue(
        NODE,
        purposes=x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
        more=[(x509.CRLDistributionPoints([point]), False)],
    )

    event = ingested("TestCertificate", issued.certificate)

    assert event.TYPE == "system.ingest_certificate"
    assert event.TITLE == "Ingested a certificate."
    assert event.description() == "Ingested certificate: TestCertificate"
    detail = event.detail()
    assert list(detail) == ["purpose", "common_name", "crl_urls", "certificate_authority", "fingerprint"]
    fingerprint = detail.pop("fingerprint")
    assert detail == {
        "purpose": "TLS Web Client Authentication",
        "common_name": str(NODE),
        "crl_urls": ("http://10.27.34.42/crlfile.crl",),
        "certificate_authority": "/CN=test issuing",
    }
    assert isinstance(fingerprint, str)
    assert len(fingerprint.split(":")) == 20
    assert fingerprint == fingerprint.upper()


# --- whatever else arrives ------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(
    form=st.sampled_from(sorted(FORMS)),
    edits=st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 8), st.binary(max_size=8)), max_size=6),
    cut=st.integers(0, 4_000),
)
def test_whatever_is_done_to_a_certificate_it_is_taken_as_it_is_or_refused_in_one_line(
    form: str, edits: list[tuple[int, int, bytes]], cut: int
) -> None:
    content = FORMS[form](ISSUED.pem)
    for place, removed, put in edits:
        content = content[:place] + put + content[place + removed :]

    for each in (content, content[:cut]):
        outcome = tried(each)
        if isinstance(outcome, ImportRefused):
            assert "\n" not in str(outcome)
            assert len(str(outcome)) < 1_000
        else:
            assert outcome.chain[0] == ISSUED.certificate


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda tail: b"\x30\x82\x01\x00" + tail))
def test_no_bytes_do_more_than_to_be_refused(content: bytes) -> None:
    with pytest.raises(ImportRefused):
        take(content)


@pytest.mark.parametrize("chunk", range(4))
def test_no_certificate_of_the_published_vectors_does_more_than_to_be_refused(chunk: int) -> None:
    files = sorted((Path(cryptography_vectors.__file__).parent / "x509").rglob("*.*"))[chunk::4]
    tried = 0
    for file in files:
        content = file.read_bytes()
        if file.suffix not in {".pem", ".der", ".crt", ".p7b", ".cer"} or len(content) > 100_000:
            continue
        tried += 1
        with pytest.raises(ImportRefused) as found:
            take(content)
        assert "\n" not in str(found.value)
    assert tried > 20


# --- helpers --------------------------------------------------------------------------------------


def take(
    content: bytes,
    issued: Issued = ISSUED,
    *,
    trust: TrustAnchors = CA.trust,  # immutable
    revocation: Revocation = NoRevocation(),  # noqa: B008  # immutable
) -> Accepted:
    holder = Holder(PeerIdentity(NODE), issued.key.public_key(), "node.key")
    return accepted(handed_over(content, "file"), "file", holder, trust=trust, revocation=revocation, at=NOW)


def tried(content: bytes) -> Accepted | ImportRefused:
    try:
        return take(content)
    except ImportRefused as fault:
        return fault


def refused(
    content: bytes,
    issued: Issued = ISSUED,
    *,
    trust: TrustAnchors = CA.trust,  # immutable
    revocation: Revocation = NoRevocation(),  # noqa: B008  # immutable
) -> ImportRefused:
    with pytest.raises(ImportRefused) as found:
        take(content, issued, trust=trust, revocation=revocation)
    assert str(found.value).startswith("file: ")
    assert str(found.value).endswith("; nothing was changed")
    return found.value


def deep(levels: int) -> Issued:
    """Issue below so many intermediate authorities."""
    authorities = [CA.root]
    for level in range(levels):
        authorities.append(CA.authority(f"level {level}", issuer=authorities[-1]))
    return CA.issue(NODE, issuer=authorities[-1], intermediates=authorities[:0:-1], key=new_key())


def stranger_chain(issued: Issued) -> Sequence[x509.Certificate]:
    return (issued.certificate, *issued.intermediates)


def of_pem(pem: bytes) -> list[x509.Certificate]:
    return list(x509.load_pem_x509_certificates(pem))


def as_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
