"""What was packed comes out as it was, in pieces of bounded size."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.crl.unpacking import PIECE_BYTES, Unpackable, unpacker


@given(content=st.binary(max_size=4096).map(lambda b: b * 64), step=st.integers(1, 5000))
def test_what_was_packed_comes_out_whatever_the_pieces(content: bytes, step: int) -> None:
    for encoding, packed in (
        ("gzip", gzip.compress(content)),
        ("deflate", zlib.compress(content)),
        ("identity", content),
    ):
        assert unpacked(encoding, packed, step) == content


def test_no_piece_is_larger_than_its_bound_and_nothing_is_lost() -> None:
    content = bytes(10 * PIECE_BYTES + 7)
    unpack = unpacker("gzip")
    assert unpack is not None

    pieces = list(unpack.take(gzip.compress(content)))

    assert max(map(len, pieces)) == PIECE_BYTES
    assert b"".join(pieces) == content
    assert unpack.complete


def test_several_members_are_one_content() -> None:
    assert unpacked("gzip", gzip.compress(b"one") + gzip.compress(b"two"), 5) == b"onetwo"


def test_what_is_cut_off_is_not_complete() -> None:
    unpack = unpacker("gzip")
    assert unpack is not None
    list(unpack.take(gzip.compress(b"content")[:-1]))

    assert not unpack.complete


@pytest.mark.parametrize(
    "packed", [b"plain", gzip.compress(b"content", mtime=0) + b"more", b"\x1f\x8b\x08\xff"]
)
def test_what_is_not_packed_cannot_be_unpacked(packed: bytes) -> None:
    with pytest.raises(Unpackable):
        unpacked("gzip", packed + bytes(64), 7)


def test_what_was_not_asked_for_is_not_unpacked() -> None:
    assert unpacker("br") is None
    assert unpacker("gzip, gzip") is None


# --- helpers --------------------------------------------------------------------------------------


def unpacked(encoding: str, packed: bytes, step: int) -> bytes:
    unpack = unpacker(encoding)
    assert unpack is not None
    pieces = [
        piece for place in range(0, len(packed), step) for piece in unpack.take(packed[place : place + step])
    ]
    assert unpack.complete
    return b"".join(pieces)
