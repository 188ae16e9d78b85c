"""What a data plane is told of a node's own keys: in the order in which it is true, and no key in a text."""

from __future__ import annotations

from uuid import UUID

import pytest

from actors.traffic import OwnTraffic
from peerkey.protocol.keyring import KeyRing
from peerkey.protocol.state import PeeringState, encode_state
from peerkey.protocol.traffic import TrafficKeys
from peerkey.testing.data_plane import CannotOpen, CannotSeal, MemoryDataPlane
from tests.protocol.keys import key

NODE, PEER, STRANGER = UUID(int=1), UUID(int=2), UUID(int=3)
EPOCH = 5


def test_a_stored_ring_only_opens_until_the_peering_has_said_what_is_in_use() -> None:
    here = MemoryDataPlane()
    traffic = OwnTraffic(here, NODE, EPOCH)
    traffic.opened(PEER, KeyRing(current=key(1)))
    assert here.open(NODE, sealed_by_peer(KeyRing(current=key(1)))) == b"in"
    with pytest.raises(CannotSeal):
        here.seal(NODE, PEER, b"out")

    traffic.usable(PEER, 1)
    assert peer(KeyRing(current=key(1))).open(PEER, here.seal(NODE, PEER, b"out")) == b"out"


def test_a_key_opens_from_the_record_that_has_it_and_seals_from_the_word_that_it_is_in_use() -> None:
    here, traffic = opened(KeyRing(current=key(1)))
    traffic.written(PEER, record(KeyRing(current=key(1), pending=key(2))))
    assert here.open(NODE, sealed_by_peer(KeyRing(current=key(2)))) == b"in"
    assert here.seal(NODE, PEER, b"out").startswith(key(1).key_id)

    traffic.written(PEER, record(KeyRing(previous=key(1), current=key(2))))
    assert here.seal(NODE, PEER, b"out").startswith(key(1).key_id), "the word has not come yet"
    traffic.usable(PEER, 2)
    assert here.seal(NODE, PEER, b"out").startswith(key(2).key_id)


def test_keys_that_are_erased_seal_and_open_nothing() -> None:
    here, traffic = opened(KeyRing(current=key(1)))
    traffic.written(PEER, record(KeyRing()))

    with pytest.raises(CannotSeal):
        here.seal(NODE, PEER, b"out")
    with pytest.raises(CannotOpen):
        here.open(NODE, sealed_by_peer(KeyRing(current=key(1))))


def test_a_peering_that_is_disabled_seals_nothing() -> None:
    here, traffic = opened(KeyRing(current=key(1)))
    traffic.usable(PEER, None)

    with pytest.raises(CannotSeal):
        here.seal(NODE, PEER, b"out")


@pytest.mark.parametrize("how", ["written", "gone", "stopped"])
def test_a_peering_that_is_removed_leaves_nothing(how: str) -> None:
    here, traffic = opened(KeyRing(current=key(1)))
    match how:
        case "written":
            traffic.written(PEER, None)
        case "gone":
            traffic.gone(PEER)
        case _:
            traffic.stopped()

    assert here.keys == {}


def test_the_next_incarnation_seals_with_another_key_and_the_one_before_says_nothing_any_more() -> None:
    here, before = opened(KeyRing(current=key(1)))
    first = here.seal(NODE, PEER, b"out")
    after = OwnTraffic(here, NODE, EPOCH + 1)
    after.opened(PEER, KeyRing(current=key(1)))
    after.usable(PEER, 1)
    second = here.seal(NODE, PEER, b"out")
    before.written(PEER, record(KeyRing(current=key(7))))

    assert first[:32] == second[:32]
    assert first[32:40] != second[32:40], "the epoch is another, and with it the key"
    assert here.seal(NODE, PEER, b"out").startswith(key(1).key_id)


def test_no_counter_of_a_key_starts_again_when_its_ring_is_taken_away_and_given_again() -> None:
    here, traffic = opened(KeyRing(current=key(1)))
    seen = set()
    for _ in range(3):
        seen.add(here.seal(NODE, PEER, b"out")[:48])
        traffic.gone(PEER)
        traffic.opened(PEER, KeyRing(current=key(1)))
        traffic.usable(PEER, 1)

    assert len(seen) == 3


def test_a_packet_that_was_changed_or_is_of_no_key_here_does_not_open() -> None:
    here, _ = opened(KeyRing(current=key(1)))
    packet = sealed_by_peer(KeyRing(current=key(1)))
    for at in range(len(packet)):
        changed = packet[:at] + bytes([packet[at] ^ 1]) + packet[at + 1 :]
        with pytest.raises(CannotOpen):
            here.open(NODE, changed)
    for cut in (0, 47, len(packet) - 1):
        with pytest.raises(CannotOpen):
            here.open(NODE, packet[:cut])
    with pytest.raises(CannotOpen):
        here.open(STRANGER, packet)


def test_without_a_data_plane_nothing_happens() -> None:
    traffic = OwnTraffic(None, NODE, EPOCH)
    traffic.opened(PEER, KeyRing(current=key(1)))
    traffic.usable(PEER, 1)
    traffic.written(PEER, record(KeyRing()))
    traffic.gone(PEER)
    traffic.stopped()


def test_what_a_data_plane_is_given_prints_no_key() -> None:
    here, _ = opened(KeyRing(current=key(1), pending=key(2)))
    (keys,) = here.keys.values()
    shown = repr(keys) + str(keys)

    assert key(1).key_id.hex() in shown
    assert not any(each.peer_key.reveal().hex() in shown for _, each in keys.ring)
    with pytest.raises(ValueError, match="no key to seal with"):
        TrafficKeys(NODE, EPOCH, NODE, PEER, ring=KeyRing(), seals=None).seal_key()


# --- helpers --------------------------------------------------------------------------------------


def opened(ring: KeyRing) -> tuple[MemoryDataPlane, OwnTraffic]:
    here = MemoryDataPlane()
    traffic = OwnTraffic(here, NODE, EPOCH)
    traffic.opened(PEER, ring)
    assert ring.current is not None
    traffic.usable(PEER, ring.current.index)
    return here, traffic


def peer(ring: KeyRing) -> MemoryDataPlane:
    there = MemoryDataPlane()
    there.use(TrafficKeys(PEER, 9, PEER, NODE, ring=ring, seals=ring.current))
    return there


def sealed_by_peer(ring: KeyRing) -> bytes:
    return peer(ring).seal(PEER, NODE, b"in")


def record(ring: KeyRing) -> bytes:
    return encode_state(PeeringState(1, bytes(32), ring=ring))
