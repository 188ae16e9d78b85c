"""What a wrong clock does to certificates is recognized for what it is, with certificates as they are."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from peerkey.observe.alarms import peer_certificate_invalid
from peerkey.observe.clocks import NOT_YET_VALID
from peerkey.pki.examination import Examiner
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.revocation import NoRevocation
from peerkey.testing.ca import TestCA

PEER = UUID(int=7)
CA = TestCA()
ISSUED = CA.issue(PEER)


@pytest.mark.parametrize("back", [timedelta(days=1), timedelta(days=400), timedelta(days=20_000)])
def test_the_first_fault_by_a_clock_that_is_behind_is_that_it_is_not_valid_yet(back: timedelta) -> None:
    examiner = Examiner(PeerIdentity(PEER), peer_validation=True, trust=CA.trust, revocation=NoRevocation())

    verdict = examiner.examine(ISSUED.chain, ISSUED.certificate.not_valid_before_utc - back).verdict
    alarm = peer_certificate_invalid("west/node0", verdict.state.value, verdict.explain())

    assert alarm.cause == NOT_YET_VALID


def test_the_cause_of_any_other_fault_is_its_name() -> None:
    other = PeerIdentity(UUID(int=8))
    examiner = Examiner(other, peer_validation=True, trust=CA.trust, revocation=NoRevocation())

    verdict = examiner.examine(ISSUED.chain, CA.now).verdict
    alarm = peer_certificate_invalid("west/node0", verdict.state.value, verdict.explain())

    assert alarm.cause == verdict.reason == "identity-mismatch"
