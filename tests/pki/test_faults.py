"""Every fault, caused by one certificate that has it, and told with a detail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from peerkey.errors import Malformed
from peerkey.pki.examination import Examiner
from peerkey.pki.faults import CertificateState, Fault, Finding, Verdict
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.revocation import NoRevocation, Revocation
from peerkey.pki.trust import TrustAnchors
from peerkey.testing.ca import NOW, Issued, TestCA
from peerkey.testing.revocation import RevocationTable

UUID_A = UUID("6f0c1c1e-9f4b-4d5f-8a57-0c6b2f6a1d01")
UUID_B = UUID("0d6dc2f7-4bb7-4d4e-9b7e-3f5ab8d0c902")
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def ca() -> TestCA:
    return TestCA()


def test_a_good_certificate_has_no_fault(ca: TestCA) -> None:
    verdict = examined(ca, ca.issue(UUID_A))

    assert verdict == Verdict((), NOW + timedelta(days=365))
    assert verdict.state is CertificateState.VALID
    assert (verdict.reason, verdict.explain()) == ("", "")


def test_an_expired_certificate_is_expired(ca: TestCA) -> None:
    verdict = examined(ca, ca.issue(UUID_A, not_after=NOW - SECOND))

    assert only(verdict) is Fault.EXPIRED
    assert verdict.state is CertificateState.EXPIRED
    assert verdict.explain() == "expired: the certificate expired 2030-06-15 11:59:59Z"


def test_a_certificate_of_tomorrow_is_not_yet_valid(ca: TestCA) -> None:
    verdict = examined(ca, ca.issue(UUID_A, not_before=NOW + SECOND))

    assert only(verdict) is Fault.NOT_YET_VALID
    assert verdict.state is CertificateState.INVALID
    assert "not valid before 2030-06-15 12:00:01Z" in verdict.explain()


def test_an_expired_intermediate_expires_what_it_signed(ca: TestCA) -> None:
    old = ca.authority("old issuing", issuer=ca.root, not_after=NOW - SECOND)

    verdict = examined(ca, ca.issue(UUID_A, issuer=old))

    assert only(verdict) is Fault.EXPIRED
    assert "CA CN=old issuing expired" in verdict.explain()
    assert verdict.not_after == NOW - SECOND


def test_an_expired_root_expires_everything_below_it() -> None:
    ca = TestCA(now=NOW - timedelta(days=20 * 365))

    verdict = examined(ca, ca.issue(UUID_A, not_before=NOW - SECOND, not_after=NOW + SECOND), at=NOW + SECOND)

    assert {finding.fault for finding in verdict.faults} == {Fault.EXPIRED}
    assert "CA CN=test root expired" in verdict.explain()


def test_a_revoked_certificate_is_revoked_with_date_and_reason(ca: TestCA) -> None:
    issued, table = ca.issue(UUID_A), RevocationTable()
    table.revoke(issued.certificate, NOW - SECOND, x509.ReasonFlags.key_compromise)

    verdict = examined(ca, issued, revocation=table)

    assert only(verdict) is Fault.REVOKED
    assert verdict.state is CertificateState.REVOKED
    assert (
        verdict.explain() == "revoked: the certificate is revoked since 2030-06-15 11:59:59Z (keyCompromise)"
    )


def test_a_revoked_and_expired_certificate_is_told_as_revoked_with_both_reasons(ca: TestCA) -> None:
    issued, table = ca.issue(UUID_A, not_after=NOW - SECOND), RevocationTable()
    table.revoke(issued.certificate, NOW - SECOND)

    verdict = examined(ca, issued, revocation=table)

    assert verdict.state is CertificateState.REVOKED
    assert [finding.fault for finding in verdict.faults] == [Fault.REVOKED, Fault.EXPIRED]


def test_another_uuid_is_an_identity_mismatch(ca: TestCA) -> None:
    verdict = examined(ca, ca.issue(UUID_B))

    assert only(verdict) is Fault.IDENTITY_MISMATCH
    assert verdict.explain() == f"identity-mismatch: the certificate names {UUID_B}, not {UUID_A}"


def test_two_common_names_are_two_identities(ca: TestCA) -> None:
    verdict = examined(ca, ca.issue(UUID_A, common_names=[str(UUID_A), "hub-1"]))

    assert only(verdict) is Fault.NAMES_TWO_IDENTITIES


def test_a_stranger_with_the_right_name_is_untrusted(ca: TestCA) -> None:
    verdict = examined(ca, TestCA("stranger").issue(UUID_A))

    assert only(verdict) is Fault.UNTRUSTED
    assert "no trusted CA stands behind the issuer CN=stranger root" in verdict.explain()


def test_a_forged_issuer_name_does_not_make_a_chain(ca: TestCA) -> None:
    verdict = examined(ca, TestCA("test").issue(UUID_A))

    assert only(verdict) is Fault.UNTRUSTED


def test_a_changed_signature_is_untrusted(ca: TestCA) -> None:
    issued = ca.issue(UUID_A)
    leaf = bytearray(issued.chain[0])
    leaf[-1] ^= 1

    verdict = examiner(ca).examine((bytes(leaf), *issued.chain[1:]), NOW).verdict

    assert only(verdict) is Fault.UNTRUSTED


def test_a_missing_intermediate_is_untrusted(ca: TestCA) -> None:
    assert only(examined(ca, ca.issue(UUID_A, intermediates=()))) is Fault.UNTRUSTED


@pytest.mark.parametrize(("bits", "exponent"), [(1024, 65537), (2047, 65537), (2048, 3)])
def test_a_weak_rsa_key_is_refused(ca: TestCA, bits: int, exponent: int) -> None:
    key = rsa.generate_private_key(exponent, bits)  # weak is the point

    assert only(examined(ca, ca.issue(UUID_A, key=key))) is Fault.WEAK_KEY


def test_an_rsa_key_too_long_to_be_checked_quickly_is_refused(ca: TestCA) -> None:
    numbers = rsa.RSAPublicNumbers(65537, (1 << 8200) + 1)

    verdict = examined(ca, ca.issue(UUID_A, public_key=numbers.public_key()))

    assert only(verdict) is Fault.WEAK_KEY
    assert "RSA with 8201 bits" in verdict.explain()


def test_a_ca_with_a_weak_key_is_never_computed_with(ca: TestCA) -> None:
    weak = ca.authority("weak issuing", issuer=ca.root, key=rsa.generate_private_key(65537, 1024))  # noqa: S505

    verdict = examined(ca, ca.issue(UUID_A, issuer=weak))

    assert only(verdict) is Fault.WEAK_KEY
    assert "CA CN=weak issuing: RSA with 1024 bits" in verdict.explain()


def test_other_kinds_of_keys_are_forbidden(ca: TestCA) -> None:
    for public_key in (
        ed25519.Ed25519PrivateKey.generate().public_key(),
        dsa.generate_private_key(2048).public_key(),
        ec.generate_private_key(ec.SECP256K1()).public_key(),
        ec.generate_private_key(ec.BrainpoolP256R1()).public_key(),
    ):
        assert only(examined(ca, ca.issue(UUID_A, public_key=public_key))) is Fault.FORBIDDEN_ALGORITHM


def test_a_signature_over_sha_224_is_forbidden(ca: TestCA) -> None:
    verdict = examined(ca, ca.issue(UUID_A, hash_algorithm=hashes.SHA224()))

    assert only(verdict) is Fault.FORBIDDEN_ALGORITHM
    assert "ecdsa-with-sha224" in verdict.explain()


def test_a_ca_true_leaf_is_refused(ca: TestCA) -> None:
    """Field failure I95-65403: CA:TRUE was taken as a peering certificate."""
    verdict = examined(ca, ca.issue(UUID_A, ca=True))

    assert only(verdict) is Fault.CA_LEAF


def test_a_ca_true_leaf_is_refused_even_as_its_own_trusted_ca(ca: TestCA) -> None:
    own = ca.authority(str(UUID_A))
    issued = Issued(own.certificate, (), own.key)

    verdict = examined(ca, issued, trusted=(own.certificate,))

    assert verdict.has(Fault.CA_LEAF)


@pytest.mark.parametrize(
    "basic",
    [
        None,
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.BasicConstraints(ca=True, path_length=None), False),
    ],
)
def test_a_ca_without_critical_ca_true_is_no_ca(
    ca: TestCA, basic: tuple[x509.BasicConstraints, bool] | None
) -> None:
    bad = ca.authority("bad issuing", issuer=ca.root, basic=basic)

    assert only(examined(ca, ca.issue(UUID_A, issuer=bad))) is Fault.BAD_BASIC_CONSTRAINTS


def test_a_root_without_critical_ca_true_is_trusted_with_nothing(ca: TestCA) -> None:
    bad = ca.authority("bad root", basic=(x509.BasicConstraints(ca=True, path_length=None), False))

    verdict = examined(ca, ca.issue(UUID_A, issuer=bad, intermediates=()), trusted=(bad.certificate,))

    assert only(verdict) is Fault.BAD_BASIC_CONSTRAINTS
    assert "CA CN=bad root: a CA whose basicConstraints are not critical" in verdict.explain()


def test_more_cas_than_pathlen_allows_are_refused(ca: TestCA) -> None:
    below = ca.authority("below issuing", issuer=ca.intermediate)
    issued = ca.issue(UUID_A, issuer=below, intermediates=(below, ca.intermediate))

    verdict = examined(ca, issued)

    assert only(verdict) is Fault.BAD_BASIC_CONSTRAINTS
    assert "allows 0 CAs below itself, not 1" in verdict.explain()


def test_a_leaf_that_may_not_sign_is_refused(ca: TestCA) -> None:
    usage = usage_of(key_agreement=True)

    assert only(examined(ca, ca.issue(UUID_A, usage=usage))) is Fault.BAD_KEY_USAGE


def test_a_leaf_that_may_sign_certificates_is_refused(ca: TestCA) -> None:
    usage = usage_of(digital_signature=True, key_cert_sign=True)

    assert only(examined(ca, ca.issue(UUID_A, usage=usage))) is Fault.BAD_KEY_USAGE


def test_a_ca_that_may_not_sign_certificates_is_refused(ca: TestCA) -> None:
    bad = ca.authority("bad issuing", issuer=ca.root, usage=usage_of(crl_sign=True))

    assert only(examined(ca, ca.issue(UUID_A, issuer=bad))) is Fault.BAD_KEY_USAGE


def test_a_certificate_for_signing_code_is_refused(ca: TestCA) -> None:
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])

    verdict = examined(ca, ca.issue(UUID_A, purposes=purposes))

    assert only(verdict) is Fault.BAD_EXTENDED_KEY_USAGE
    assert "code-signing" in verdict.explain()


def test_a_ca_for_signing_code_is_refused(ca: TestCA) -> None:
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
    bad = ca.authority("code issuing", issuer=ca.root, more=[(purposes, False)])

    assert only(examined(ca, ca.issue(UUID_A, issuer=bad))) is Fault.BAD_EXTENDED_KEY_USAGE


@pytest.mark.parametrize(
    "oid",
    [
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    ],
)
def test_any_purpose_of_a_tls_peer_will_do(ca: TestCA, oid: x509.ObjectIdentifier) -> None:
    assert examined(ca, ca.issue(UUID_A, purposes=x509.ExtendedKeyUsage([oid]))).valid


def test_missing_usages_are_no_fault(ca: TestCA) -> None:
    """EKU is recommended only, and keyUsage binds only where it is (RFC 5280 section 6.1.4 n)."""
    assert examined(ca, ca.issue(UUID_A, usage=None, purposes=None)).valid


@pytest.mark.parametrize("place", ["leaf", "ca"])
def test_an_unknown_critical_extension_is_refused(ca: TestCA, place: str) -> None:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    more = [(extension, True)]
    issued = (
        ca.issue(UUID_A, more=more)
        if place == "leaf"
        else ca.issue(UUID_A, issuer=ca.authority("odd issuing", issuer=ca.root, more=more))
    )

    verdict = examined(ca, issued)

    assert only(verdict) is Fault.UNKNOWN_CRITICAL_EXTENSION
    assert "1.3.6.1.4.1.99999.1" in verdict.explain()


def test_an_unknown_extension_that_is_not_critical_is_no_fault(ca: TestCA) -> None:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")

    assert examined(ca, ca.issue(UUID_A, more=[(extension, False)])).valid


def test_a_name_outside_the_constraints_of_its_ca_is_untrusted(ca: TestCA) -> None:
    constraints = x509.NameConstraints([x509.DNSName("example.org")], None)
    bound = ca.authority("bound issuing", issuer=ca.root, more=[(constraints, True)])
    names = x509.SubjectAlternativeName(
        [x509.UniformResourceIdentifier(f"urn:uuid:{UUID_A}"), x509.DNSName("node.example.com")],
    )

    verdict = examined(ca, ca.issue(UUID_A, uris=(), more=[(names, False)], issuer=bound))

    assert only(verdict) is Fault.UNTRUSTED
    assert "name constraints" in verdict.explain()


def test_what_is_no_certificate_is_malformed(ca: TestCA) -> None:
    with pytest.raises(Malformed):
        examiner(ca).examine((b"\x30\x03\x02\x01\x00",), NOW)


def test_without_any_trusted_ca_everybody_is_untrusted(ca: TestCA) -> None:
    verdict = examined(ca, ca.issue(UUID_A), trusted=())

    assert verdict.explain() == "untrusted: no trusted CA is configured"


def test_several_faults_are_told_together(ca: TestCA) -> None:
    """Field failure I95-65394: an alarm that lacked its reason."""
    verdict = examined(ca, TestCA("stranger").issue(UUID_B, not_after=NOW - SECOND, ca=True))

    assert {finding.fault for finding in verdict.faults} == {
        Fault.IDENTITY_MISMATCH,
        Fault.CA_LEAF,
        Fault.EXPIRED,
        Fault.UNTRUSTED,
    }
    assert (verdict.state, verdict.reason) == (CertificateState.EXPIRED, "expired")


def test_the_names_of_faults_are_words_for_wires_and_consoles() -> None:
    for fault in Fault:
        assert fault.value == fault.name.lower().replace("_", "-")
        assert Verdict((Finding(fault, "detail"),), datetime(2030, 1, 1, tzinfo=UTC)).reason == fault


def examiner(
    ca: TestCA,
    *,
    trusted: tuple[x509.Certificate, ...] | None = None,
    revocation: Revocation | None = None,
) -> Examiner:
    return Examiner(
        PeerIdentity(UUID_A),
        peer_validation=True,
        trust=ca.trust if trusted is None else TrustAnchors.of(trusted),
        revocation=revocation or NoRevocation(),
    )


def examined(
    ca: TestCA,
    issued: Issued,
    *,
    at: datetime = NOW,
    trusted: tuple[x509.Certificate, ...] | None = None,
    revocation: Revocation | None = None,
) -> Verdict:
    """Examine as a node would that expects UUID_A and validates its peers."""
    examination = examiner(ca, trusted=trusted, revocation=revocation).examine(issued.chain, at)
    assert examination.chained is not any(
        finding.fault not in {Fault.IDENTITY_MISMATCH, Fault.NAMES_TWO_IDENTITIES}
        for finding in examination.verdict.faults
    )
    return examination.verdict


def only(verdict: Verdict) -> Fault:
    """Return the one fault that was found."""
    (finding,) = verdict.faults
    assert finding.detail
    return finding.fault


def usage_of(**bits: bool) -> x509.KeyUsage:
    """Return a keyUsage with these bits alone."""
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: bits.get(name, False) for name in names})
