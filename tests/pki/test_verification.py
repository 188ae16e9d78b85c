"""Any chain, judged as a peer's would be: field failures, migrations of a CA, policies, and odd pools."""

from __future__ import annotations

import itertools
from datetime import timedelta
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID

from peerkey.pki.examination import Examiner
from peerkey.pki.faults import Fault
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.revocation import NoRevocation
from peerkey.pki.trust import TrustAnchors
from peerkey.pki.verification import MAXIMUM_POOL, leaf_first, verify
from peerkey.testing.ca import NOW, Issued, TestCA, new_key

NODE = UUID("6f0c1c1e-9f4b-4d5f-8a57-0c6b2f6a1d01")
CA = TestCA()
GOOD = CA.issue(NODE)
SECOND = timedelta(seconds=1)
GOLD, SILVER, ANY = (x509.ObjectIdentifier(oid) for oid in ("1.2.3.1", "1.2.3.2", "2.5.29.32.0"))


# --- what failed in the field ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name
)
def test_the_hash_of_a_signature_is_the_one_that_the_certificate_names(curve: ec.EllipticCurve) -> None:
    """I95-63299: ECDSA signatures failed because SHA-256 was hard-coded."""
    ca = TestCA(intermediate_key=ec.generate_private_key(curve))

    assert faults(ca.issue(NODE), ca.trust) == []


@pytest.mark.parametrize("lifetime", [timedelta(seconds=1), timedelta(days=1), timedelta(days=825)])
def test_a_certificate_lasts_for_seconds_and_not_for_milliseconds(lifetime: timedelta) -> None:
    """I95-64929: a conversion of seconds to milliseconds ended certificates early."""
    issued = CA.issue(NODE, not_before=NOW, not_after=NOW + lifetime)

    for at in (NOW, NOW + lifetime / 1000, NOW + lifetime / 2, NOW + lifetime):
        assert faults(issued, at=at) == []
    assert faults(issued, at=NOW + lifetime + SECOND) == [Fault.EXPIRED]


def test_a_ca_is_no_node() -> None:
    """I95-65403: CA:TRUE in the certificate of a peer."""
    assert faults(CA.issue(NODE, ca=True)) == [Fault.CA_LEAF]


def test_a_node_of_another_hierarchy_is_not_trusted() -> None:
    """I95-65129 and I95-65603: a path came up between nodes that trusted different anchors."""
    ours, theirs = TestCA("ours"), TestCA("theirs")

    assert faults(theirs.issue(NODE), ours.trust) == [Fault.UNTRUSTED]
    assert faults(ours.issue(NODE), theirs.trust) == [Fault.UNTRUSTED]


def test_neither_is_one_that_brings_its_root_along() -> None:
    theirs = TestCA("theirs")
    issued = theirs.issue(NODE, intermediates=(theirs.intermediate, theirs.root, CA.root))

    assert faults(issued) == [Fault.UNTRUSTED]


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n\r\n", b"\nSubject: somebody\n", b"\xef\xbb\xbf"])
def test_a_bundle_is_read_however_its_files_were_appended(between: bytes) -> None:
    """I95-65819: the bundle of CAs was concatenated wrongly."""
    other = TestCA("other")
    parts = [ca.root.certificate.public_bytes(Encoding.PEM).rstrip() for ca in (other, CA)]
    trust = TrustAnchors.read([(between.join(parts), "ca.pem")])

    assert faults(GOOD, trust) == faults(other.issue(NODE), trust) == []


# --- several authorities --------------------------------------------------------------------------


def test_old_and_new_root_of_one_name_are_trusted_side_by_side() -> None:
    old, new = TestCA("corporate"), TestCA("corporate")
    both = TrustAnchors.of([old.root.certificate, new.root.certificate])

    assert faults(old.issue(NODE), both) == faults(new.issue(NODE), both) == []
    assert faults(old.issue(NODE), new.trust) == [Fault.UNTRUSTED]


def test_cross_signed_roots_are_trusted_under_either() -> None:
    """The old root vouches for the new one: those who know only the old one can follow."""
    old, new = TestCA("old"), TestCA("new")
    bridge = old.authority("new root", issuer=old.root, key=new.root.key)
    issued = new.issue(NODE, intermediates=(new.intermediate, bridge))

    assert faults(issued, old.trust) == faults(issued, new.trust) == []


def test_a_root_that_has_renewed_its_key_vouches_for_the_new_one() -> None:
    """Self-issued certificates, new with old, as RFC 4210 section 4.4 has them."""
    old = TestCA("corporate")
    key = new_key()
    renewed = old.authority("corporate root", issuer=old.root, key=key)

    assert faults(old.issue(NODE, issuer=renewed), old.trust) == []


def test_an_expired_root_gives_way_to_its_renewal_with_the_same_key() -> None:
    expired = CA.authority("test root", key=CA.root.key, not_after=NOW - SECOND)

    assert Fault.EXPIRED in faults(GOOD, TrustAnchors.of([expired.certificate]))
    assert faults(GOOD, TrustAnchors.of([expired.certificate, CA.root.certificate])) == []


# --- policies -------------------------------------------------------------------------------------


