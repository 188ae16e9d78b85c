"""The envelope: who, to whom, what, and the proof.

A frame is the msgpack array ``[kind, sender, receiver, body, auth]``. What is signed, MACed and
digested is never that envelope but::

    signed = "peerkey v1" || kind (1) || sender (16) || receiver (16) || body

because an envelope can be written in more than one way and ``auth`` is not under its own
protection: whoever digests either can be made to disagree with the other end. Two frames are *the
same* when their digests are.
"""

from __future__ import annotations

import hashlib
from typing import Final, final

import msgpack

from peerkey.errors import Malformed
from peerkey.protocol.constants import DOMAIN, MAXIMUM_FRAME_BYTES, UUID_BYTES

_FIELDS: Final = 5
_MAXIMUM_KIND: Final = 255


@final
class Frame:
    """One frame: immutable, compared by digest and ``auth``.

    ``sender`` and ``receiver`` are the 16 bytes of the nodes' UUIDs, ``body`` and ``auth`` are as
    on the wire. :attr:`digest` (SHA-384, 48 bytes) is computed when first asked for; the longer forms are
    put together each time, because frames are kept by the thousand and asked for them once or twice.
    """

    __slots__ = ("_digest", "auth", "body", "kind", "receiver", "sender")

    def __init__(self, kind: int, sender: bytes, receiver: bytes, body: bytes, auth: bytes = b"") -> None:
        """Take the five fields as they are; whoever builds a frame knows their sizes."""
        self.kind = kind
        self.sender = sender
        self.receiver = receiver
        self.body = body
        self.auth = auth
        self._digest: bytes | None = None

    @property
    def signed(self) -> bytes:
        """What signatures, MACs, digests and the transcript cover."""
        return b"".join((DOMAIN, bytes((self.kind,)), self.sender, self.receiver, self.body))

    @property
    def digest(self) -> bytes:
        """SHA-384 of :attr:`signed`, 48 bytes: the frame's name."""
        if self._digest is None:
            self._digest = hashlib.sha384(self.signed).digest()
        return self._digest

    def encode(self) -> bytes:
        """Return the frame's one encoding."""
        encoded: bytes = msgpack.packb((self.kind, self.sender, self.receiver, self.body, self.auth))
        return encoded

    def with_auth(self, auth: bytes) -> Frame:
        """Return the same frame carrying ``auth``; the digest is unchanged and not computed again."""
        frame = Frame(self.kind, self.sender, self.receiver, self.body, auth)
        frame._digest = self._digest
        return frame

    def __reduce__(self) -> tuple[type[Frame], tuple[int, bytes, bytes, bytes, bytes]]:
        """Travel as the five fields: whoever reads a frame elsewhere computes its digest for himself."""
        return Frame, (int(self.kind), self.sender, self.receiver, self.body, self.auth)

    def __eq__(self, other: object) -> bool:
        """Two frames are equal when everything on the wire is."""
        return isinstance(other, Frame) and self.encode() == other.encode()

    def __hash__(self) -> int:
        """Hash by digest."""
        return hash(self.digest)

    def __repr__(self) -> str:
        """Show the kind and the beginning of the digest; bodies are long and nobody's business."""
        return f"Frame(kind={self.kind}, digest={self.digest[:4].hex()})"


def decode_frame_untrusted(data: bytes) -> Frame:
    """Read one frame from the network.

    Only the encoding that :meth:`Frame.encode` writes is accepted: shortest forms, nothing behind.
    The kind may be one that this version does not know.

    Raises:
        Malformed: for everything else.

    """
    if len(data) > MAXIMUM_FRAME_BYTES:
        message = f"frame of {len(data)} bytes, at most {MAXIMUM_FRAME_BYTES} are accepted"
        raise Malformed(message)
    match unpack_untrusted(data):
        case (int(kind), bytes(sender), bytes(receiver), bytes(body), bytes(auth)) if (
            0 < kind <= _MAXIMUM_KIND
            and kind is not True
            and len(sender) == UUID_BYTES
            and len(receiver) == UUID_BYTES
        ):
            return Frame(kind, sender, receiver, body, auth)
        case _:
            message = f"not an array of the {_FIELDS} fields of a frame"
            raise Malformed(message)


def unpack_untrusted(data: bytes) -> object:
    """Unpack one msgpack object that is written in the shortest way, with nothing behind it.

    Raises:
        Malformed: where the bytes are not msgpack, not shortest, or not all used.

    """
    try:
        value: object = msgpack.unpackb(data, use_list=False, strict_map_key=True)
        shortest = msgpack.packb(value) == data
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as fault:
        message = f"not msgpack: {type(fault).__name__}"
        raise Malformed(message) from None
    if not shortest:
        message = "not the shortest encoding"
        raise Malformed(message)
    return value
