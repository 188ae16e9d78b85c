"""The life of a key: pending or held, next, current, previous, gone."""

from __future__ import annotations

import pytest

from peerkey.protocol.keyring import KeyRing
from peerkey.protocol.messages import Role, SummaryEntry
from tests.protocol.keys import key

ONE, TWO, THREE, FOUR = (key(index) for index in range(1, 5))


def test_an_empty_ring_holds_nothing() -> None:
    ring = KeyRing()

    assert not ring
    assert list(ring) == []
    assert list(ring.accepted()) == []
    assert ring.summary() == ()
    assert ring.highest_index() == 0
    assert ring.find(1) is None


@pytest.mark.parametrize("started", [KeyRing().with_pending(ONE), KeyRing().with_held(ONE)])
def test_a_key_becomes_next_then_current_then_previous_then_nothing(started: KeyRing) -> None:
    ring = started.accept()
    assert list(ring) == [(Role.NEXT, ONE)]
    ring = ring.activate()
    assert list(ring) == [(Role.CURRENT, ONE)]
    ring = ring.with_pending(TWO).accept().activate()
    assert list(ring) == [(Role.PREVIOUS, ONE), (Role.CURRENT, TWO)]
    assert list(ring.without_previous()) == [(Role.CURRENT, TWO)]


def test_a_key_that_is_not_accepted_opens_but_neither_seals_nor_macs() -> None:
    ring = KeyRing(current=ONE)
    for waiting, role in ((ring.with_pending(TWO), Role.PENDING), (ring.with_held(TWO), Role.HELD)):
        assert list(waiting.accepted()) == [ONE]
        assert waiting.find(2) == (role, TWO)
        assert waiting.current == ONE


def test_there_is_one_slot_for_a_key_that_is_not_accepted() -> None:
    ring = KeyRing(current=ONE)

    assert list(ring.with_pending(TWO).with_pending(THREE)) == [(Role.CURRENT, ONE), (Role.PENDING, THREE)]
    assert list(ring.with_pending(TWO).with_held(THREE)) == [(Role.CURRENT, ONE), (Role.HELD, THREE)]
    assert list(ring.with_held(TWO).with_pending(THREE)) == [(Role.CURRENT, ONE), (Role.PENDING, THREE)]
    assert ring.with_held(TWO).without_unaccepted() == ring
    assert ring.with_pending(TWO).without_unaccepted() == ring


def test_accepting_does_not_put_the_current_key_out_of_use() -> None:
    assert list(KeyRing(current=ONE).with_held(TWO).accept()) == [(Role.CURRENT, ONE), (Role.NEXT, TWO)]


def test_a_next_key_that_still_waits_is_used_when_another_is_accepted() -> None:
    ring = KeyRing(current=ONE, next=TWO).with_pending(THREE).accept()

    assert list(ring) == [(Role.PREVIOUS, ONE), (Role.CURRENT, TWO), (Role.NEXT, THREE)]


def test_the_newest_accepted_key_comes_first() -> None:
    ring = KeyRing(previous=ONE, current=TWO, next=THREE, pending=FOUR)

    assert list(ring.accepted()) == [THREE, TWO, ONE]
    assert ring.highest_index() == 4


def test_the_summary_names_every_key_that_can_be_opened_and_no_secret() -> None:
    ring = KeyRing(previous=ONE, current=TWO, next=THREE, held=FOUR)

    assert ring.summary() == (
        SummaryEntry(1, ONE.key_id, Role.PREVIOUS),
        SummaryEntry(2, TWO.key_id, Role.CURRENT),
        SummaryEntry(3, THREE.key_id, Role.NEXT),
        SummaryEntry(4, FOUR.key_id, Role.HELD),
    )


def test_a_summary_entry_names_a_key_by_index_and_id_together() -> None:
    assert ONE.named_by(SummaryEntry(1, ONE.key_id, Role.HELD))
    assert not ONE.named_by(SummaryEntry(2, ONE.key_id, Role.CURRENT))
    assert not ONE.named_by(SummaryEntry(1, TWO.key_id, Role.CURRENT))
    assert not ONE.named_by(SummaryEntry(1, key(1, "another exchange").key_id, Role.CURRENT))


def test_nothing_can_be_accepted_or_activated_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="nothing to accept"):
        KeyRing(current=ONE).accept()
    with pytest.raises(ValueError, match="no next key"):
        KeyRing(current=ONE).activate()


def test_steps_make_new_rings_and_leave_the_old_one_as_it_was() -> None:
    ring = KeyRing(current=ONE)
    ring.with_held(TWO).accept().activate().without_previous()

    assert list(ring) == [(Role.CURRENT, ONE)]


def test_a_key_prints_its_index_and_id_and_nothing_else() -> None:
    assert repr(ONE) == f"PeerKey(index=1, key_id={ONE.key_id.hex()})"
    assert ONE.peer_key.reveal().hex() not in repr(KeyRing(current=ONE))