def test_a_policy_that_a_ca_asks_for_has_to_hold_down_to_the_leaf() -> None:
    """RFC 5280 section 6.1.3 (f); no CA here marks the extension critical, which would end it before."""
    assert faults(governed([GOLD], [GOLD])) == []
    assert faults(governed([GOLD, SILVER], [SILVER])) == []
    assert faults(governed([ANY], [GOLD])) == []
    assert faults(governed([GOLD], [ANY])) == []
    assert faults(governed([GOLD], [SILVER])) == [Fault.UNTRUSTED]
    assert faults(governed([GOLD], None)) == [Fault.UNTRUSTED]
    assert faults(governed(None, None)) == [Fault.UNTRUSTED]


def test_nobody_has_to_have_a_policy_where_no_ca_asks() -> None:
    assert faults(governed([GOLD], [SILVER], explicit=None)) == []
    assert faults(governed([GOLD], [SILVER], explicit=5)) == []


def test_a_ca_may_forbid_any_policy() -> None:
    assert faults(governed([GOLD], [ANY], inhibit=0)) == [Fault.UNTRUSTED]
    assert faults(governed([GOLD], [ANY], inhibit=1)) == []


def test_mapped_policies_are_not_known_to_hold() -> None:
    mapping = x509.UnrecognizedExtension(
        x509.ObjectIdentifier("2.5.29.33"), bytes.fromhex("300c300a06032a030106032a0302")
    )

    assert faults(governed([GOLD], [GOLD], more=[(mapping, False)])) == [Fault.UNTRUSTED]


# --- extensions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extension",
    [
        x509.AuthorityKeyIdentifier(b"k" * 20, None, None),
        x509.AuthorityInformationAccess(
            [
                x509.AccessDescription(
                    AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://example.org/")
                )
            ]
        ),
    ],
    ids=["authorityKeyIdentifier", "authorityInformationAccess"],
)
def test_what_only_helps_to_find_a_path_must_not_be_critical(extension: x509.ExtensionType) -> None:
    assert faults(CA.issue(NODE, more=[(extension, False)])) == []
    assert faults(CA.issue(NODE, more=[(extension, True)])) == [Fault.UNKNOWN_CRITICAL_EXTENSION]


def test_a_node_constrains_nobodys_names() -> None:
    constraints = x509.NameConstraints([x509.DNSName("example.org")], None)

    assert faults(CA.issue(NODE, more=[(constraints, True)])) == [Fault.CA_LEAF]


# --- the same as at run time ----------------------------------------------------------------------


def test_what_is_said_is_what_an_examiner_says_of_a_peer() -> None:
    examiner = Examiner(PeerIdentity(NODE), peer_validation=True, trust=CA.trust, revocation=NoRevocation())
    for issued, at in itertools.product(
        (GOOD, CA.issue(NODE, ca=True), CA.issue(UUID(int=1)), TestCA("other").issue(NODE)),
        (NOW, NOW + timedelta(days=400)),
    ):
        said = verify(chain(issued), CA.trust, at, identity=PeerIdentity(NODE)).verdict

        assert said == examiner.examine(issued.chain, at).verdict


def test_more_certificates_than_are_looked_at_are_malformed() -> None:
    pool = [CA.issue(NODE, key=GOOD.key).certificate for _ in range(MAXIMUM_POOL)]

    assert verify([GOOD.certificate, *pool], CA.trust, NOW).verdict.reason == Fault.MALFORMED
    assert verify([GOOD.certificate, CA.intermediate.certificate, *pool[1:-1]], CA.trust, NOW).verdict.valid


def test_the_leaf_of_a_file_is_found_in_every_order() -> None:
    parts = [*chain(GOOD), CA.root.certificate]
    for order in itertools.permutations(parts):
        assert leaf_first(order)[0] == GOOD.certificate
        assert set(leaf_first(order)) == set(parts)


def test_of_two_leaves_the_first_is_judged() -> None:
    other = CA.issue(NODE).certificate

    assert leaf_first([other, *chain(GOOD)])[0] == other


# --- helpers --------------------------------------------------------------------------------------


def chain(issued: Issued) -> tuple[x509.Certificate, ...]:
    return (issued.certificate, *issued.intermediates)


def faults(issued: Issued, trust: TrustAnchors | None = None, at: object = NOW) -> list[Fault]:
    assert isinstance(at, type(NOW))
    return [finding.fault for finding in verify(chain(issued), trust or CA.trust, at).verdict.faults]


def governed(
    of_ca: list[x509.ObjectIdentifier] | None,
    of_leaf: list[x509.ObjectIdentifier] | None,
    *,
    explicit: int | None = 0,
    inhibit: int | None = None,
    more: list[tuple[x509.ExtensionType, bool]] | None = None,
) -> Issued:
    """Issue below a CA with these policies that asks for one after ``explicit`` further certificates."""
    extensions: list[tuple[x509.ExtensionType, bool]] = [*(more or []), *stated(of_ca)]
    if explicit is not None:
        extensions.append((x509.PolicyConstraints(explicit, None), False))
    if inhibit is not None:
        extensions.append((x509.InhibitAnyPolicy(inhibit), False))
    ca = CA.authority("governed", issuer=CA.root, more=extensions)
    return CA.issue(NODE, issuer=ca, more=stated(of_leaf))


def stated(policies: list[x509.ObjectIdentifier] | None) -> list[tuple[x509.ExtensionType, bool]]:
    if policies is None:
        return []
    return [(x509.CertificatePolicies([x509.PolicyInformation(each, None) for each in policies]), False)]
