"""A restored node beside the one that it replaces: no key is used twice, and their peer sees two."""

from __future__ import annotations

from datetime import timedelta

from peerkey.observe.events import KeyActivated, PeerIdentityShared
from peerkey.protocol.restoring import restored, without_keys
from peerkey.protocol.state import decode_state, encode_state
from peerkey.testing.pair import End, Pair

#: Beyond whatever these ends count up to.
LEAST = 10**6
HOUR = timedelta(hours=1)


def test_a_node_restored_beside_its_living_self_uses_none_of_its_keys_and_both_are_seen() -> None:
    pair = Pair()
    pair.run(seconds=100)
    old, peer = pair.low, pair.high
    backup = old.stored()
    assert backup is not None
    assert pair.keyed()

    new = living_as(pair, old, encode_state(restored(without_keys(backup), None, LEAST, bytes(32))))
    lives = [new, old_life(old, encode_state(backup))]
    for turn in range(4):
        lives[turn % 2] = living_as(pair, old, lives[turn % 2])

    assert len(used(peer)) == len(set(used(peer))), "a key came into use twice"
    assert indices(peer) == sorted(set(indices(peer)))
    assert [type(event) for event in peer.events].count(PeerIdentityShared) == 1
    assert peer.peering.two_nodes(peer.now)


def test_a_peer_that_has_lost_its_store_is_not_taken_for_two() -> None:
    pair = Pair()
    pair.run(seconds=100)

    for _ in range(3):
        pair.low.lose_store()
        pair.run(seconds=200)

    assert pair.keyed()
    assert not [event for event in pair.high.events if isinstance(event, PeerIdentityShared)]
    assert not pair.high.peering.two_nodes(pair.high.now)


def test_an_hour_after_two_were_seen_the_alarm_is_gone() -> None:
    pair = Pair()
    pair.run(seconds=100)
    summary = pair.low.stored()
    assert summary is not None
    core = pair.high.peering._core  # noqa: SLF001 - what a summary leads to, without a story
    core.lost_by_peer.append(next(key.key_id for _, key in summary.ring))

    core.heard_summary(summary.ring.summary(), pair.high.now)

    assert pair.high.peering.two_nodes(pair.high.now)
    pair.run(hours=1)
    assert not pair.high.peering.two_nodes(pair.high.now)


# --- helpers ----------------------------------------------------------------------------------------


def living_as(pair: Pair, end: End, record: bytes) -> bytes:
    """Let the node of this record be the one that its peer hears until the two agree; return its record."""
    end.crash()
    end.record = record
    end.boot()
    end.carry(end.peering.rekey(end.now))
    assert pair.run(seconds=600, until=pair.keyed)
    pair.run(seconds=100)
    assert end.record is not None
    return end.record


def old_life(end: End, record: bytes) -> bytes:
    """Return the record of the life that went on while the other one began."""
    assert decode_state(record).ring.current is not None, end.name
    return record


def used(end: End) -> list[str]:
    return [event.key_id for event in end.events if isinstance(event, KeyActivated)]


def indices(end: End) -> list[int]:
    return [event.index for event in end.events if isinstance(event, KeyActivated)]
