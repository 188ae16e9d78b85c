"""What the protocol gets: judged once for all paths, and again as soon as anything changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from peerkey.errors import Malformed
from peerkey.pki.examination import Examiner, VerdictCache, next_change
from peerkey.pki.faults import CertificateState, Fault
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.revocation import NoRevocation
from peerkey.pki.trust import TrustAnchors
from peerkey.testing.ca import NOW, TestCA
from peerkey.testing.revocation import RevocationTable

UUID_A = UUID("6f0c1c1e-9f4b-4d5f-8a57-0c6b2f6a1d01")
UUID_B = UUID("0d6dc2f7-4bb7-4d4e-9b7e-3f5ab8d0c902")
SECOND = timedelta(seconds=1)
YEAR = timedelta(days=365)
CA = TestCA()


def test_an_examination_carries_what_the_protocol_saves() -> None:
    issued = CA.issue(UUID_A)

    examination = examiner().examine(issued.chain, NOW)

    assert examination.fingerprint == sha256(issued.chain[0]).digest()
    assert examination.leaf == issued.certificate
    assert examination.public_key.public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    ) == issued.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert (examination.not_before, examination.not_after) == (NOW - timedelta(days=1), NOW + YEAR)
    assert examination.verdict.valid
    assert examination.chained


def test_a_certificate_that_comes_by_many_paths_is_judged_once() -> None:
    """ "When a certificate is received from a peer on multiple peer paths, a cached validation
    response is used." """
    table = RevocationTable()
    one = examiner(revocation=table)
    chain = CA.issue(UUID_A).chain

    examinations = [one.examine(tuple(bytes(bytearray(der)) for der in chain), NOW) for _ in range(12)]

    assert (one.cache.misses, one.cache.hits) == (1, 11)
    assert table.lookups == 3
    assert all(examination is examinations[0] for examination in examinations)


def test_a_cached_verdict_does_not_outlive_the_certificate() -> None:
    one = examiner()
    chain = CA.issue(UUID_A, not_after=NOW + SECOND).chain

    assert one.examine(chain, NOW + SECOND).verdict.valid
    assert one.examine(chain, NOW + 2 * SECOND).verdict.state is CertificateState.EXPIRED
    assert one.examine(chain, NOW).verdict.valid, "a clock that was set back makes it valid again"


def test_a_cached_refusal_ends_when_the_certificate_begins() -> None:
    one = examiner()
    chain = CA.issue(UUID_A, not_before=NOW + SECOND).chain

    assert one.examine(chain, NOW).verdict.has(Fault.NOT_YET_VALID)
    assert one.examine(chain, NOW + SECOND).verdict.valid


def test_a_cached_verdict_does_not_outlive_its_intermediate() -> None:
    one = examiner()
    short = CA.authority("short", issuer=CA.root, not_after=NOW)
    chain = CA.issue(UUID_A, issuer=short).chain

    assert one.examine(chain, NOW).verdict.valid
    assert one.examine(chain, NOW + SECOND).verdict.state is CertificateState.EXPIRED


def test_a_cached_verdict_does_not_precede_its_root_when_the_clock_is_set_back() -> None:
    young = CA.authority("young", not_before=NOW)
    one = replace(examiner(), trust=TrustAnchors.of([young.certificate]))
    chain = CA.issue(UUID_A, issuer=young, intermediates=()).chain

    assert one.examine(chain, NOW).verdict.valid
    assert one.examine(chain, NOW - SECOND).verdict.has(Fault.NOT_YET_VALID)


def test_a_new_revocation_is_noticed_at_once_and_a_release_too() -> None:
    table = RevocationTable()
    one = examiner(revocation=table)
    issued = CA.issue(UUID_A)
    assert one.examine(issued.chain, NOW).verdict.valid

    table.revoke(issued.certificate, NOW)
    assert one.examine(issued.chain, NOW).verdict.state is CertificateState.REVOKED

    table.release(issued.certificate)
    assert one.examine(issued.chain, NOW).verdict.valid


