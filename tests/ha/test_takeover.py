"""The mate's keys: they open always, are sealed with while it is silent, and never under its name."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from datetime import timedelta

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.errors import Malformed
from peerkey.ha.constants import LEASE
from peerkey.ha.effects import Emit, Released, TakenOver
from peerkey.ha.rings import ring_untrusted
from peerkey.ha.takeover import TAKEOVER_EDGES, Takeover, TakeoverState, TakeoverStep, seal_key, sealing
from peerkey.moment import Instant
from peerkey.observe.events import HaReleased, HaTakeover
from peerkey.protocol import schedule
from peerkey.protocol.keyring import KeyRing
from peerkey.protocol.state import RECORD_FORMAT, PeeringState, encode_state
from tests.protocol.keys import key

START: Instant = timedelta(hours=1)
SILENT = START + LEASE
RING = KeyRing(previous=key(1), current=key(2), next=key(3), held=key(4))


def test_a_copy_opens_from_its_arrival_on() -> None:
    copies = standing_by()

    assert copies.rings == {"peering:a": RING}
    assert copies.state is TakeoverState.STANDING_BY


def test_the_keys_of_a_mate_that_is_silent_for_the_lease_are_taken_over() -> None:
    copies = standing_by()
    assert copies.deadline() == SILENT
    assert copies.tick(SILENT - timedelta(milliseconds=1)) == []

    assert copies.tick(SILENT) == [TakenOver({"peering:a": RING}), Emit(HaTakeover("mate", 1))]
    assert copies.deadline() is None
    assert copies.tick(SILENT) == []


def test_a_mate_that_is_heard_keeps_its_keys() -> None:
    copies = standing_by()
    copies.heard(START + timedelta(seconds=1))

    assert copies.tick(SILENT) == []
    assert copies.deadline() == SILENT + timedelta(seconds=1)


def test_a_mate_that_greets_gets_its_keys_back() -> None:
    copies = standing_by()
    copies.tick(SILENT)

    assert copies.greeted() == [Released(), Emit(HaReleased("mate"))]
    assert copies.greeted() == []
    assert copies.rings == {"peering:a": RING}


def test_what_the_mate_removed_is_not_taken_over() -> None:
    copies = standing_by()
    copies.copied("peering:a", None)

    assert copies.deadline() is None
    assert copies.tick(SILENT) == []


def test_where_there_is_nothing_to_take_nothing_is_told() -> None:
    assert Takeover("mate", {}, START).tick(SILENT) == []


def test_keys_that_fail_hard_has_erased_are_gone_from_the_copy_too() -> None:
    copies = standing_by()
    copies.copied("peering:a", record(KeyRing()))

    assert copies.rings == {"peering:a": KeyRing()}


@pytest.mark.parametrize(
    "content",
    [b"", b"\xc1", msgpack.packb((RECORD_FORMAT + 1, "of the future")), msgpack.packb((RECORD_FORMAT,))],
    ids=["nothing", "junk", "another layout", "cut"],
)
def test_a_copy_that_cannot_be_read_takes_nothing_else_along(content: bytes) -> None:
    copies = standing_by()
    copies.copied("peering:b", content)
    assert copies.unreadable == {"peering:b"}
    assert set(copies.rings) == {"peering:a"}

    copies.copied("peering:b", record(RING))
    assert copies.unreadable == set()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (1, -1),
        (1, "one"),
        (2, "an id that is a text"),
        (2, b"short"),
        (3, b"a short key"),
        (3, 7),
        (-1, math.inf),
        (-1, 1 << 62),
    ],
)
def test_a_mate_that_lies_about_a_key_makes_a_copy_that_cannot_be_read(field: int, value: object) -> None:
    copies = standing_by()
    fields = list(msgpack.unpackb(record(KeyRing(current=key(1)))))
    fields[6][0][field] = value
    copies.copied("peering:b", msgpack.packb(fields))

    assert copies.unreadable == {"peering:b"}
    assert set(copies.rings) == {"peering:a"}


@given(st.recursive(st.none() | st.integers(-1, 2**64 - 1) | st.floats() | st.binary() | st.text(), st.lists))
def test_whatever_a_mate_sends_is_a_ring_or_malformed_and_nothing_else(value: object) -> None:
    fields = list(msgpack.unpackb(record(KeyRing(current=key(1)))))
    fields[6] = value
    with contextlib.suppress(Malformed):
        assert isinstance(ring_untrusted(msgpack.packb(fields)), KeyRing)


def test_what_is_sealed_with_is_the_newest_accepted_key() -> None:
    assert sealing(RING) == key(3)
    assert sealing(replace(RING, next=None)) == key(2)
    assert sealing(KeyRing(previous=key(1), held=key(4), pending=key(5))) is None


def test_what_a_survivor_seals_with_is_never_the_owners_nor_an_earlier_incarnations() -> None:
    owner, survivor = b"\x01" * 16, b"\x02" * 16
    keys = {seal_key(key(2), survivor, epoch).reveal() for epoch in range(1, 50)}
    owners = {schedule.seal_key(key(2).peer_key, owner, epoch).reveal() for epoch in range(1, 50)}

    assert len(keys) == len(owners) == 49
    assert not keys & owners


def test_a_takeover_shows_no_key() -> None:
    assert repr(standing_by().tick(SILENT)[0]) == "TakenOver(1 rings)"


def test_every_state_can_be_reached_and_left() -> None:
    assert set(TAKEOVER_EDGES.values()) == set(TakeoverState) == {before for before, _ in TAKEOVER_EDGES}
    assert {step for _, step in TAKEOVER_EDGES} == set(TakeoverStep)


def record(ring: KeyRing) -> bytes:
    return encode_state(PeeringState(1, bytes(32), ring=ring))


def standing_by() -> Takeover:
    return Takeover("mate", {"peering:a": record(RING)}, START)
