"""Several trusted authorities, their parts, and the digest that tells that they changed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from peerkey.errors import Misconfigured
from peerkey.pki.certificate import parse_chain_untrusted
from peerkey.pki.chain import judge, validate
from peerkey.pki.faults import Fault
from peerkey.pki.revocation import NoRevocation
from peerkey.pki.trust import TrustAnchors
from peerkey.testing.ca import NOW, Issued, TestCA
from peerkey.testing.revocation import RevocationTable

if TYPE_CHECKING:
    from cryptography import x509

NODE = UUID("6f0c1c1e-9f4b-4d5f-8a57-0c6b2f6a1d01")
FACTORY = TestCA("factory")
CUSTOM = TestCA("custom")
BOTH = (FACTORY.root.certificate, FACTORY.intermediate.certificate, CUSTOM.root.certificate)


def test_each_of_several_authorities_is_trusted() -> None:
    trust = TrustAnchors.of([FACTORY.root.certificate, CUSTOM.root.certificate])

    assert valid(FACTORY.issue(NODE), trust)
    assert valid(CUSTOM.issue(NODE), trust)


def test_mixed_trust_anchors_do_not_help_a_stranger() -> None:
    """Field failures I95-65129 and I95-65603: paths came up between different trust anchors."""
    factory_node, custom_node = FACTORY.issue(NODE), CUSTOM.issue(NODE)
    mixed = Issued(custom_node.certificate, factory_node.intermediates, custom_node.key)
    stowaway = Issued(
        custom_node.certificate,
        (*custom_node.intermediates, CUSTOM.root.certificate, FACTORY.root.certificate),
        custom_node.key,
    )

    for issued in (custom_node, mixed, stowaway):
        assert not valid(issued, FACTORY.trust)
    assert valid(factory_node, FACTORY.trust)


def test_a_chain_appended_in_one_file_is_read_and_completes_paths() -> None:
    content = FACTORY.root.certificate.public_bytes(Encoding.PEM)
    content += FACTORY.intermediate.certificate.public_bytes(Encoding.PEM)
    trust = TrustAnchors.read([(content, "ca.pem")])

    assert trust.anchors == (FACTORY.root.certificate,)
    assert trust.helpers == (FACTORY.intermediate.certificate,)
    assert valid(FACTORY.issue(NODE, intermediates=()), trust)


def test_an_intermediate_beside_its_root_can_be_revoked() -> None:
    trust = TrustAnchors.of(BOTH)
    table = RevocationTable()
    table.revoke(FACTORY.intermediate.certificate, NOW)

    verdict = validate(parse_chain_untrusted(FACTORY.issue(NODE).chain), trust, table, NOW)

    assert [finding.fault for finding in verdict.faults] == [Fault.REVOKED]


def test_an_intermediate_beside_its_root_does_not_outlive_it() -> None:
    ca = TestCA("short")
    root = ca.authority("short root", not_after=NOW - timedelta(seconds=1))
    issuing = ca.authority("short issuing", issuer=root)
    trust = TrustAnchors.of([root.certificate, issuing.certificate])

    verdict = validate(
        parse_chain_untrusted(ca.issue(NODE, issuer=issuing).chain), trust, NoRevocation(), NOW
    )

    assert [finding.fault for finding in verdict.faults] == [Fault.EXPIRED]


def test_an_intermediate_without_its_root_is_an_anchor() -> None:
    trust = TrustAnchors.of([FACTORY.intermediate.certificate])

    assert trust.anchors == (FACTORY.intermediate.certificate,)
    assert valid(FACTORY.issue(NODE), trust)


def test_what_stands_below_such_an_intermediate_is_a_helper_again() -> None:
    lower = FACTORY.authority("lower", issuer=FACTORY.intermediate)

    trust = TrustAnchors.of([FACTORY.intermediate.certificate, lower.certificate])

    assert trust.anchors == (FACTORY.intermediate.certificate,)
    assert trust.helpers == (lower.certificate,)


def test_a_revoked_anchor_anchors_nothing() -> None:
    table = RevocationTable()
    table.revoke(FACTORY.intermediate.certificate, NOW)
    trust = TrustAnchors.of([FACTORY.intermediate.certificate])

    verdict = validate(parse_chain_untrusted(FACTORY.issue(NODE).chain), trust, table, NOW)

    assert [finding.fault for finding in verdict.faults] == [Fault.REVOKED]


def test_authorities_that_vouch_for_each_other_in_a_circle_are_all_anchors() -> None:
    ca = TestCA()
    one, two = ca.authority("one"), ca.authority("two")
    one_by_two = ca.authority("one", issuer=two, key=one.key)
    two_by_one = ca.authority("two", issuer=one, key=two.key)

    trust = TrustAnchors.of([one_by_two.certificate, two_by_one.certificate])

    assert set(trust.anchors) == {one_by_two.certificate, two_by_one.certificate}
    assert trust.helpers == ()


def test_what_is_no_ca_trusts_nobody_and_is_told() -> None:
    leaf = FACTORY.issue(NODE)
    trust = TrustAnchors.of([leaf.certificate])

    assert trust.anchors == ()
    ((refused, findings),) = trust.refused
    assert refused == leaf.certificate
    assert Fault.BAD_BASIC_CONSTRAINTS in {finding.fault for finding in findings}
    assert not valid(leaf, trust)


def test_an_empty_trust_is_a_trust_in_nobody() -> None:
    assert TrustAnchors.of([]).store is None
    assert not valid(FACTORY.issue(NODE), TrustAnchors.of([]))


def test_a_file_that_cannot_be_read_is_told_by_its_name() -> None:
    with pytest.raises(Misconfigured, match=r"^ca\.pem: holds no certificate"):
        TrustAnchors.read([(b"nothing", "ca.pem")])


@given(st.permutations(BOTH), st.lists(st.sampled_from(BOTH)))
def test_order_and_repetition_do_not_change_the_generation(
    order: list[x509.Certificate], again: list[x509.Certificate]
) -> None:
    trust = TrustAnchors.of([*order, *again])

    assert trust == TrustAnchors.of(BOTH)
    assert trust.generation == TrustAnchors.of(BOTH).generation
    assert set(trust.certificates) == set(BOTH)


def test_different_authorities_have_different_generations() -> None:
    assert len({TrustAnchors.of(BOTH[:count]).generation for count in range(4)}) == 4


def test_a_trust_in_roots_of_every_age_bounds_how_long_a_judgement_holds() -> None:
    ca = TestCA()
    soon = ca.authority("soon", not_after=NOW + timedelta(days=1))
    trust = TrustAnchors.of([ca.root.certificate, soon.certificate])

    judgement = judge(parse_chain_untrusted(ca.issue(NODE).chain), trust, NoRevocation(), NOW)

    assert judgement.trusted
    assert judgement.until == NOW + timedelta(days=1, seconds=1)


def valid(issued: Issued, trust: TrustAnchors) -> bool:
    return validate(parse_chain_untrusted(issued.chain), trust, NoRevocation(), NOW).valid