def test_a_ca_that_arrives_a_minute_later_heals_the_verdict() -> None:
    """Field failure I95-66066: the bundle in memory was not refreshed after a CA was ingested."""
    before = replace(examiner(), trust=TrustAnchors.of([]))
    chain = CA.issue(UUID_A).chain
    assert before.examine(chain, NOW).verdict.has(Fault.UNTRUSTED)

    after = replace(before, trust=CA.trust)

    assert after.examine(chain, NOW).verdict.valid
    assert before.examine(chain, NOW).verdict.has(Fault.UNTRUSTED)


def test_nodes_that_share_a_cache_do_not_share_their_trust() -> None:
    cache = VerdictCache()
    ours, theirs = TestCA("ours"), TestCA("theirs")
    chain = ours.issue(UUID_A).chain
    one = replace(examiner(), trust=ours.trust, cache=cache)
    two = replace(examiner(), trust=theirs.trust, cache=cache)

    assert one.examine(chain, NOW).verdict.valid
    assert two.examine(chain, NOW).verdict.has(Fault.UNTRUSTED)
    assert one.examine(chain, NOW).verdict.valid


def test_nodes_that_share_a_cache_do_not_share_their_revocations() -> None:
    """Two tables may have the same generation and say different things."""
    cache = VerdictCache()
    issued = CA.issue(UUID_A)
    strict, lax = RevocationTable(), RevocationTable()
    strict.revoke(issued.certificate, NOW)
    lax.revoke(CA.issue(UUID_B).certificate, NOW)
    assert strict.generation == lax.generation

    assert replace(examiner(revocation=lax), cache=cache).examine(issued.chain, NOW).verdict.valid
    assert not replace(examiner(revocation=strict), cache=cache).examine(issued.chain, NOW).verdict.valid


def test_peers_that_share_a_cache_do_not_share_their_identity() -> None:
    cache = VerdictCache()
    chain = CA.issue(UUID_A).chain
    one = replace(examiner(), cache=cache)
    two = replace(one, identity=PeerIdentity(UUID_B))

    for _ in range(2):
        assert one.examine(chain, NOW).verdict.valid
        assert two.examine(chain, NOW).verdict.has(Fault.IDENTITY_MISMATCH)
    assert cache.misses == 1


def test_one_chain_cut_differently_is_another_chain() -> None:
    leaf, intermediate = CA.issue(UUID_A).chain
    one = examiner()
    assert one.examine((leaf, intermediate), NOW).verdict.valid

    for cut in ((leaf + intermediate,), (leaf[:-1], leaf[-1:] + intermediate)):
        with pytest.raises(Malformed):
            one.examine(cut, NOW)


def test_the_cache_forgets_what_was_used_least_recently() -> None:
    one = replace(examiner(), cache=VerdictCache(2))
    first, second, third = (CA.issue(UUID_A).chain for _ in range(3))
    for chain in (first, second, first, third):
        one.examine(chain, NOW)
    assert (len(one.cache), one.cache.misses) == (2, 3)

    one.examine(first, NOW)
    assert one.cache.misses == 3
    one.examine(second, NOW)
    assert one.cache.misses == 4


def test_chains_that_cannot_be_read_are_not_remembered() -> None:
    one = examiner()
    for noise in range(10):
        with pytest.raises(Malformed):
            one.examine((bytes([noise]),), NOW)

    assert len(one.cache) == 0


def test_without_peer_validation_dates_trust_and_revocation_do_not_count() -> None:
    issued = TestCA("stranger").issue(UUID_A, not_after=NOW - SECOND)
    table = RevocationTable()
    table.revoke(issued.certificate, NOW)

    examination = examiner(peer_validation=False, revocation=table).examine(issued.chain, NOW)

    assert examination.verdict.valid
    assert not examination.chained


