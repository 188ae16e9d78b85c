"""Every file that `cryptography` publishes for tests of X.509, keys and containers, handed to our readers.

None does more than be refused in one line: what is in them ranges from certificates that nobody should have
issued to bytes that are none. A file that is never finished with would run into the time limit of the test.
"""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import cryptography_vectors
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.errors import Malformed, Misconfigured
from peerkey.pki.certificate import MAXIMUM_CHAIN, read_bundle
from peerkey.pki.crl import read_crls
from peerkey.pki.examination import Examiner
from peerkey.pki.faults import Fault
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.ingest import Holder, ImportRefused, accepted, handed_over
from peerkey.pki.list_signature import Signature, signature_of
from peerkey.pki.revocation import NoRevocation
from peerkey.pki.revocation_lists import RevocationLists
from peerkey.pki.text import lines
from peerkey.pki.trust import TrustAnchors
from peerkey.pki.verification import leaf_first, verify
from peerkey.testing.ca import NOW, TestCA

VECTORS = Path(cryptography_vectors.__file__).parent
FILES = tuple(
    file
    for folder in ("x509", "pkcs7", "pkcs12", "asymmetric")
    for file in sorted((VECTORS / folder).rglob("*"))
    if file.is_file()
)
NODE = UUID("d66887a3-a556-4782-952b-f8818ec8d8bc")
CA = TestCA()
GOOD = CA.issue(NODE)
EXAMINER = Examiner(PeerIdentity(NODE, None), peer_validation=True, trust=CA.trust, revocation=NoRevocation())


def test_no_published_file_is_imported_whoever_holds_its_key() -> None:
    taken, reasons = [], []
    for file in FILES:
        content = file.read_bytes()
        try:
            certificates = handed_over(content, file.name)
            # The most favourable case: the key is that of the certificate, so that it is judged.
            holder = Holder(EXAMINER.identity, certificates[0].public_key(), "its key")
            accepted(certificates, file.name, holder, trust=CA.trust, revocation=NoRevocation(), at=NOW)
            taken.append(file.name)
        except ImportRefused as refused:
            reasons.append(str(refused))

    assert taken == []
    assert len(reasons) == len(FILES)
    assert [each for each in reasons if not each.isprintable() or len(each) > 800] == []


def test_no_published_certificate_does_more_than_be_refused_of_a_peer() -> None:
    for file in FILES:
        for der in certificates_of(file):
            for chain in ((der,), (GOOD.chain[0], der), (der, GOOD.chain[1])):
                try:
                    verdict = EXAMINER.examine(chain, NOW).verdict
                except Malformed as refused:
                    said = str(refused)
                else:
                    said = verdict.explain()
                assert said
                assert "\n" not in said


def test_every_published_certificate_is_verified_trusted_and_shown_without_a_crash() -> None:
    for file in FILES:
        bundle = bundle_of(file)
        if not bundle:
            continue
        judged = verify(leaf_first(bundle), TrustAnchors.of(bundle), NOW)
        assert all("\n" not in str(finding) for finding in judged.verdict.faults)
        assert all(lines(certificate) for certificate in bundle)


def test_every_published_list_is_read_or_refused_in_one_line() -> None:
    known = [certificate for file in FILES for certificate in bundle_of(file)]
    signed, refusals = set(), []
    for file in FILES:
        try:
            lists = read_crls(file.read_bytes(), file.name)
        except Misconfigured as refused:
            refusals.append(str(refused))
            continue
        signed |= {signature_of(each.frame, known) for each in lists}
        RevocationLists.of(lists, known[:8], CA.trust, NOW)

    assert all(each.isprintable() for each in refusals)
    assert signed >= {Signature.VALID, Signature.OTHER_ISSUER}


@pytest.mark.parametrize("place", [0, 1])
def test_a_signature_of_rsassa_pss_without_parameters_is_a_finding_and_no_crash(place: int) -> None:
    """RFC 4055 section 3.1: "the parameters field MUST be present" in a certificate's signature."""
    (bad,) = read_bundle((VECTORS / "x509/custom/rsa_pss_cert_no_sig_params.der").read_bytes(), "bad")
    der = bad.public_bytes(Encoding.DER)
    chain = (der,) if place == 0 else (GOOD.chain[0], der)

    verdict = EXAMINER.examine(chain, NOW).verdict

    assert verdict.has(Fault.FORBIDDEN_ALGORITHM if place == 0 else Fault.UNTRUSTED)
    assert verdict.explain() == verdict.explain().strip()


# --- helpers --------------------------------------------------------------------------------------


def bundle_of(file: Path) -> tuple[x509.Certificate, ...]:
    try:
        return read_bundle(file.read_bytes(), file.name)
    except Misconfigured:
        return ()


def certificates_of(file: Path) -> list[bytes]:
    return [each.public_bytes(Encoding.DER) for each in bundle_of(file)][:MAXIMUM_CHAIN]
