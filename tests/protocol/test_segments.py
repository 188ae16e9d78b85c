"""Cutting frames into datagrams and putting them together again, with bounds."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest

from peerkey.errors import Malformed
from peerkey.moment import Instant
from peerkey.protocol.constants import (
    MAXIMUM_FRAME_BYTES,
    MAXIMUM_SEGMENTS,
    REASSEMBLY_SLOTS,
    REASSEMBLY_TIMEOUT,
)
from peerkey.protocol.segments import (
    FLAG_NEVER_ANSWER,
    FRAME_ID_BYTES,
    HEADER_BYTES,
    ForeignSegment,
    Reassembly,
    Segment,
    cut,
    read_datagram_untrusted,
)

NOW = Instant(hours=1)
ID = bytes(range(8))


@pytest.mark.parametrize("size", [576, 1200, 1280, 1472, 9000])
@pytest.mark.parametrize("length", [1, 561, 562, 563, 1186, 1187, 5000, 35_968])
def test_a_frame_crosses_paths_of_every_mtu(size: int, length: int) -> None:
    frame = bytes(index % 251 for index in range(length))
    datagrams = cut(frame, ID, size, never_answer=False)

    assert all(len(datagram) <= size for datagram in datagrams)
    assert len(datagrams) == max(1, -(-length // (size - HEADER_BYTES)))
    assert put_together(datagrams) == frame


def test_the_largest_frame_crosses_the_default_path() -> None:
    frame = bytes(MAXIMUM_FRAME_BYTES)
    assert put_together(cut(frame, ID, 1200, never_answer=False)) == frame


def test_a_frame_that_needs_more_segments_than_allowed_is_not_cut() -> None:
    most = MAXIMUM_SEGMENTS * (100 - HEADER_BYTES)

    assert len(cut(bytes(most), ID, 100, never_answer=False)) == MAXIMUM_SEGMENTS
    with pytest.raises(ValueError, match="needs 65 segments"):
        cut(bytes(most + 1), ID, 100, never_answer=False)


def test_the_header_is_as_documented() -> None:
    first, second = cut(b"a" * 1187, ID, 1200, never_answer=True)

    assert first[:HEADER_BYTES] == b"PK" + b"\x01" + b"\x01" + ID + b"\x00" + b"\x02"
    assert second[:HEADER_BYTES] == b"PK" + b"\x01" + b"\x01" + ID + b"\x01" + b"\x02"
    assert second[HEADER_BYTES:] == b"a"
    assert read_datagram_untrusted(second) == Segment(FLAG_NEVER_ANSWER, ID, 1, 2, b"a")
    assert len(ID) == FRAME_ID_BYTES


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        b"PK\x01\x00" + ID + b"\x00",
        b"PK\x01\x00" + ID + b"\x00\x01",  # a header with nothing behind it
        b"KP\x01\x00" + ID + b"\x00\x01x",
        b"PK\x01\x02" + ID + b"\x00\x01x",  # a flag that version 1 does not have
        b"PK\x01\x00" + ID + b"\x00\x00x",  # no segments at all
        b"PK\x01\x00" + ID + b"\x01\x01x",  # the second of one
        b"PK\x01\x00" + ID + b"\x00\x41x",  # one of 65
        b"PK\x01\x00" + ID + b"\xff\x40x",
    ],
)
def test_a_header_that_is_not_ours_or_contradicts_itself_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_datagram_untrusted(data)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_told_apart_whatever_else_its_header_holds(version: int) -> None:
    data = b"PK" + bytes((version, 0xFE)) + ID + b"\x00\xffx"

    assert read_datagram_untrusted(data) == ForeignSegment(version, answerable=True, first=True)
    assert read_datagram_untrusted(data[:3] + b"\x01" + data[4:]) == ForeignSegment(
        version, answerable=False, first=True
    )
    assert read_datagram_untrusted(data[:12] + b"\x01" + data[13:]) == ForeignSegment(
        version, answerable=True, first=False
    )


def test_segments_may_come_in_any_order_and_more_than_once() -> None:
    frame = bytes(range(200))
    datagrams = cut(frame, ID, 64, never_answer=False)
    for order in permutations(datagrams):
        assert put_together([copy for datagram in order for copy in (datagram, datagram)]) == frame


def test_frames_are_told_apart_by_their_id() -> None:
    one, two = (cut(letter * 100, ID[:7] + letter, 64, never_answer=False) for letter in (b"a", b"b"))
    slots = Reassembly()
    whole = [slots.add(segment(data), NOW) for pair in zip(one, two, strict=True) for data in pair]

    assert whole == [None, None, b"a" * 100, b"b" * 100]


@pytest.mark.parametrize(
    "contradiction",
    [
        Segment(0, ID, 1, 4, b"b"),
        Segment(0, ID, 1, 2, b"b"),
        Segment(FLAG_NEVER_ANSWER, ID, 1, 3, b"b"),
        Segment(0, ID, 0, 3, b"B"),
        Segment(0, ID, 0, 3, b"aa"),
    ],
)
def test_a_segment_that_contradicts_what_is_known_is_dropped_and_nothing_else(
    contradiction: Segment,
) -> None:
    slots = Reassembly()
    slots.add(Segment(0, ID, 0, 3, b"a"), NOW)
    with pytest.raises(Malformed):
        slots.add(contradiction, NOW)

    assert slots.add(Segment(0, ID, 1, 3, b"b"), NOW) is None
    assert slots.add(Segment(0, ID, 2, 3, b"c"), NOW) == b"abc"


def test_a_frame_has_five_seconds_to_complete() -> None:
    slots = Reassembly()
    slots.add(Segment(0, ID, 0, 2, b"a"), NOW)
    assert slots.deadline() == NOW + timedelta(seconds=5)

    just_before = NOW + REASSEMBLY_TIMEOUT - timedelta(microseconds=1)
    assert slots.add(Segment(0, ID, 1, 2, b"b"), just_before) == b"ab"
    assert slots.deadline() is None

    slots.add(Segment(0, ID, 0, 2, b"a"), NOW)
    assert slots.add(Segment(0, ID, 1, 2, b"b"), NOW + REASSEMBLY_TIMEOUT) is None


def test_the_time_to_complete_begins_with_the_first_segment_and_is_not_extended() -> None:
    slots = Reassembly()
    slots.add(Segment(0, ID, 0, 3, b"a"), NOW)
    slots.add(Segment(0, ID, 1, 3, b"b"), NOW + timedelta(seconds=4))

    assert slots.deadline() == NOW + REASSEMBLY_TIMEOUT
    slots.expire(NOW + REASSEMBLY_TIMEOUT)
    assert slots.deadline() is None


def test_when_all_slots_are_taken_the_one_that_has_progressed_least_goes_never_the_newcomer() -> None:
    slots = Reassembly()
    honest = cut(bytes(150), b"honest!!", 64, never_answer=False)
    slots.add(segment(honest[0]), NOW)
    slots.add(segment(honest[1]), NOW)
    for number in range(3 * REASSEMBLY_SLOTS):
        assert slots.add(Segment(0, number.to_bytes(8, "big"), 0, 64, b"spoofed"), NOW) is None

    assert slots.add(segment(honest[2]), NOW) == bytes(150)


def test_the_newcomer_gets_a_slot_also_when_all_have_progressed() -> None:
    slots = Reassembly()
    for number in range(REASSEMBLY_SLOTS):
        for index in range(3):
            slots.add(Segment(0, number.to_bytes(8, "big"), index, 64, b"x"), NOW)
    datagrams = cut(bytes(100), ID, 64, never_answer=False)

    assert [slots.add(segment(data), NOW) for data in datagrams] == [None, bytes(100)]


def test_no_slot_holds_more_than_the_largest_frame() -> None:
    slots = Reassembly()
    slice_ = bytes(MAXIMUM_FRAME_BYTES // 2)
    slots.add(Segment(0, ID, 0, 3, slice_), NOW)
    slots.add(Segment(0, ID, 1, 3, slice_), NOW)
    with pytest.raises(Malformed, match="more than 65536"):
        slots.add(Segment(0, ID, 2, 3, b"x"), NOW)


def test_a_frame_of_one_segment_needs_no_slot() -> None:
    slots = Reassembly()
    assert slots.add(Segment(0, ID, 0, 1, b"whole"), NOW) == b"whole"
    assert slots.deadline() is None


def segment(data: bytes) -> Segment:
    read = read_datagram_untrusted(data)
    assert isinstance(read, Segment)
    return read


def put_together(datagrams: tuple[bytes, ...] | list[bytes]) -> bytes | None:
    slots = Reassembly()
    return next((whole for data in datagrams if (whole := slots.add(segment(data), NOW)) is not None), None)
