"""Revoked serial numbers of one issuer and one width: fixed records under an index, found in a microsecond.

A record is a serial number and, in five bytes, when and why it was revoked. Serial numbers are kept whole,
not as digests: two of them cannot collide, whoever chooses them. What makes the records small is the index.
It has an entry for each value of the first one or two bytes of a serial number, and tells where records
begin; the records themselves then leave these bytes out. Where serial numbers all begin alike (a CA that
counts), they are rotated first, so that the bytes in front are those that differ. Records are sorted, so
the worst that an issuer can do by its choice of numbers is a binary search.

The layout, byte for byte, is in ``docs/formats/master-crl.md``. Building is made of C-level operations on
columns and on runs of some thousand records, each of which takes a few milliseconds at most: see
``docs/decisions/0080``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import eq, mul, sub
from typing import TYPE_CHECKING, Final, Protocol

from peerkey.pki.when import WHEN_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: "CRL ... serialNumber values up to 20 octets" (RFC 5280 section 4.1.2.2); lists with longer ones exist.
MAXIMUM_SERIAL_BYTES: Final = 64

#: What is copied at once, so that other threads get their turn in between.
PIECE: Final = 256 * 1024
#: A bucket of more is halved until it is as small: the rest is found by one search of its bytes.
_SEARCHED: Final = 24


def width_of(serial: int) -> int:
    """Return how many bytes a serial number has without leading zeros; nought has one."""
    return (serial.bit_length() + 7) >> 3 or 1


class Buffer(Protocol):
    """What a table lies in: ``bytes``, or a file that is mapped. Slices of it are ``bytes``."""

    def __len__(self) -> int:
        """Return how many bytes there are."""

    def __getitem__(self, part: slice, /) -> bytes:
        """Copy a part."""

    def __buffer__(self, flags: int, /) -> memoryview:
        """Give access to all of it (PEP 688)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What has to be known of a table to find anything in it."""

    #: Bytes of a serial number, without leading zeros.
    width: int
    #: By how many bytes serial numbers are rotated to the left before they are sorted.
    rotation: int
    #: How many bytes the index stands for, one or two; records leave them out.
    indexed: int
    count: int

    @property
    def stride(self) -> int:
        """Bytes of a record."""
        return self.width - self.indexed + WHEN_BYTES

    @property
    def index_bytes(self) -> int:
        """Bytes of the index: where each bucket begins, and where the last one ends."""
        return 4 * (65537 if self.indexed > 1 else 257)

    @property
    def size(self) -> int:
        """Bytes of the whole table."""
        return self.index_bytes + self.count * self.stride


@dataclass(frozen=True, slots=True)
class Built:
    """A new table, not yet anywhere."""

    shape: Shape
    index: bytes = field(repr=False)
    records: bytes = field(repr=False)

    def pieces(self) -> Iterator[bytes]:
        """Yield the index, then the records."""
        for content in (self.index, self.records):
            yield from (content[at : at + PIECE] for at in range(0, len(content), PIECE))


class Table:
    """A table that lies in a buffer."""

    __slots__ = ("_buffer", "_index", "_records", "_rest", "_rotation", "_stride", "_wide", "shape")

    def __init__(self, shape: Shape, buffer: Buffer, offset: int) -> None:
        """Take it from there.

        Raises:
            ValueError: the index does not grow from nought to the number of records.
        """
        self.shape = shape
        self._buffer = buffer
        self._stride = shape.stride
        self._wide = shape.indexed > 1
        self._rotation = shape.rotation
        #: Bytes of a record in front of its when and why.
        self._rest = shape.stride - WHEN_BYTES
        self._records = offset + shape.index_bytes
        self._index = memoryview(buffer)[offset : self._records].cast("I")
        if self._index[0] != 0 or self._index[-1] != shape.count:
            message = "the index does not belong to the records"
            raise ValueError(message)

    def find(self, serial: bytes) -> bytes | None:
        """Return when and why ``serial`` (:attr:`Shape.width` bytes) was revoked, as its record has it."""
        rotation = self._rotation
        if rotation:
            serial = serial[rotation:] + serial[:rotation]
        if self._wide:
            bucket, rest = serial[0] << 8 | serial[1], serial[2:]
        else:
            bucket, rest = serial[0], serial[1:]
        index, buffer, base, stride = self._index, self._buffer, self._records, self._stride
        low, high = index[bucket], index[bucket + 1]
        while high - low > _SEARCHED:
            middle = low + high >> 1
            at = base + middle * stride
            if buffer[at : at + self._rest] <= rest:
                low = middle
            else:
                high = middle
        records = buffer[base + low * stride : base + high * stride]
        found = records.find(rest)
        while found % stride:
            # Nowhere (-1), or across the border of two records.
            if found < 0:
                return None
            found = records.find(rest, found + 1)
        return records[found + self._rest : found + stride] or None

    def records(self) -> bytearray:
        """Return the whole serial numbers, each with when and why, as :func:`build` takes them."""
        shape = self.shape
        raw = self._buffer[self._records : self._records + shape.count * shape.stride]
        full = shape.width + WHEN_BYTES
        kept = shape.stride
        rotated = bytearray(shape.count * full)
        if shape.count:
            starts = self._index.tolist()
            names = [
                b"%c" % each if shape.indexed == 1 else each.to_bytes(2, "big")
                for each in range(256**shape.indexed)
            ]
            front = b"".join(map(mul, names, map(sub, starts[1:], starts)))
            for place in range(shape.indexed):
                rotated[place::full] = front[place :: shape.indexed]
            for place in range(kept):
                rotated[shape.indexed + place :: full] = raw[place::kept]
        return bytearray(turned(rotated, shape.width, shape.width - shape.rotation))

    def pieces(self) -> Iterator[bytes]:
        """Yield the table as it lies there."""
        begin, end = (
            self._records - self.shape.index_bytes,
            self._records - self.shape.index_bytes + self.shape.size,
        )
        for at in range(begin, end, PIECE):
            yield self._buffer[at : min(end, at + PIECE)]

    def changed_since(self, before: Table | None) -> tuple[int, int]:
        """Return how many serial numbers are here and not in ``before``, and the other way round."""
        if before is None:
            return self.shape.count, 0
        if self.shape == before.shape and all(map(eq, self.pieces(), before.pieces())):
            return 0, 0
        old, new = set(before.serials()), set(self.serials())
        return len(new - old), len(old - new)

    def serials(self) -> Iterator[bytes]:
        """Yield the serial numbers, as many bytes each as the table is wide."""
        full = self.shape.width + WHEN_BYTES
        records = self.records()
        for at in range(0, len(records), full):
            yield bytes(records[at : at + self.shape.width])


def column_moved(records: bytes | bytearray, stride: int, taken: Sequence[int]) -> bytearray:
    """Return every record of ``stride`` bytes made anew of its bytes at the places ``taken``."""
    width = len(taken)
    out = bytearray(len(records) // stride * width)
    for place, source in enumerate(taken):
        out[place::width] = records[source::stride]
    return out


def turned(records: bytes | bytearray, width: int, rotation: int) -> bytes | bytearray:
    """Rotate each serial number to the left."""
    if rotation % width == 0:
        return records
    full = width + WHEN_BYTES
    taken = [*range(rotation, width), *range(rotation), *range(width, full)]
    return column_moved(records, full, taken)
