"""What a backup holds of a peering, and with which memory a restored node starts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.protocol.constants import MAXIMUM_INDEX_JUMP
from peerkey.protocol.keyring import KeyRing, PeerKey
from peerkey.protocol.restoring import (
    OLDEST,
    ORIGIN,
    BackupFromLater,
    BackupFromLongAgo,
    floor,
    restored,
    without_keys,
)
from peerkey.protocol.state import PeerCertificate, PeeringState, encode_state
from peerkey.secret import Secret

MADE = datetime(2026, 6, 1, tzinfo=UTC)
FRESH = bytes(32)
MATERIAL = b"peer key material of before 1234"


def test_of_a_key_ring_a_backup_holds_no_key_and_the_highest_index() -> None:
    backup = without_keys(state(highest_index=3))

    assert not backup.ring
    assert backup.highest_index == 7
    assert MATERIAL not in encode_state(backup)


def test_nothing_of_an_exchange_under_way_is_in_a_backup() -> None:
    backup = without_keys(
        replace(
            state(), request_digest=b"d", response=b"r", confirm=b"c", peer_challenge=b"p", peer_holds=b"h"
        )
    )

    left = (backup.request_digest, backup.response, backup.confirm, backup.peer_challenge, backup.peer_holds)
    assert set(left) == {b""}
    assert backup.challenge == b""


@given(
    ages=st.lists(st.integers(0, 10**8), min_size=2, max_size=6),
    used=st.integers(0, 8),
)
def test_whichever_backups_are_restored_in_which_order_no_number_is_used_twice(
    ages: list[int], used: int
) -> None:
    latest, memory = 0, state()
    backups = [memory]
    for at, each in enumerate(sorted(set(ages))):
        now = MADE + timedelta(seconds=each)
        memory = restored(backups[at // 2], None, floor(MADE, now), FRESH)
        # A number is used by counting one further first.
        assert memory.highest_index >= latest
        assert memory.announcement_number >= latest
        latest = memory.highest_index + used
        backups.append(replace(memory, highest_index=latest))


def test_a_peer_that_has_lost_its_store_follows_the_leap_for_many_years() -> None:
    late = datetime(2042, 12, 31, tzinfo=UTC)

    assert floor(late - OLDEST, late) < MAXIMUM_INDEX_JUMP


def test_a_clock_that_is_years_ahead_lets_no_number_leap_for_good() -> None:
    assert floor(MADE, MADE + OLDEST) - floor(MADE, MADE) < MAXIMUM_INDEX_JUMP
    with pytest.raises(BackupFromLongAgo, match="set the clock"):
        floor(MADE, MADE + OLDEST + timedelta(seconds=1))


def test_a_clock_before_the_backup_refuses_it() -> None:
    with pytest.raises(BackupFromLater, match="set the clock"):
        floor(MADE, MADE - timedelta(seconds=1))


def test_before_counting_began_nothing_leaps() -> None:
    assert floor(ORIGIN - timedelta(days=2), ORIGIN - timedelta(days=1)) == 0


def test_the_pin_that_is_there_stays_and_no_number_goes_below_its_own() -> None:
    there = replace(state(), peer=pin(b"new"), announcement_number=10**12, key_changes=90, removed="expired")

    found = restored(state(), there, 0, FRESH)

    assert found.peer == pin(b"new")
    assert found.announcement_number == 10**12
    assert (found.key_changes, found.removed) == (90, "expired")


def test_a_pin_that_only_the_backup_has_comes_back() -> None:
    found = restored(state(), replace(state(), peer=None, key_changes=0), 0, FRESH)

    assert found.peer == pin(b"old")


def test_a_pin_that_was_released_since_the_backup_was_made_stays_released() -> None:
    found = restored(state(), replace(state(), peer=None), 0, FRESH)

    assert found.peer is None


# --- helpers ----------------------------------------------------------------------------------------


def pin(fingerprint: bytes) -> PeerCertificate:
    return PeerCertificate((b"der",), fingerprint, 1, b"digest", (1,), ("ml-kem-768",), pinned=True)


def state(highest_index: int = 9) -> PeeringState:
    secret = Secret(MATERIAL)
    key = PeerKey(7, b"id", secret, secret, secret, secret, b"", b"", b"", b"", "ml-kem-768", MADE)
    return PeeringState(
        announcement_number=4,
        challenge=b"c" * 32,
        highest_index=highest_index,
        ring=KeyRing(current=key),
        peer=pin(b"old"),
        key_changes=5,
    )
