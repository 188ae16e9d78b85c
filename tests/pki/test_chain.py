"""Paths to a trusted authority: found, lost by revocation or time, found again another way."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa
from hypothesis import given
from hypothesis import strategies as st

from peerkey.pki.certificate import parse_chain_untrusted
from peerkey.pki.chain import Judgement, judge, validate
from peerkey.pki.faults import CertificateState, Fault
from peerkey.pki.laboratory import SigningKey
from peerkey.pki.revocation import NoRevocation, Revocation
from peerkey.pki.trust import TrustAnchors
from peerkey.testing.ca import NOW, Issued, TestCA
from peerkey.testing.revocation import RevocationTable

NODE = UUID("6f0c1c1e-9f4b-4d5f-8a57-0c6b2f6a1d01")
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
CA = TestCA()
GOOD = CA.issue(NODE)
MAKERS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate,
}


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_every_accepted_kind_of_key_signs_and_is_signed(kind: str) -> None:
    make = MAKERS[kind]
    root_key, issuing_key, key = make(), make(), make()
    assert isinstance(root_key, SigningKey)
    assert isinstance(issuing_key, SigningKey)
    assert isinstance(key, SigningKey)
    ca = TestCA(root_key=root_key, intermediate_key=issuing_key)

    judgement = judged(ca.issue(NODE, key=key), ca.trust)

    assert judgement.trusted
    assert len(judgement.path) == 3


def test_the_order_of_the_intermediates_does_not_matter() -> None:
    upper = CA.authority("upper", issuer=CA.root)
    lower = CA.authority("lower", issuer=upper)
    for intermediates in ((lower, upper), (upper, lower), (upper, lower, CA.root), (CA.root, lower, upper)):
        assert judged(CA.issue(NODE, issuer=lower, intermediates=intermediates)).trusted


def test_a_chain_of_six_is_long_enough_and_no_longer() -> None:
    authorities = [CA.root]
    for number in range(6):
        authorities.append(CA.authority(f"level {number}", issuer=authorities[-1]))
    five = CA.issue(NODE, issuer=authorities[5], intermediates=authorities[5:0:-1])
    six = CA.issue(NODE, issuer=authorities[6], intermediates=authorities[6:1:-1])
    helped = TrustAnchors.of([CA.root.certificate, authorities[1].certificate])

    assert len(judged(five).path) == 7
    assert judged(five).trusted
    assert [finding.fault for finding in judged(six, helped).chain_faults] == [Fault.UNTRUSTED]


def test_a_released_hold_is_no_longer_revoked() -> None:
    table = RevocationTable()
    table.revoke(GOOD.certificate, NOW, x509.ReasonFlags.certificate_hold)
    assert validate(parse_chain_untrusted(GOOD.chain), CA.trust, table, NOW).state is CertificateState.REVOKED

    table.release(GOOD.certificate)

    assert judged(GOOD, revocation=table).trusted


def test_revocation_is_known_by_issuer_and_serial_alone() -> None:
    """A certificate of the same serial number from another authority is another certificate."""
    other = TestCA("other")
    table = RevocationTable()
    table.revoke(
        next(c for c in other_certificates(other) if c.serial_number == GOOD.certificate.serial_number), NOW
    )

    assert judged(GOOD, revocation=table).trusted


def test_a_revoked_intermediate_revokes_what_it_signed() -> None:
    table = RevocationTable()
    table.revoke(CA.intermediate.certificate, NOW, x509.ReasonFlags.ca_compromise)

    judgement = judged(GOOD, revocation=table)

    (finding,) = judgement.chain_faults
    assert finding.fault is Fault.REVOKED
    assert finding.detail.startswith("CA CN=test issuing is revoked")
    assert "cACompromise" in finding.detail


def test_a_cross_signed_twin_heals_what_the_revoked_one_broke() -> None:
    """The same issuing CA under an old and a new root, as during a migration."""
    new_root = CA.authority("new root")
    twin = CA.authority("test issuing", issuer=new_root, key=CA.intermediate.key)
    trust = TrustAnchors.of([CA.root.certificate, new_root.certificate])
    issued = CA.issue(NODE, intermediates=(CA.intermediate, twin))
    both = RevocationTable()
    for revoked in (CA.intermediate, twin):
        table = RevocationTable()
        for it in (table, both):
            it.revoke(revoked.certificate, NOW)

        judgement = judged(issued, trust, table)

        assert judgement.trusted
        assert revoked.certificate not in judgement.path

    assert [finding.fault for finding in judged(issued, trust, both).chain_faults] == [Fault.REVOKED]


def test_an_expired_twin_gives_way_to_a_valid_one() -> None:
    new_root = CA.authority("new root")
    expired = CA.authority("test issuing", issuer=new_root, key=CA.intermediate.key, not_after=NOW - SECOND)
    trust = TrustAnchors.of([CA.root.certificate, new_root.certificate])
    for intermediates in ((expired, CA.intermediate), (CA.intermediate, expired)):
        assert judged(CA.issue(NODE, intermediates=intermediates), trust).trusted


def test_an_untrusted_certificate_is_not_called_revoked_on_its_own_word() -> None:
    """Whose list speaks of it is known only when the issuer has signed it."""
    table = RevocationTable()
    stranger = TestCA("stranger").issue(NODE)
    table.revoke(stranger.certificate, NOW)

    assert [finding.fault for finding in judged(stranger, revocation=table).chain_faults] == [Fault.UNTRUSTED]


def test_superfluous_strangers_in_a_chain_do_no_harm() -> None:
    strangers = [TestCA("stranger").root, TestCA("test").root, TestCA("test").intermediate]

    assert judged(CA.issue(NODE, intermediates=[*strangers, CA.intermediate])).trusted


def test_issuers_that_sign_each_other_in_a_circle_lead_nowhere() -> None:
    one, two = CA.authority("one"), CA.authority("two")
    circle = [CA.authority("one", issuer=two, key=one.key), CA.authority("two", issuer=one, key=two.key)]

    judgement = judged(CA.issue(NODE, issuer=circle[0], intermediates=circle))

    assert [finding.fault for finding in judgement.chain_faults] == [Fault.UNTRUSTED]


def test_a_name_that_would_steer_a_terminal_is_shown_escaped() -> None:
    evil = TestCA("\x1b[2Jevil\n").issue(NODE)

    (finding,) = judged(evil).chain_faults

    assert finding.detail.isprintable()


def test_the_earliest_end_on_the_path_is_told() -> None:
    short = CA.authority("short", issuer=CA.root, not_after=NOW + timedelta(days=3))

    assert judged(CA.issue(NODE, issuer=short)).not_after == NOW + timedelta(days=3)


def test_the_verdict_turns_exactly_at_the_boundaries() -> None:
    begin, end = NOW - 5 * SECOND, NOW + 5 * SECOND
    issued = CA.issue(NODE, not_before=begin, not_after=end)
    expected = {
        begin - TICK: Fault.NOT_YET_VALID,
        begin: None,
        end: None,
        end + SECOND - TICK: None,
        end + SECOND: Fault.EXPIRED,
    }
    for at, fault in expected.items():
        found = [finding.fault for finding in judged(issued, at=at).chain_faults]
        assert found == ([] if fault is None else [fault]), at


_offsets = st.integers(-400, 800).map(lambda days: timedelta(days=days))
_moments = st.timedeltas(timedelta(days=-500), timedelta(days=900)).map(lambda offset: NOW + offset)


@given(begin=_offsets, lifetime=st.integers(0, 500), at=_moments, later=_moments)
def test_a_judgement_holds_for_as_long_as_it_says(
    begin: timedelta, lifetime: int, at: datetime, later: datetime
) -> None:
    """Wherever two instants lie in the same span, forwards or backwards, the same is said."""
    not_before = NOW + begin
    issued = CA.issue(
        NODE, key=GOOD.key, not_before=not_before, not_after=not_before + timedelta(days=lifetime)
    )
    judgement = judged(issued, at=at)

    assert judgement.holds(at)
    if judgement.holds(later):
        assert judged(issued, at=later).chain_faults == judgement.chain_faults
    for edge in (judgement.since, judgement.until - TICK):
        if abs(edge - NOW) < timedelta(days=3000):
            assert judged(issued, at=edge).chain_faults == judgement.chain_faults


@given(begin=_offsets, lifetime=st.integers(0, 500), at=_moments)
def test_trusted_means_that_the_date_lies_within_every_certificate(
    begin: timedelta, lifetime: int, at: datetime
) -> None:
    not_before = NOW + begin
    not_after = not_before + timedelta(days=lifetime)
    issued = CA.issue(NODE, key=GOOD.key, not_before=not_before, not_after=not_after)
    within = max(not_before, NOW - timedelta(days=1)) <= at < not_after + SECOND

    assert judged(issued, at=at).trusted is within


def judged(
    issued: Issued,
    trust: TrustAnchors | None = None,
    revocation: Revocation | None = None,
    at: datetime = NOW,
) -> Judgement:
    return judge(parse_chain_untrusted(issued.chain), trust or CA.trust, revocation or NoRevocation(), at)


def other_certificates(ca: TestCA) -> list[x509.Certificate]:
    """Return as many certificates of ``ca`` as this module's own has given numbers to."""
    return [ca.issue(NODE, key=GOOD.key).certificate for _ in range(GOOD.certificate.serial_number)]
