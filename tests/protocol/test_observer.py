"""The observer raises where an invariant is broken: without this, its silence would prove nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from peerkey.moment import Instant
from peerkey.protocol import effects
from peerkey.protocol.constants import Kind
from peerkey.protocol.frame import Frame
from peerkey.protocol.keyring import KeyRing
from peerkey.protocol.messages import KeyEstablished, PeeringRemoved, encode_body, encode_signatures
from peerkey.protocol.path import PathState
from peerkey.protocol.phases import Phase
from peerkey.protocol.state import PeerCertificate, PeeringState, encode_state
from peerkey.testing.observer import Arrival, Observer, Sighting, Violation
from tests.protocol.examples import MESSAGES
from tests.protocol.keys import key

NOW: Instant = timedelta(hours=1)


def test_two_ends_with_the_same_keys_break_nothing() -> None:
    Observer().see(NOW, end("low", KeyRing(current=key(1))), end("high", KeyRing(current=key(1))))


def test_sealing_with_a_key_that_the_peer_lacks_breaks_the_first_invariant() -> None:
    refuses(1, end("low", KeyRing(current=key(1))), end("high", KeyRing()))


def test_a_next_key_that_a_restart_would_seal_with_breaks_the_first_invariant_too() -> None:
    ring = KeyRing(current=key(1), next=key(2))
    refuses(1, end("low", ring), end("high", KeyRing(current=key(1))))


def test_a_key_that_the_peer_lost_with_its_store_is_excused() -> None:
    observer, low = Observer(), end("low", KeyRing(current=key(1)))
    observer.see(NOW, low, end("high", KeyRing(current=key(1))))
    observer.store_lost("high")
    observer.see(NOW, low, end("high", KeyRing()))


def test_erasing_a_key_that_the_peer_sealed_with_lately_breaks_the_first_invariant() -> None:
    observer = Observer()
    old, both = KeyRing(current=key(1)), KeyRing(previous=key(1), current=key(2))
    new = KeyRing(current=key(2))
    observer.see(NOW, end("low", both), end("high", replace(old, next=key(2))))
    observer.see(NOW + timedelta(seconds=1), end("low", both), end("high", both))
    with pytest.raises(Violation, match="invariant 1: low erased"):
        observer.see(NOW + timedelta(seconds=29), end("low", new), end("high", both))
    Observer().see(NOW + timedelta(seconds=31), end("low", new), end("high", both))


def test_two_keys_under_one_index_break_the_second_invariant() -> None:
    other = key(1, "another exchange")
    low = end("low", KeyRing(current=key(1)))
    refuses(2, low, end("high", KeyRing(current=other)))


def test_an_index_that_was_another_keys_before_breaks_the_second_invariant() -> None:
    observer, none = Observer(), end("high", KeyRing())
    other = key(1, "another exchange")
    observer.see(NOW, end("low", KeyRing(pending=other)), end("high", KeyRing(pending=key(1))))
    observer.see(NOW, end("low", KeyRing(held=key(1))), none)
    observer.see(NOW, end("low", KeyRing()), none)
    again = end("low", KeyRing(held=other))
    with pytest.raises(Violation, match=r"invariant 2: .* another key of that index"):
        observer.see(NOW, again, none)
    observer.store_lost("low")
    observer.see(NOW, again, none)


def test_proposing_an_index_that_was_held_breaks_the_second_invariant() -> None:
    observer, ring = Observer(), KeyRing(current=key(8))
    observer.see(NOW, end("low", ring), end("high", ring))
    request = frame(Kind.KEY_REQUEST, MESSAGES[Kind.KEY_REQUEST])
    with pytest.raises(Violation, match="invariant 2: low wants a key of index 8, and knows of index 8"):
        observer.leaves("low", request, end("low", ring).stored)


def test_other_bytes_under_a_known_key_id_break_the_second_invariant() -> None:
    changed = replace(key(1), peer_key=key(2).peer_key)
    refuses(2, end("low", KeyRing(current=key(1))), end("high", KeyRing(current=changed)))


def test_key_material_in_a_datagram_breaks_the_second_invariant() -> None:
    observer = Observer()
    observer.see(NOW, end("low", KeyRing(current=key(1))), end("high", KeyRing(current=key(1))))
    observer.on_the_wire(b"PK" + key(2).peer_key.reveal())
    with pytest.raises(Violation, match="invariant 2"):
        observer.on_the_wire(b"PK" + key(1).peer_key.reveal() + b"...")


def test_losing_the_current_key_breaks_the_third_invariant() -> None:
    observer, ring = Observer(), KeyRing(current=key(1))
    observer.see(NOW, end("low", ring), end("high", ring))
    with pytest.raises(Violation, match="invariant 3: low lost its current key 1"):
        observer.see(NOW, end("low", KeyRing()), end("high", ring))


def test_going_back_to_an_older_key_breaks_the_third_invariant() -> None:
    observer, both = Observer(), KeyRing(previous=key(1), current=key(2))
    observer.see(NOW, end("low", both), end("high", both))
    with pytest.raises(Violation, match="invariant 3: low went from key 2 to key 1"):
        observer.see(NOW, end("low", KeyRing(current=key(1), held=key(2))), end("high", both))


def test_removing_a_peering_without_a_cause_breaks_the_third_invariant() -> None:
    observer, ring = Observer(), KeyRing(current=key(1))
    observer.see(NOW, end("low", ring), end("high", ring))
    with pytest.raises(Violation, match="invariant 3: low removed the peering without a cause"):
        observer.see(NOW, end("low", KeyRing(), removed="why not"), end("high", ring))


def test_a_peering_may_be_removed_after_the_peer_said_farewell() -> None:
    observer, ring = Observer(), KeyRing(current=key(1))
    observer.see(NOW, end("low", ring), end("high", ring))
    gone = end("high", KeyRing(), removed="expired", condemned=True)
    observer.leaves("high", frame(Kind.PEERING_REMOVED, PeeringRemoved("expired")), gone.stored)
    observer.see(NOW, end("low", ring), gone)
    observer.see(NOW, end("low", KeyRing(), removed="expired"), gone)


def test_a_peer_that_is_not_told_of_fail_hard_breaks_the_first_invariant() -> None:
    ring = KeyRing(current=key(1))
    gone = end("high", KeyRing(), removed="expired", condemned=True)
    untold, told, died = Observer(), Observer(), Observer()
    for observer in (untold, told, died):
        observer.see(NOW, end("low", ring), end("high", ring))
    told.leaves("high", frame(Kind.PEERING_REMOVED, PeeringRemoved("expired")), gone.stored)
    told.see(NOW, end("low", ring), gone)
    died.see(NOW, end("low", ring), replace(gone, epoch=1))
    with pytest.raises(Violation, match="invariant 1: high erased its keys by fail-hard and does not tell"):
        untold.see(NOW, end("low", ring), gone)


@pytest.mark.parametrize(
    "ring",
    [KeyRing(current=key(1), next=key(2)), KeyRing(previous=key(1), current=key(2))],
    ids=["to be used", "to be erased"],
)
def test_a_key_that_waits_with_nothing_due_breaks_the_fourth_invariant(ring: KeyRing) -> None:
    waiting = end("low", ring)
    assert waiting.stored is not None
    waiting.stored.peer_seals_with = 2
    refuses(4, replace(waiting, deadline=None), end("high", ring))


def test_waiting_without_a_deadline_breaks_the_fourth_invariant() -> None:
    ring = KeyRing(current=key(1))
    waiting = replace(end("low", ring), phase=Phase.REQUESTING, deadline=None)
    refuses(4, waiting, end("high", ring))


def test_lacking_a_key_with_nothing_due_breaks_the_fourth_invariant() -> None:
    idle = replace(end("low", KeyRing()), deadline=None, paths={"path0": (PathState.WAITING, None)})
    refuses(4, idle, end("high", KeyRing()))
    Observer().see(NOW, replace(idle, wants_key=False), end("high", KeyRing()))


def test_an_invalid_path_that_never_tries_again_breaks_the_fourth_invariant() -> None:
    ring = KeyRing(current=key(1))
    given_up = replace(end("low", ring), paths={"path0": (PathState.INVALID, None)})
    refuses(4, given_up, end("high", ring))


def test_a_machine_that_is_due_for_ever_breaks_the_fourth_invariant() -> None:
    observer, low, high = Observer(), end("low", KeyRing()), end("high", KeyRing())
    for _ in range(10_001):
        observer.see(NOW, low, high)
    with pytest.raises(Violation, match="invariant 4: a machine is due"):
        observer.see(NOW, low, high)


def test_keys_after_fail_hard_break_the_fifth_invariant() -> None:
    ring = KeyRing(current=key(1))
    refuses(5, end("low", ring, condemned=True), end("high", ring))


def test_an_effect_of_a_frame_that_the_peer_never_sent_breaks_the_sixth_invariant() -> None:
    observer = Observer()
    forged = frame(Kind.KEY_REQUEST, MESSAGES[Kind.KEY_REQUEST])
    same = (record(KeyRing()), Phase.IDLE, None)
    observer.arrived(Arrival("low", forged, same, same, (effects.Count("bad-signature"),)))
    with pytest.raises(Violation, match="invariant 6"):
        observer.arrived(Arrival("low", forged, same, same, (effects.Heard("path0"),)))
    with pytest.raises(Violation, match="deadline"):
        observer.arrived(Arrival("low", forged, same, (same[0], Phase.IDLE, NOW), ()))


def test_a_certificate_is_the_peers_by_its_first_signature() -> None:
    observer = Observer()
    shown = frame(Kind.CERTIFICATE, MESSAGES[Kind.CERTIFICATE])
    observer.left("high", shown.with_auth(encode_signatures(b"first", b"second")))
    before, after = (certified(b"old"), Phase.IDLE, None), (certified(b"new"), Phase.IDLE, None)
    changed = shown.with_auth(encode_signatures(b"first", b"changed"))
    observer.arrived(Arrival("low", changed, before, after, ()))
    forged = shown.with_auth(encode_signatures(b"forged", b"second"))
    with pytest.raises(Violation, match="is not the peer's"):
        observer.arrived(Arrival("low", forged, before, after, ()))


def test_a_replayed_frame_that_changes_the_keys_again_breaks_the_sixth_invariant() -> None:
    observer = Observer()
    established = frame(Kind.KEY_ESTABLISHED, KeyEstablished(bytes(48)))
    ring = KeyRing(current=key(1))
    observer.leaves("high", established, end("high", ring).stored)
    arrival = Arrival(
        "low",
        established,
        (record(KeyRing(held=key(1))), Phase.CONFIRMING, NOW),
        (record(ring), Phase.IDLE, None),
        (),
    )
    observer.arrived(arrival)
    observer.see(NOW, end("low", ring), end("high", ring))
    with pytest.raises(Violation, match="a second time"):
        observer.arrived(arrival)


def test_a_replayed_certificate_that_comes_into_force_again_breaks_the_sixth_invariant() -> None:
    observer = Observer()
    shown = frame(Kind.CERTIFICATE, MESSAGES[Kind.CERTIFICATE])
    observer.left("high", shown)
    arrival = Arrival(
        "low", shown, (certified(b"old"), Phase.IDLE, None), (certified(b"new"), Phase.IDLE, None), ()
    )
    observer.arrived(arrival)
    observer.see(NOW, end("low", KeyRing()), end("high", KeyRing()))
    with pytest.raises(Violation, match="changed the certificate in force at low a second time"):
        observer.arrived(arrival)


def test_a_probe_that_is_like_an_earlier_one_breaks_the_sixth_invariant() -> None:
    observer, ring = Observer(), KeyRing(current=key(7))
    probe = frame(Kind.PROBE, MESSAGES[Kind.PROBE])
    observer.leaves("low", probe, end("low", ring).stored)
    with pytest.raises(Violation, match="invariant 6: low sends a PROBE as it did before"):
        observer.leaves("low", probe, end("low", ring).stored)


def test_keys_in_memory_that_were_not_stored_break_the_seventh_invariant() -> None:
    ring = KeyRing(current=key(1))
    refuses(7, replace(end("low", KeyRing()), ring=ring), end("high", ring))


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.ACK], ids=lambda kind: kind.name)
def test_a_frame_that_leaves_before_what_it_presupposes_breaks_the_seventh_invariant(kind: Kind) -> None:
    stored = PeeringState(announcement_number=0, challenge=bytes(32), ring=KeyRing(pending=key(5)))
    for state in (None, stored):
        with pytest.raises(Violation, match="invariant 7"):
            Observer().leaves("low", frame(kind, MESSAGES[kind]), state)


# --- helpers ----------------------------------------------------------------------------------------


def end(name: str, ring: KeyRing, *, removed: str = "", condemned: bool = False) -> Sighting:
    return Sighting(
        name=name,
        alive=True,
        ring=ring,
        stored=PeeringState(announcement_number=1, challenge=bytes(32), ring=ring, removed=removed),
        phase=Phase.IDLE,
        deadline=NOW + timedelta(seconds=30),
        paths={"path0": (PathState.IN_SERVICE, None)},
        wants_key=True,
        condemned=condemned,
    )


def record(ring: KeyRing) -> bytes:
    return encode_state(PeeringState(announcement_number=1, challenge=bytes(32), ring=ring))


def certified(leaf: bytes) -> bytes:
    peer = PeerCertificate(
        chain=(leaf,), fingerprint=leaf, number=1, digest=leaf, versions=(1,), algorithms=("ml-kem",)
    )
    return encode_state(PeeringState(announcement_number=1, challenge=bytes(32), peer=peer))


def frame(kind: Kind, message: object) -> Frame:
    assert isinstance(message, tuple)
    return Frame(kind, bytes(16), bytes(15) + b"\x01", encode_body(message), b"proof")  # type: ignore[arg-type]


def refuses(invariant: int, one: Sighting, other: Sighting) -> None:
    with pytest.raises(Violation) as raised:
        Observer().see(NOW, one, other)
    assert raised.value.invariant == invariant


def test_a_violation_says_which_invariant_it_is_of() -> None:
    assert str(Violation(3, "lost")) == "invariant 3: lost"
