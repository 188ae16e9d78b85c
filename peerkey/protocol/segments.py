"""Frames over datagrams.

A datagram carries one segment: a header of 14 bytes and a slice of a frame. The header keeps its
layout in every version of the protocol, so that a node can at least say that it does not understand::

    "PK" | version u8 | flags u8 | frame id (8) | index u8 | count u8 | slice

:func:`cut` makes the segments of one transmission. :class:`Reassembly` puts frames together again,
with bounds: eight slots for a path, five seconds for a frame. It trusts nothing: a slot belongs to
one frame id, a segment that contradicts what the slot knows is dropped, and when all slots are taken
the one that has progressed least goes, so that a spoofer's single segments cannot keep an honest
frame out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

from peerkey.errors import Malformed
from peerkey.moment import Instant
from peerkey.protocol.constants import (
    MAXIMUM_FRAME_BYTES,
    MAXIMUM_SEGMENTS,
    PROTOCOL_VERSION,
    REASSEMBLY_SLOTS,
    REASSEMBLY_TIMEOUT,
)

MAGIC: Final = b"PK"
HEADER_BYTES: Final = 14
FRAME_ID_BYTES: Final = 8

#: The frame is never to be answered, whatever it holds: it is itself an answer, or a probe.
FLAG_NEVER_ANSWER: Final = 0x01
_KNOWN_FLAGS: Final = FLAG_NEVER_ANSWER


@dataclass(frozen=True, slots=True)
class Segment:
    """One datagram, read. ``version`` is 1 and ``flags`` are known ones."""

    flags: int
    frame_id: bytes
    index: int
    count: int
    slice: bytes


@dataclass(frozen=True, slots=True)
class ForeignSegment:
    """A datagram of another version: all that can be said of it."""

    version: int
    answerable: bool
    first: bool


Datagram: TypeAlias = Segment | ForeignSegment


def cut(encoded: bytes, frame_id: bytes, datagram_bytes: int, *, never_answer: bool) -> tuple[bytes, ...]:
    """Cut an encoded frame into datagrams of at most ``datagram_bytes``.

    Raises:
        ValueError: where the frame needs more segments than the protocol allows. Path MTUs that small
            are refused by the configuration.

    """
    size = datagram_bytes - HEADER_BYTES
    count = max(1, -(-len(encoded) // size))
    if count > MAXIMUM_SEGMENTS:
        message = f"a frame of {len(encoded)} bytes needs {count} segments of {datagram_bytes} bytes"
        raise ValueError(message)
    head = MAGIC + bytes((PROTOCOL_VERSION, FLAG_NEVER_ANSWER if never_answer else 0)) + frame_id
    return tuple(
        head + bytes((index, count)) + encoded[index * size : (index + 1) * size] for index in range(count)
    )


def read_datagram_untrusted(data: bytes) -> Datagram:
    """Read the header of one datagram.

    Raises:
        Malformed: where it is too short, not ours, or contradicts itself.

    """
    if len(data) <= HEADER_BYTES or data[:2] != MAGIC:
        message = "not a peerkey datagram"
        raise Malformed(message)
    version, flags, index, count = data[2], data[3], data[12], data[13]
    if version != PROTOCOL_VERSION:
        return ForeignSegment(version, answerable=not flags & FLAG_NEVER_ANSWER, first=index == 0)
    if flags & ~_KNOWN_FLAGS or not 0 < count <= MAXIMUM_SEGMENTS or index >= count:
        message = "segment header contradicts itself"
        raise Malformed(message)
    return Segment(flags, data[4:12], index, count, data[HEADER_BYTES:])


@dataclass(slots=True)
class _Slot:
    count: int
    flags: int
    deadline: Instant
    size: int = 0
    slices: dict[int, bytes] = field(default_factory=dict)


@final
class Reassembly:
    """The frames of one path that are being put together.

    All segments that are given to one instance come from the path's one configured peer address.
    """

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        """Start with every slot free."""
        self._slots: dict[bytes, _Slot] = {}

    def add(self, segment: Segment, now: Instant) -> bytes | None:
        """Take one segment; return the encoded frame when it was the last one missing.

        Raises:
            Malformed: where the segment contradicts what is already there; nothing changes.

        """
        self.expire(now)
        if segment.count == 1:
            return segment.slice
        slot = self._slots.get(segment.frame_id)
        if slot is None:
            slot = self._open(segment, now)
        elif slot.count != segment.count or slot.flags != segment.flags:
            message = "segment contradicts the count or flags of its frame"
            raise Malformed(message)
        known = slot.slices.get(segment.index)
        if known is not None:
            if known != segment.slice:
                message = "segment repeats an index with other bytes"
                raise Malformed(message)
            return None
        if slot.size + len(segment.slice) > MAXIMUM_FRAME_BYTES:
            message = f"segments of more than {MAXIMUM_FRAME_BYTES} bytes"
            raise Malformed(message)
        slot.slices[segment.index] = segment.slice
        slot.size += len(segment.slice)
        if len(slot.slices) < slot.count:
            return None
        del self._slots[segment.frame_id]
        return b"".join(slot.slices[index] for index in range(slot.count))

    def expire(self, now: Instant) -> None:
        """Forget the frames whose time to complete has passed."""
        if self._slots:
            for frame_id in [key for key, slot in self._slots.items() if slot.deadline <= now]:
                del self._slots[frame_id]

    def deadline(self) -> Instant | None:
        """Return when :meth:`expire` next has something to do."""
        return min((slot.deadline for slot in self._slots.values()), default=None)

    def _open(self, segment: Segment, now: Instant) -> _Slot:
        if len(self._slots) >= REASSEMBLY_SLOTS:
            least = min(self._slots, key=lambda key: len(self._slots[key].slices))
            del self._slots[least]
        slot = self._slots[segment.frame_id] = _Slot(segment.count, segment.flags, now + REASSEMBLY_TIMEOUT)
        return slot
