"""The cause of a peering that is not in order, in words for a label: it is the one that a person is told."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from actors.messages import CertificateStatus, DrainedNode, PeerStatus
from metrics import labels
from peerkey.pki.faults import Fault
from peerkey.protocol.messages import Reason
from peerkey_cli import advice, causes
from tests.cli.test_advice import GOOD, NOW, node, peer

BAD = replace(GOOD, state="revoked", detail="revoked: since yesterday; expired: too")
OWN = (GOOD, BAD, None)
ERRORS = ("", *(f"{word}: what was said" for word in (*Reason, *Fault)), "something else: from the network")
STATES = ("in-service", "waiting", "down", "invalid")


@pytest.mark.parametrize("own", OWN, ids=("good", "bad", "none"))
@pytest.mark.parametrize("fault", ["", "expired: it ended", "nonsense"])
def test_there_is_a_cause_where_a_person_is_told_one_and_its_words_are_known(
    own: CertificateStatus | None, fault: str
) -> None:
    for error, state, keyed in product(ERRORS, STATES, (False, True)):
        one = peer(error=error, fault=fault, state=state)
        one = replace(one, security=replace(one.security, key_index=7 if keyed else None))
        here = replace(node(), certificate=own)

        found = causes.of_peering(here, one)

        assert (found is not None) is bool(advice.of_peering(here, one, NOW).fault), (error, state)
        if found is not None:
            assert found.about in labels.ABOUT.words
            assert found.reason in labels.CAUSE.words


@pytest.mark.parametrize(
    ("own", "one", "wanted"),
    [
        (None, peer(), ("own-certificate", "missing")),
        (BAD, peer(fault="expired: x"), ("own-certificate", "revoked")),
        (GOOD, peer(fault="not-yet-valid: x"), ("peer-certificate", "not-yet-valid")),
        (GOOD, peer(error="algorithm-mismatch: x", up=False), ("key", "algorithm-mismatch")),
        (GOOD, peer(error="not-yet-valid: x", up=False), ("refused-by-peer", "not-yet-valid")),
        (GOOD, peer(up=False), ("path", "silent")),
        (GOOD, peer(state="down"), ("path", "no-interface")),
        (GOOD, peer(up=False, reason="wrong-sender: x"), ("path", "wrong-sender")),
        (GOOD, peer(error="algorithm-mismatch: x"), None),
    ],
)
def test_the_nearest_cause_is_told(
    own: CertificateStatus | None, one: PeerStatus, wanted: tuple[str, str] | None
) -> None:
    found = causes.of_peering(replace(node(), certificate=own), one)

    assert wanted == (None if found is None else (found.about, found.reason))


def test_a_node_that_somebody_has_switched_off_is_no_cause() -> None:
    out = DrainedNode("east/node0", "drained", "2030-06-15T11:00:00.000Z")

    assert causes.of_peering(replace(node(), enabled=False), peer(up=False)) is None
    assert causes.of_peering(replace(node(), drained=out), peer(up=False)) is None
