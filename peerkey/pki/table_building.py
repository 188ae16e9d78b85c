"""Making a table: records gathered as they come, cut by their first byte, sorted where they fit into a cache.

    gathering = Gathering(16)
    gathering.add(records)        # some thousand, as often as there are any
    built = gathering.built()

Everything is done by calls that each work on some thousand records, for some milliseconds at most; no object
is made of a record for longer than it takes to sort its neighbours.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from functools import partial
from itertools import accumulate, chain
from operator import sub
from struct import Struct
from typing import Final

from peerkey.pki.revocation_table import Built, Shape, column_moved, turned
from peerkey.pki.when import REMOVE_FROM_CRL, WHEN_BYTES

#: From so many records on, two bytes of index pay: below, its 256 KiB would be more than it saves.
_TWO_BYTES_FROM: Final = 131_072
#: Records that are sorted and cut at once: some milliseconds, and they fit into a processor's cache.
_RUN: Final = 8192
#: Records that one call cuts apart.
_CUT: Final = 256
#: Serial numbers that are looked at to choose the rotation.
_SAMPLE: Final = 4096
#: Where the fullest of 256 parts has more than so many times its share, another rotation is looked for.
_SKEW: Final = 8


def build(width: int, records: bytes | bytearray) -> Built:
    """Make a table of ``records`` in any order; see :meth:`Gathering.built`."""
    gathering = Gathering(width)
    gathering.add(records)
    return gathering.built()


class Gathering:
    """Records of one width: serial numbers, each with when and why, cut apart by their first byte."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._full = width + WHEN_BYTES
        self._rotation: int | None = None
        self._parts: list[list[bytes]] = [[] for _ in range(256)]
        self._sizes = [0] * 256

    def __len__(self) -> int:
        return sum(self._sizes) // self._full

    def add(self, records: bytes | bytearray, *, in_order: bool = False) -> None:
        """Add records.

        Arguments:
            records: one behind the other.
            in_order: they are some thousand at most, in order of their serial numbers.
        """
        if self._rotation is None:
            self._rotation = _rotation(self.width, records, 1)
        if in_order and self._rotation == 0:
            self._cut(bytes(records))
            return
        run = _RUN * self._full
        for start in range(0, len(records), run):
            batch = _batch(turned(records[start : start + run], self.width, self._rotation), self._full)
            batch.sort()
            self._cut(b"".join(batch))

    def records(self) -> bytes:
        """Return all of them, in no order that matters."""
        return bytes(
            turned(b"".join(chain.from_iterable(self._parts)), self.width, self.width - (self._rotation or 0))
        )

    def built(self) -> Built:
        """Make the table.

        Of several records that name the same certificate one is kept: one that revokes rather than one that
        releases, and of these the earliest.
        """
        self._spread()
        width, full = self.width, self._full
        indexed = 2 if width > 1 and len(self) >= _TWO_BYTES_FROM else 1
        counts: list[int] = []
        sorted_parts: list[bytes | bytearray] = []
        dropped = range(indexed, full)
        for part in self._parts:
            batch = _batch(b"".join(part), full)
            batch.sort()
            bucket = b"".join(batch)
            if _repeats(bucket, width):
                ranked = sorted(batch, key=partial(_rank, width), reverse=True)
                best = {each[:width]: each for each in ranked}
                bucket = b"".join(sorted(best.values()))
            if indexed == 1:
                counts.append(len(bucket) // full)
            else:
                second = bucket[1::full]
                ends = [bisect_right(second, value) for value in range(256)]
                counts.extend(map(sub, ends, [0, *ends]))
            sorted_parts.append(column_moved(bucket, full, dropped))
        starts = array("I", accumulate(counts, initial=0))
        shape = Shape(width, self._rotation or 0, indexed, starts[-1])
        return Built(shape, starts.tobytes(), b"".join(sorted_parts))

    def _cut(self, ordered: bytes) -> None:
        """Put records that are in order to those with the same first byte."""
        full, parts, sizes = self._full, self._parts, self._sizes
        firsts = ordered[::full]
        low = 0
        while low < len(firsts):
            first = firsts[low]
            high = bisect_right(firsts, first, low)
            parts[first].append(ordered[low * full : high * full])
            sizes[first] += (high - low) * full
            low = high

    def _spread(self) -> None:
        """Turn serial numbers otherwise, where the first records have misled about the later ones."""
        count = len(self)
        if count < _SAMPLE or max(self._sizes) // self._full * 256 < count * _SKEW:
            return
        records = self.records()
        rotation = _rotation(self.width, records, 2 if count >= _TWO_BYTES_FROM else 1)
        if rotation != self._rotation:
            self._rotation = rotation
            self._parts = [[] for _ in range(256)]
            self._sizes = [0] * 256
            self.add(records)


def _repeats(bucket: bytes, width: int) -> bool:
    """Whether two records that follow each other have the same serial number.

    All of them are compared with their successors at once: the difference of two numbers that are as long as
    the bucket. A record whose columns are all nought there is like its successor.
    """
    full = width + WHEN_BYTES
    if len(bucket) <= full:
        return False
    ours, next_ones = bucket[:-full], bucket[full:]
    differing = (int.from_bytes(ours, "big") ^ int.from_bytes(next_ones, "big")).to_bytes(len(ours), "big")
    anywhere = 0
    for place in range(width):
        anywhere |= int.from_bytes(differing[place::full], "big")
    return 0 in anywhere.to_bytes(len(ours) // full, "big")


def _rank(width: int, record: bytes) -> tuple[bool, bytes]:
    """Return what decides between entries for one certificate: revoked before released, then the earlier."""
    when = record[width:]
    reason = when[1] & 15
    return (reason == REMOVE_FROM_CRL, bytes((when[0], when[1] >> 4)) + when[2:] + bytes((reason,)))


def _rotation(width: int, records: bytes | bytearray, indexed: int) -> int:
    """Return which byte should come first: where as much as the index sees tells most numbers apart."""
    full = width + WHEN_BYTES
    # An odd number apart: numbers that are counted then differ in their last byte as all of them do.
    step = (len(records) // full // _SAMPLE | 1) * full
    columns = [records[place::step] for place in range(width)]
    spread = [
        len(set(column if indexed == 1 else zip(column, columns[(place + 1) % width], strict=True)))
        for place, column in enumerate(columns)
    ]
    best = max(range(width), key=spread.__getitem__)
    # Serial numbers are positive, so that half of all first bytes are rare: that alone is no reason to turn.
    return 0 if spread[0] * 4 >= spread[best] else best


def _batch(records: bytes | bytearray, full: int) -> list[bytes]:
    """Cut records apart: one call cuts many, and what is left over is cut one by one."""
    batch: list[bytes] = []
    cut = Struct(f"{full}s" * _CUT)
    behind = len(records) - len(records) % cut.size
    for start in range(0, behind, cut.size):
        batch += cut.unpack_from(records, start)
    batch += (bytes(records[start : start + full]) for start in range(behind, len(records), full))
    return batch
