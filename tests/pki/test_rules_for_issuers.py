"""What a CA must write and nobody checks: ``docs/decisions/0078``. None of it shuts anybody out."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.pki import laboratory
from peerkey.pki.crl import read_crls
from peerkey.pki.faults import Fault
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.trust import TrustAnchors
from peerkey.pki.verification import verify
from peerkey.testing.ca import NOW, Issued, TestCA, new_key
from peerkey.testing.lists import revocation_list

DAY = timedelta(days=1)
CA = TestCA()
NODE = UUID(int=7)
DIRECT = CA.issue(NODE, issuer=CA.root)
OTHER = CA.issue(UUID(int=8), issuer=CA.root).certificate
USERS_ONLY = x509.IssuingDistributionPoint(
    full_name=None,
    relative_name=None,
    only_contains_user_certs=True,
    only_contains_ca_certs=False,
    only_some_reasons=None,
    indirect_crl=False,
    only_contains_attribute_certs=False,
)


def test_key_identifiers_may_be_missing_throughout() -> None:
    root, issuing, leaf = new_key(), new_key(), new_key()
    authority = x509.BasicConstraints(ca=True, path_length=None)
    node = x509.BasicConstraints(ca=False, path_length=None)
    above = bare("root", root, "root", root, authority)
    between = bare("issuing", issuing, "root", root, authority)
    chain = (bare(str(NODE), leaf, "issuing", issuing, node), between)

    found = verify(chain, TrustAnchors.of([above]), NOW, identity=PeerIdentity(NODE))

    assert found.verdict.valid, found.verdict.explain()
    assert found.path == (*chain, above)


def test_key_identifiers_that_fit_nothing_are_not_compared() -> None:
    wrong = x509.AuthorityKeyIdentifier(b"somebody else", None, None)

    assert faults(CA.issue(NODE, more=[(wrong, False)])) == []


def test_a_subject_may_be_empty_whether_the_alternative_name_is_critical_or_not() -> None:
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"urn:uuid:{NODE}")])

    for critical in (False, True):
        issued = CA.issue(NODE, common_names=[], more=[(names, critical)])

        assert len(issued.certificate.subject) == 0
        assert faults(issued) == []


@pytest.mark.parametrize(
    "oddity",
    [
        {"number": None},
        {"number": None, "more": [(x509.CRLNumber(3), True)]},
        {"scope": USERS_ONLY},
        {"number": 3, "more": [(USERS_ONLY, False)]},
    ],
    ids=["no number", "critical number", "critical scope", "scope that is not critical"],
)
def test_an_odd_list_revokes_what_it_names_and_speaks_for_what_it_does_not(oddity: dict[str, object]) -> None:
    silent = revocation_list(CA.root, OTHER, **oddity)  # type: ignore[arg-type]
    naming = revocation_list(CA.root, DIRECT.certificate, **oddity)  # type: ignore[arg-type]

    assert faults(DIRECT, silent) == []
    assert faults(DIRECT, naming) == [Fault.REVOKED]


def test_a_serial_number_that_stands_twice_in_a_list_is_revoked_once_and_spoils_nothing() -> None:
    twice = revocation_list(CA.root, OTHER, OTHER)

    assert len(list(twice)) == 2
    assert faults(DIRECT, twice) == []


# --- helpers --------------------------------------------------------------------------------------


def faults(issued: Issued, *lists: x509.CertificateRevocationList) -> list[Fault]:
    """Return what is wrong; with lists every certificate must be spoken for."""
    given = [each for crl in lists for each in read_crls(crl.public_bytes(Encoding.DER), "list")]
    chain = (issued.certificate, *issued.intermediates)
    found = verify(chain, CA.trust, NOW, lists=given, require_revocation=bool(lists))
    return [finding.fault for finding in found.verdict.faults]


def bare(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    basic: x509.BasicConstraints,
) -> x509.Certificate:
    """Issue a certificate that has no extension but basicConstraints."""
    builder = x509.CertificateBuilder().subject_name(laboratory.common_name(subject))
    builder = builder.issuer_name(laboratory.common_name(issuer)).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).add_extension(basic, critical=True)
    builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    return builder.sign(signer, hashes.SHA256())
