"""The frames of the HA link: what goes in comes out, and nothing else comes in."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.errors import Malformed
from peerkey.ha.constants import (
    HA_VERSION,
    INVENTORY_ENTRIES,
    MAXIMUM_CONTENT_BYTES,
    MAXIMUM_FRAME_BYTES,
    MAXIMUM_NAME_CHARACTERS,
    MAXIMUM_PLACE_CHARACTERS,
    MAXIMUM_RECORDS,
    MAXIMUM_TERM,
    MAXIMUM_TEXT_CHARACTERS,
    SEAL_OVERHEAD,
)
from peerkey.ha.messages import (
    LAYOUTS,
    Ack,
    Beat,
    Entry,
    Frames,
    Hello,
    Inventory,
    Kind,
    Mark,
    Message,
    Record,
    Refused,
    Role,
    UnsupportedVersion,
    Version,
    encode,
    read_untrusted,
)

LARGEST = 2**64 - 1
UUID = bytes(range(16))
EXAMPLES: tuple[Message, ...] = (
    Hello("authority", "router", UUID, UUID[::-1], bytes(16), 7, bytes(32)),
    Inventory((Entry("peering:a", Mark(Version(7, 3), bytes(16))),), last=True),
    Record(1, "peering:a", Version(7, 3), deleted=False, sealed=bytes(100)),
    Ack(1),
    Beat(4, Role.LEADER, 10, 2),
    Refused("another-router", "a node of router east"),
)
#: Everything at its largest.
LARGEST_EXAMPLES: tuple[Message, ...] = (
    Hello(
        "ä" * MAXIMUM_PLACE_CHARACTERS, "ä" * MAXIMUM_PLACE_CHARACTERS, UUID, UUID, UUID, LARGEST, UUID * 2
    ),
    Inventory(
        (Entry("ä" * MAXIMUM_NAME_CHARACTERS, Mark(Version(LARGEST, LARGEST), UUID)),) * INVENTORY_ENTRIES,
        last=False,
    ),
    Record(
        LARGEST,
        "ä" * MAXIMUM_NAME_CHARACTERS,
        Version(LARGEST, LARGEST),
        deleted=False,
        sealed=bytes(MAXIMUM_CONTENT_BYTES + SEAL_OVERHEAD),
    ),
    Ack(LARGEST),
    Beat(MAXIMUM_TERM, Role.REDUNDANT, MAXIMUM_RECORDS, 2 * MAXIMUM_RECORDS),
    Refused("ä" * MAXIMUM_NAME_CHARACTERS, "ä" * MAXIMUM_TEXT_CHARACTERS),
)

#: What most fields are not.
WRONG: tuple[object, ...] = (None, 1.5, -1, b"", "\n", [], {}, True, LARGEST)

NUMBER = st.integers(0, LARGEST)
NAME = st.text(st.characters(categories=["L", "N", "P"]), max_size=MAXIMUM_NAME_CHARACTERS)
VERSION = st.builds(Version, NUMBER, NUMBER)
DIGEST = st.binary(min_size=16, max_size=16)
MESSAGE: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        Hello, NAME, NAME, DIGEST, DIGEST, DIGEST, NUMBER, public_key=st.binary(min_size=32, max_size=32)
    ),
    st.builds(
        Inventory,
        st.lists(st.builds(Entry, NAME, st.builds(Mark, VERSION, DIGEST)), max_size=4).map(tuple),
        st.booleans(),
    ),
    st.builds(Record, NUMBER, NAME, VERSION, st.booleans(), st.binary(min_size=16, max_size=64)),
    st.builds(Ack, NUMBER),
    st.builds(
        Beat,
        st.integers(0, MAXIMUM_TERM),
        st.sampled_from(Role),
        st.integers(0, MAXIMUM_RECORDS),
        st.integers(0, 2 * MAXIMUM_RECORDS),
    ),
    st.builds(Refused, NAME, NAME),
)


# --- there and back -----------------------------------------------------------------------------------


@given(MESSAGE)
def test_every_message_survives_its_frame(message: Message) -> None:
    (frame,) = Frames().feed(encode(message))

    assert read_untrusted(frame) == message
    assert type(read_untrusted(frame)) is type(message)


def test_there_is_an_example_of_every_kind() -> None:
    for examples in (EXAMPLES, LARGEST_EXAMPLES):
        assert [type(each) for each in examples] == [message for message, _ in LAYOUTS.values()]


@pytest.mark.parametrize("message", LARGEST_EXAMPLES, ids=lambda message: type(message).__name__)
def test_the_largest_message_of_every_kind_fits_a_frame(message: Message) -> None:
    (frame,) = Frames().feed(encode(message))

    assert len(frame) <= MAXIMUM_FRAME_BYTES
    assert read_untrusted(frame) == message


@given(st.lists(MESSAGE, max_size=5), st.integers(1, 50))
def test_a_stream_may_be_cut_anywhere(messages: list[Message], piece: int) -> None:
    stream, frames, found = b"".join(map(encode, messages)), Frames(), []
    for start in range(0, len(stream), piece):
        found += [read_untrusted(frame) for frame in frames.feed(stream[start : start + piece])]

    assert found == messages


# --- nothing else -------------------------------------------------------------------------------------


@given(st.binary(max_size=300))
def test_whatever_arrives_is_read_or_malformed_and_nothing_else(data: bytes) -> None:
    read_or_malformed(data)


@given(st.recursive(st.none() | st.booleans() | st.integers(-9, LARGEST) | st.text() | st.binary(), st.lists))
def test_whatever_msgpack_arrives_is_read_or_malformed_and_nothing_else(value: object) -> None:
    for kind in Kind:
        read_or_malformed(msgpack.packb((HA_VERSION, kind.value, value)))
        read_or_malformed(msgpack.packb((HA_VERSION, kind.value, *(value if type(value) is list else ()))))
    read_or_malformed(msgpack.packb(value))


@given(MESSAGE, st.data())
def test_a_changed_frame_is_another_message_or_malformed(message: Message, data: st.DataObject) -> None:
    frame = bytearray(encode(message)[4:])
    at = data.draw(st.integers(0, len(frame) - 1))
    frame[at] ^= data.draw(st.integers(1, 255))

    assert read_or_malformed(bytes(frame)) != message


@given(MESSAGE, st.integers(1, 40))
def test_a_frame_that_is_cut_or_goes_on_is_malformed(message: Message, size: int) -> None:
    frame = encode(message)[4:]

    assert read_or_malformed(frame[:-size]) is None
    assert read_or_malformed(frame + bytes(size)) is None


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_field_of_another_type_is_malformed_or_says_what_was_sent(message: Message) -> None:
    kind = next(kind for kind, (made, _) in LAYOUTS.items() if made is type(message))
    for at in range(len(message)):
        for wrong in WRONG:
            fields = [*message]
            fields[at] = wrong
            packed = msgpack.packb((HA_VERSION, kind.value, *fields))
            read = read_or_malformed(packed)
            assert read is None or encode(read)[4:] == packed


@pytest.mark.parametrize("count", [-1, 1])
def test_a_message_with_a_field_more_or_less_is_malformed(count: int) -> None:
    for message in EXAMPLES:
        fields = [*msgpack.unpackb(encode(message)[4:], use_list=False)]
        changed = [*fields, 1] if count > 0 else fields[:-1]
        assert read_or_malformed(msgpack.packb(changed)) is None


@pytest.mark.parametrize("version", [0, 2, 99, -1])
def test_another_version_is_said_to_be_one(version: int) -> None:
    with pytest.raises(
        UnsupportedVersion, match=f"version {version} .* this node version {HA_VERSION}"
    ) as told:
        read_untrusted(msgpack.packb((version, "whatever that version has here")))

    assert told.value.version == version


@pytest.mark.parametrize("version", [True, None, "1", 1.0, b"1", [1]], ids=repr)
def test_what_is_no_version_is_malformed(version: object) -> None:
    with pytest.raises(Malformed) as told:
        read_untrusted(msgpack.packb((version, 4, 1)))

    assert not isinstance(told.value, UnsupportedVersion)


@pytest.mark.parametrize("kind", [0, 7, 255, True, None, "1"], ids=repr)
def test_a_kind_that_there_is_not_is_malformed(kind: object) -> None:
    assert read_or_malformed(msgpack.packb((HA_VERSION, kind, 1))) is None


@pytest.mark.parametrize("length", [0, 1, MAXIMUM_FRAME_BYTES + 1, 2**32 - 1])
def test_a_length_that_no_frame_has_is_malformed_at_once(length: int) -> None:
    with pytest.raises(Malformed, match="a frame cannot have"):
        list(Frames().feed(length.to_bytes(4, "big")))


def test_a_frame_beyond_the_largest_is_malformed_before_it_is_unpacked() -> None:
    with pytest.raises(Malformed, match="at most"):
        read_untrusted(bytes(MAXIMUM_FRAME_BYTES + 1))


def test_frames_before_a_malformed_length_are_still_read() -> None:
    stream = Frames().feed(encode(Ack(1)) + bytes(4))

    assert read_untrusted(next(stream)) == Ack(1)
    with pytest.raises(Malformed):
        next(stream)


def read_or_malformed(data: bytes) -> Message | None:
    try:
        return read_untrusted(data)
    except Malformed:
        return None
