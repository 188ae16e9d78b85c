"""The envelope: one encoding, one digest, and nothing else is a frame."""

from __future__ import annotations

import hashlib
import uuid
from copy import copy

import msgpack
import pytest

from peerkey.errors import Malformed
from peerkey.protocol.constants import MAXIMUM_FRAME_BYTES, Kind
from peerkey.protocol.frame import Frame, decode_frame_untrusted, unpack_untrusted

SENDER, RECEIVER = uuid.UUID(int=1).bytes, uuid.UUID(int=2).bytes
FRAME = Frame(Kind.ACK, SENDER, RECEIVER, b"body", b"auth")


def test_what_is_signed_is_the_domain_the_kind_both_names_and_the_body() -> None:
    assert FRAME.signed == b"peerkey v1" + b"\x02" + SENDER + RECEIVER + b"body"
    assert FRAME.digest == hashlib.sha384(FRAME.signed).digest()


def test_neither_envelope_nor_auth_is_part_of_what_is_signed() -> None:
    other = FRAME.with_auth(b"another proof")

    assert (other.signed, other.digest) == (FRAME.signed, FRAME.digest)
    assert other != FRAME
    assert other.auth == b"another proof"


@pytest.mark.parametrize(
    "changed",
    [
        Frame(Kind.PROBE, SENDER, RECEIVER, b"body"),
        Frame(Kind.ACK, RECEIVER, RECEIVER, b"body"),
        Frame(Kind.ACK, SENDER, SENDER, b"body"),
        Frame(Kind.ACK, SENDER, RECEIVER, b"Body"),
    ],
)
def test_every_signed_field_changes_the_digest(changed: Frame) -> None:
    assert changed.digest != FRAME.digest


def test_a_frame_survives_its_encoding() -> None:
    read = decode_frame_untrusted(FRAME.encode())

    assert read == FRAME
    assert hash(read) == hash(FRAME)
    assert (read.kind, read.sender, read.receiver) == (Kind.ACK, SENDER, RECEIVER)
    assert (read.body, read.auth) == (b"body", b"auth")


def test_a_frame_is_nothing_else() -> None:
    assert FRAME != "a frame"


def test_a_kind_that_is_not_known_is_still_a_frame() -> None:
    assert decode_frame_untrusted(Frame(200, SENDER, RECEIVER, b"").encode()).kind == 200


@pytest.mark.parametrize(
    "fields",
    [
        (0, SENDER, RECEIVER, b"", b""),
        (-1, SENDER, RECEIVER, b"", b""),
        (256, SENDER, RECEIVER, b"", b""),
        (True, SENDER, RECEIVER, b"", b""),
        (1.0, SENDER, RECEIVER, b"", b""),
        ("2", SENDER, RECEIVER, b"", b""),
        (None, SENDER, RECEIVER, b"", b""),
        (2, SENDER[:15], RECEIVER, b"", b""),
        (2, SENDER + b"\0", RECEIVER, b"", b""),
        (2, "s" * 16, RECEIVER, b"", b""),
        (2, SENDER, RECEIVER[:15], b"", b""),
        (2, SENDER, None, b"", b""),
        (2, SENDER, RECEIVER, "body", b""),
        (2, SENDER, RECEIVER, [1], b""),
        (2, SENDER, RECEIVER, b"", "auth"),
        (2, SENDER, RECEIVER, b"", None),
        (2, SENDER, RECEIVER, b""),
        (2, SENDER, RECEIVER, b"", b"", b""),
        (),
    ],
)
def test_any_other_field_is_malformed(fields: tuple[object, ...]) -> None:
    with pytest.raises(Malformed, match="not an array"):
        decode_frame_untrusted(msgpack.packb(fields))


@pytest.mark.parametrize("value", [1, b"bytes", "text", None, {"kind": 2}])
def test_anything_but_an_array_is_malformed(value: object) -> None:
    with pytest.raises(Malformed, match="not an array"):
        decode_frame_untrusted(msgpack.packb(value))


@pytest.mark.parametrize(
    "written",
    [
        b"\xdc\x00\x05" + FRAME.encode()[1:],  # an array of 5 with a length of two bytes
        b"\xdd\x00\x00\x00\x05" + FRAME.encode()[1:],
        b"\x95\xcc\x02" + FRAME.encode()[2:],  # the kind in two bytes
        b"\x95\xd0\x02" + FRAME.encode()[2:],  # the kind as a signed number
        b"\x95\x02\xc5\x00\x10" + FRAME.encode()[4:],  # the sender with a length of two bytes
        b"\x95\x02\xc6\x00\x00\x00\x10" + FRAME.encode()[4:],
    ],
)
def test_an_encoding_that_is_not_the_shortest_is_malformed(written: bytes) -> None:
    assert msgpack.unpackb(written, use_list=False) == msgpack.unpackb(FRAME.encode(), use_list=False)
    with pytest.raises(Malformed, match="shortest"):
        decode_frame_untrusted(written)


@pytest.mark.parametrize("behind", [b"\x00", b"\xc0", b"\x90", FRAME.encode()])
def test_bytes_behind_the_frame_are_malformed(behind: bytes) -> None:
    with pytest.raises(Malformed):
        decode_frame_untrusted(FRAME.encode() + behind)


def test_every_truncation_is_malformed() -> None:
    encoded = FRAME.encode()
    for length in range(len(encoded)):
        with pytest.raises(Malformed):
            decode_frame_untrusted(encoded[:length])


def test_a_frame_longer_than_the_bound_is_malformed_before_it_is_read() -> None:
    envelope = len(Frame(2, SENDER, RECEIVER, bytes(60_000)).encode()) - 60_000
    longest = Frame(2, SENDER, RECEIVER, bytes(MAXIMUM_FRAME_BYTES - envelope))

    assert decode_frame_untrusted(longest.encode()) == longest
    with pytest.raises(Malformed, match="at most 65536"):
        decode_frame_untrusted(Frame(2, SENDER, RECEIVER, longest.body + b"\0").encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",  # never used by msgpack
        b"\x91" * 2000 + b"\x00",  # nested beyond any reason
        b"\xdf\xff\xff\xff\xff",  # a map of four thousand million
        b"\xdd\xff\xff\xff\xff",  # an array of as many
        b"\xa1\xff",  # text that is not UTF-8
        b"\x81\x01\x02",  # a map whose key is a number
        b"\xd4\x05\x00",  # an extension type
        b"\xd6\xff\x00\x00\x00\x01",  # a timestamp
    ],
)
def test_bytes_that_are_no_plain_value_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_frame_untrusted(data)


def test_a_frame_does_not_print_its_body() -> None:
    assert repr(FRAME) == f"Frame(kind=2, digest={FRAME.digest[:4].hex()})"


def test_a_frame_leaves_its_process_without_its_digest() -> None:
    false = Frame(FRAME.kind, FRAME.sender, FRAME.receiver, FRAME.body, FRAME.auth)
    false._digest = b"another's" * 6  # noqa: SLF001 - whoever wants to deceive may set it

    arrived = copy(false)

    assert arrived == FRAME
    assert arrived.digest == FRAME.digest


def test_what_is_unpacked_is_what_was_packed() -> None:
    assert unpack_untrusted(msgpack.packb([1, b"two", ["three"]])) == (1, b"two", ("three",))
