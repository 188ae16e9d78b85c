"""How a log of entries is written, so that its damaged end is recognized.

A frame is

    length of the payload, 4 bytes | check, 4 bytes | payload

with the payload ``[owner, epoch, [[name, version, value], …]]`` in msgpack; version 0 stands for a record
that is gone. The check is a CRC-32 over the payload that goes on from the check of the frame before. A frame
thus counts only behind the very frame that it was written behind: neither zeros, nor what an earlier write
has left at the same place, nor a frame behind a damaged one is taken for an entry.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

import msgpack

from runtime.store.image import Entry
from runtime.store.port import Record

#: The check that stands before the first frame. Another layout of frames begins with another.
FIRST_CHECK: Final = zlib.crc32(b"peerkey simulated store, layout 1")

_HEAD: Final = struct.Struct(">II")


def encode(entries: Iterable[Entry], check: int) -> tuple[bytes, int]:
    """Return the frames of ``entries`` behind a frame whose check is ``check``, and the last one's check."""
    parts: list[bytes] = []
    for entry in entries:
        changes = [
            (name, record.version, record.value) if record is not None else (name, 0, b"")
            for name, record in entry.changes.items()
        ]
        payload = msgpack.packb((entry.owner, entry.epoch, changes))
        check = zlib.crc32(payload, check)
        parts += (_HEAD.pack(len(payload), check), payload)
    return b"".join(parts), check


def decode(log: bytes) -> Iterator[Entry]:
    """Yield every entry up to the end or the first frame that is torn or damaged, whichever comes first."""
    check, offset = FIRST_CHECK, 0
    while offset + _HEAD.size <= len(log):
        length, expected = _HEAD.unpack_from(log, offset)
        payload = log[offset + _HEAD.size : offset + _HEAD.size + length]
        check = zlib.crc32(payload, check)
        if not length or len(payload) < length or check != expected:
            return
        owner, epoch, changes = msgpack.unpackb(payload)
        yield Entry(
            owner,
            epoch,
            {
                name: Record(name, version, epoch, value) if version else None
                for name, version, value in changes
            },
        )
        offset += _HEAD.size + length
