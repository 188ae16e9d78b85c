"""What is replicated: a node's own records, and copies of its mate's.

To the link a record is a name, a version and bytes. :func:`mark_of` says which state of a record some bytes
are. A copy is stored under the mate's name with where it came from (:class:`Copy`): the id of the store that
wrote it and its version there. The stored bytes hold keys in the clear; the store seals them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from peerkey.errors import Misconfigured
from peerkey.ha.constants import CONTENT_DIGEST_BYTES
from peerkey.ha.messages import Mark, Version

#: The layout of a stored copy. A copy of another layout is refused, never guessed at.
COPY_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of one of the mate's records."""

    #: Names the store that wrote the record: a node that lost its store has another.
    store_id: bytes
    version: Version
    content: bytes

    def __repr__(self) -> str:
        """Show the version and the size; the content holds keys."""
        return f"Copy({self.version.epoch}/{self.version.number}, {len(self.content)} bytes)"


def mark_of(version: Version, content: bytes) -> Mark:
    """Return what tells this state of a record from every other."""
    return Mark(version, hashlib.sha256(content).digest()[:CONTENT_DIGEST_BYTES])


def encode_copy(copy: Copy) -> bytes:
    """Return what is stored of a copy, to be sealed by the store."""
    stored: bytes = msgpack.packb((COPY_FORMAT, copy.store_id, *copy.version, copy.content))
    return stored


def decode_copy(stored: bytes) -> Copy:
    """Read what :func:`encode_copy` wrote and the store has unsealed.

    Raises:
        Misconfigured: where it is of another layout, as after a step back to older software.

    """
    fields: list[Any] = msgpack.unpackb(stored, use_list=False)
    if fields[0] != COPY_FORMAT:
        message = (
            f"the stored copy of a mate's record has format {fields[0]}, this software reads {COPY_FORMAT}: "
            "run the version that wrote it, or delete the copies"
        )
        raise Misconfigured(message)
    _, store_id, epoch, number, content = fields
    return Copy(store_id, Version(epoch, number), content)