@pytest.mark.parametrize("fault", [Fault.IDENTITY_MISMATCH, Fault.CA_LEAF, Fault.BAD_KEY_USAGE])
def test_without_peer_validation_identity_role_and_algorithms_count_nevertheless(fault: Fault) -> None:
    issued = {
        Fault.IDENTITY_MISMATCH: lambda: CA.issue(UUID_B),
        Fault.CA_LEAF: lambda: CA.issue(UUID_A, ca=True),
        Fault.BAD_KEY_USAGE: lambda: CA.issue(UUID_A, usage=CA.root.certificate.extensions[2].value),
    }[fault]()

    examination = examiner(peer_validation=False).examine(issued.chain, NOW)

    assert examination.verdict.has(fault)


def test_without_peer_validation_it_is_still_told_whether_the_chain_is_trusted_now() -> None:
    one = examiner(peer_validation=False)
    issued = CA.issue(UUID_A)

    assert one.examine(issued.chain, NOW).chained
    assert not one.examine(issued.chain, NOW + 2 * YEAR).chained


def test_a_self_signed_certificate_will_do_without_peer_validation_only() -> None:
    own = CA.authority(str(UUID_A), basic=None, usage=None)
    chain = (own.certificate.public_bytes(Encoding.DER),)

    assert examiner(peer_validation=False).examine(chain, NOW).verdict.valid
    assert examiner().examine(chain, NOW).verdict.has(Fault.UNTRUSTED)


def test_the_next_change_of_a_valid_certificate_is_its_end() -> None:
    examination = examiner().examine(CA.issue(UUID_A).chain, NOW)

    assert next_change(examination, NOW) == NOW + YEAR + SECOND


def test_the_next_change_of_a_valid_certificate_may_be_the_end_of_its_intermediate() -> None:
    short = CA.authority("short", issuer=CA.root, not_after=NOW + timedelta(days=3))

    examination = examiner().examine(CA.issue(UUID_A, issuer=short).chain, NOW)

    assert next_change(examination, NOW) == NOW + timedelta(days=3, seconds=1)


def test_the_next_change_of_a_certificate_of_tomorrow_is_tomorrow() -> None:
    examination = examiner().examine(CA.issue(UUID_A, not_before=NOW + timedelta(days=1)).chain, NOW)

    assert next_change(examination, NOW) == NOW + timedelta(days=1)


def test_an_examination_that_the_clock_has_left_is_due_at_once() -> None:
    examination = examiner().examine(CA.issue(UUID_A).chain, NOW)

    for at in (NOW - timedelta(days=2), NOW + 2 * YEAR):
        assert next_change(examination, at) == at


def test_nothing_changes_by_time_when_everything_has_ended() -> None:
    long_after = NOW + 100 * YEAR

    assert next_change(examiner().examine(CA.issue(UUID_A).chain, long_after), long_after) is None


@given(st.timedeltas(timedelta(days=-400), timedelta(days=9000)))
def test_going_from_change_to_change_misses_nothing_and_ends(offset: timedelta) -> None:
    """At every step the cached answer is the one that a fresh examiner gives."""
    cached = EXAMINER
    at: datetime | None = NOW + offset
    steps = 0
    while at is not None:
        examination = cached.examine(CHAIN, at)
        assert examination == replace(cached, cache=VerdictCache()).examine(CHAIN, at)
        following = next_change(examination, at)
        assert following is None or following > at
        at, steps = following, steps + 1
    assert steps <= 7


EXAMINER = Examiner(
    PeerIdentity(UUID_A),
    peer_validation=True,
    trust=CA.trust,
    revocation=NoRevocation(),
)
CHAIN = CA.issue(UUID_A).chain


def examiner(
    *, peer_validation: bool = True, revocation: NoRevocation | RevocationTable | None = None
) -> Examiner:
    """Expect UUID_A and trust CA, with a cache of its own."""
    return Examiner(
        PeerIdentity(UUID_A),
        peer_validation=peer_validation,
        trust=CA.trust,
        revocation=revocation or NoRevocation(),
        cache=VerdictCache(),
    )
