"""Which of our keys the mate holds, and whether one may be used."""

from __future__ import annotations

from peerkey.ha.messages import Version
from peerkey.ha.view import MateView
from peerkey.protocol.keyring import KeyRing
from peerkey.protocol.state import PeeringState, encode_state, key_ids
from tests.protocol.keys import key

NAME = "peering:a"


def test_the_ids_in_a_record_are_those_of_its_keys() -> None:
    ring = KeyRing(previous=key(1), current=key(2), next=key(3), held=key(4))

    assert key_ids(record(ring)) == {each.key_id for _, each in ring}
    assert key_ids(record(KeyRing())) == frozenset()


def test_a_key_may_be_used_once_the_mate_has_the_record_with_it() -> None:
    view = linked()
    view.written(NAME, Version(1, 2), record(KeyRing(current=key(1), pending=key(2))))
    assert not view.of(NAME).may_use(key(2).key_id)
    view.held(NAME, Version(1, 2))

    assert view.of(NAME).may_use(key(2).key_id)
    assert not view.of("peering:b").may_use(key(2).key_id)


def test_without_a_link_every_key_may_be_used_and_is_still_not_held() -> None:
    view = MateView()
    view.written(NAME, Version(1, 1), record(KeyRing(current=key(1))))

    assert view.of(NAME).may_use(key(1).key_id)
    assert not view.holds(NAME, key(1).key_id)


def test_a_version_of_before_holds_only_what_was_in_it() -> None:
    view = linked()
    view.written(NAME, Version(1, 1), record(KeyRing(current=key(1))))
    view.written(NAME, Version(1, 2), record(KeyRing(current=key(1), pending=key(2))))
    view.held(NAME, Version(1, 1))

    assert view.holds(NAME, key(1).key_id)
    assert not view.holds(NAME, key(2).key_id)


def test_what_the_mate_has_lost_is_not_held() -> None:
    view = linked()
    view.written(NAME, Version(1, 1), record(KeyRing(current=key(1))))
    view.held(NAME, Version(1, 1))
    view.lacks(NAME)

    assert not view.of(NAME).may_use(key(1).key_id)
    view.held(NAME, Version(1, 1))
    assert view.of(NAME).may_use(key(1).key_id)


def test_a_removed_peering_holds_nothing_and_its_next_life_begins_with_nothing() -> None:
    view = linked()
    view.written(NAME, Version(1, 1), record(KeyRing(current=key(1))))
    view.held(NAME, Version(1, 1))
    view.written(NAME, Version(1, 1), None)
    view.written(NAME, Version(1, 1), record(KeyRing(current=key(1))))

    assert not view.holds(NAME, key(1).key_id)


def test_what_is_remembered_of_a_mate_that_acknowledges_nothing_is_bounded() -> None:
    view = linked()
    for number in range(1, 100):
        view.written(NAME, Version(1, number), record(KeyRing(current=key(number))))
    view.held(NAME, Version(1, 1))
    assert not view.holds(NAME, key(1).key_id)
    view.held(NAME, Version(1, 99))

    assert view.holds(NAME, key(99).key_id)


def linked() -> MateView:
    view = MateView()
    view.up = True
    return view


def record(ring: KeyRing) -> bytes:
    return encode_state(PeeringState(1, bytes(32), ring=ring))
