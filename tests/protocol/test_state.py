"""The stored record: what goes in comes out, and a record of another layout is refused."""

from __future__ import annotations

from dataclasses import fields, replace

import msgpack
import pytest

from peerkey.errors import Misconfigured
from peerkey.protocol.keyring import KeyRing
from peerkey.protocol.state import (
    RECORD_FORMAT,
    DroppedKey,
    PeerCertificate,
    PeeringState,
    decode_state,
    encode_state,
)
from peerkey.secret import Secret
from tests.protocol.examples import digest, fingerprint
from tests.protocol.keys import key

NEW = PeeringState(announcement_number=0, challenge=fingerprint("challenge"))
PEER = PeerCertificate(
    chain=(b"leaf", b"intermediate"),
    fingerprint=fingerprint("leaf"),
    number=7,
    digest=digest("announcement"),
    versions=(1, 2),
    algorithms=("ml-kem-768", "diffie-hellman-2048"),
    in_force=False,
    pinned=True,
)
FULL = PeeringState(
    announcement_number=5,
    challenge=fingerprint("ours"),
    peer_challenge=fingerprint("theirs"),
    highest_index=2**64 - 2,
    request_digest=digest("request"),
    ring=KeyRing(previous=key(1), current=key(2), next=key(3), held=key(4)),
    response=b"response",
    confirm=b"confirm",
    dropped=DroppedKey(digest("request"), digest("response"), Secret(bytes(48))),
    activate_at_once=True,
    peer=PEER,
    removed="expired",
    key_changes=12,
    peer_seals_with=2,
    peer_holds=b"l" * 32,
)


@pytest.mark.parametrize("state", [NEW, FULL, replace(NEW, ring=KeyRing(pending=key(9)))])
def test_a_state_survives_its_record(state: PeeringState) -> None:
    assert decode_state(encode_state(state)) == state


def test_the_full_example_leaves_no_field_at_its_default() -> None:
    assert [field.name for field in fields(FULL) if getattr(FULL, field.name) == field.default] == []


def test_a_key_comes_back_to_the_last_byte() -> None:
    current = decode_state(encode_state(FULL)).ring.current

    assert current is not None
    assert current.peer_key.reveal() == key(2).peer_key.reveal()
    assert current.probe == key(2).probe
    assert current.confirm_initiator == key(2).confirm_initiator
    assert current.confirm_responder == key(2).confirm_responder
    assert current.computed_at == key(2).computed_at


@pytest.mark.parametrize("layout", [0, RECORD_FORMAT + 1, 99, None])
def test_a_record_of_an_older_or_newer_layout_is_refused_and_says_what_to_do(layout: int | None) -> None:
    fields_ = msgpack.unpackb(encode_state(FULL), use_list=False)
    with pytest.raises(Misconfigured, match=f"format {layout}, this software reads {RECORD_FORMAT}: run the"):
        decode_state(msgpack.packb((layout, *fields_[1:])))


def test_a_record_of_another_layout_is_refused_whatever_else_it_holds() -> None:
    with pytest.raises(Misconfigured):
        decode_state(msgpack.packb((RECORD_FORMAT + 1, "nothing that is known today")))


def test_a_state_does_not_print_its_secrets() -> None:
    shown = repr(FULL)

    assert repr(bytes(48)) not in shown
    assert repr(FULL.challenge) not in shown
    for _, each in FULL.ring:
        assert repr(each.peer_key.reveal()) not in shown


def test_the_peer_may_seal_with_the_replaced_key_until_it_has_said_otherwise() -> None:
    replaced = replace(NEW, ring=KeyRing(previous=key(1), current=key(2)))

    assert replaced.peer_may_seal_with_previous
    assert replace(replaced, peer_seals_with=1).peer_may_seal_with_previous
    assert not replace(replaced, peer_seals_with=2).peer_may_seal_with_previous
    assert not replace(NEW, ring=KeyRing(current=key(2))).peer_may_seal_with_previous


def test_a_certificate_goes_out_of_force_and_comes_back() -> None:
    assert PEER.put_in_force() == replace(PEER, in_force=True)
    assert PEER.put_in_force().put_in_force(in_force=False) == PEER
