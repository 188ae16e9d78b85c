"""The frames of the HA link: a length, and a msgpack array whose first field is the version.

::

    frame = length (u32, big endian) || msgpack [version, kind, fields of the kind ...]

They travel on one ordered, reliable and authenticated channel, so nothing is repeated, acknowledged frame
by frame or signed here. :data:`LAYOUTS` says what each field may be. :func:`encode` and
:func:`read_untrusted` are the only two ways between a message and its bytes; :class:`Frames` cuts a stream
into frames.

The first two fields keep their place in every version, so that an end of another version is recognised as
such and told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple, TypeAlias, final

import msgpack

from peerkey.errors import Malformed
from peerkey.ha.constants import (
    CONTENT_DIGEST_BYTES,
    HA_VERSION,
    INVENTORY_ENTRIES,
    LENGTH_BYTES,
    MAXIMUM_CONTENT_BYTES,
    MAXIMUM_FRAME_BYTES,
    MAXIMUM_NAME_CHARACTERS,
    MAXIMUM_PLACE_CHARACTERS,
    MAXIMUM_RECORDS,
    MAXIMUM_TERM,
    MAXIMUM_TEXT_CHARACTERS,
    PUBLIC_KEY_BYTES,
    SEAL_OVERHEAD,
    STORE_ID_BYTES,
)
from peerkey.protocol import codec
from peerkey.protocol.constants import UUID_BYTES


class Kind(IntEnum):
    """The kinds of frame of the link."""

    HELLO = 1
    INVENTORY = 2
    RECORD = 3
    ACK = 4
    BEAT = 5
    REFUSED = 6


class Role(StrEnum):
    """What a node is to its router, in the words that operators know."""

    INACTIVE = "Inactive"
    LEADER = "Active Leader"
    REDUNDANT = "Redundant Peer"


class Reason(StrEnum):
    """Why an end refuses the other. A reason that is not known here is shown as it came."""

    UNSUPPORTED_VERSION = "unsupported-version"
    ANOTHER_ROUTER = "another-router"
    WRONG_NODE = "wrong-node"
    OLDER_EPOCH = "older-epoch"
    MALFORMED = "malformed"
    OUT_OF_PLACE = "out-of-place"
    NOT_AUTHENTIC = "not-authentic"


class Version(NamedTuple):
    """Which state of a record: the epoch of the owner's store that wrote it, and the store's number of it.

    Later is greater, but for a record that was deleted and made again: its numbers begin again at 1.
    """

    epoch: int
    number: int


class Mark(NamedTuple):
    """What tells two states of one record apart: the version, and a digest of the content."""

    version: Version
    digest: bytes


class Hello(NamedTuple):
    """Kind 1: who the sender is, which incarnation of it, and its half of the key agreement."""

    authority: str
    router: str
    sender: bytes
    receiver: bytes
    store_id: bytes
    epoch: int
    public_key: bytes


class Entry(NamedTuple):
    """One record of which the sender of an INVENTORY holds a durable copy."""

    name: str
    mark: Mark


class Inventory(NamedTuple):
    """Kind 2: copies of the receiver's records that the sender holds. The last one says so."""

    entries: tuple[Entry, ...]
    last: bool


class Record(NamedTuple):
    """Kind 3: one record of the sender's, sealed, or the news that it is deleted."""

    #: Counts the RECORDs of the sender on this connection, from 1.
    number: int
    name: str
    version: Version
    deleted: bool
    #: The content with its tag; of a deleted one the tag alone.
    sealed: bytes


class Ack(NamedTuple):
    """Kind 4: this RECORD and all before it are durable at the sender of the ACK."""

    number: int


class Beat(NamedTuple):
    """Kind 5: the sender lives; its term and role, the copies that it holds, and how far behind they are."""

    term: int
    role: Role
    copies: int
    lag: int


class Refused(NamedTuple):
    """Kind 6: the sender ends the connection, and why."""

    reason: str
    text: str


Message: TypeAlias = Hello | Inventory | Record | Ack | Beat | Refused


def _flag(value: object) -> bool:
    if type(value) is not bool:
        message = "expected true or false"
        raise Malformed(message)
    return value


def _role(value: object) -> Role:
    try:
        return Role(value)  # type: ignore[arg-type]
    except ValueError:
        message = "expected a role"
        raise Malformed(message) from None


_VERSION: Final = codec.structure(Version, codec.index(), codec.index())
_MARK: Final = codec.structure(Mark, _VERSION, codec.blob(CONTENT_DIGEST_BYTES))
_NAME: Final = codec.text(MAXIMUM_NAME_CHARACTERS)

#: Of every kind: its message, and what each field may be.
LAYOUTS: Final[dict[Kind, tuple[Callable[..., Message], tuple[codec.Field, ...]]]] = {
    Kind.HELLO: (
        Hello,
        (
            codec.text(MAXIMUM_PLACE_CHARACTERS),
            codec.text(MAXIMUM_PLACE_CHARACTERS),
            codec.blob(UUID_BYTES),
            codec.blob(UUID_BYTES),
            codec.blob(STORE_ID_BYTES),
            codec.index(),
            codec.blob(PUBLIC_KEY_BYTES),
        ),
    ),
    Kind.INVENTORY: (
        Inventory,
        (codec.sequence(codec.structure(Entry, _NAME, _MARK), INVENTORY_ENTRIES), _flag),
    ),
    Kind.RECORD: (
        Record,
        (
            codec.index(),
            _NAME,
            _VERSION,
            _flag,
            codec.blob_up_to(MAXIMUM_CONTENT_BYTES + SEAL_OVERHEAD, SEAL_OVERHEAD),
        ),
    ),
    Kind.ACK: (Ack, (codec.index(),)),
    Kind.BEAT: (
        Beat,
        (codec.number(MAXIMUM_TERM), _role, codec.number(MAXIMUM_RECORDS), codec.number(2 * MAXIMUM_RECORDS)),
    ),
    Kind.REFUSED: (
        Refused,
        (codec.text(MAXIMUM_NAME_CHARACTERS), codec.text(MAXIMUM_TEXT_CHARACTERS)),
    ),
}
_KINDS: Final[dict[object, Kind]] = {message: kind for kind, (message, _) in LAYOUTS.items()}
_ENVELOPE: Final = 2


class UnsupportedVersion(Malformed):
    """A frame of a version that this software does not speak."""

    def __init__(self, version: int) -> None:
        """Name both versions."""
        super().__init__(f"the mate speaks version {version} of the HA link, this node version {HA_VERSION}")
        self.version = version


def encode(message: Message) -> bytes:
    """Return the frame of a message, with its length."""
    body: bytes = msgpack.packb((HA_VERSION, _KINDS[type(message)].value, *message))
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def read_untrusted(frame: bytes) -> Message:
    """Read one frame, without its length.

    Raises:
        Malformed: where it is not what :func:`encode` writes; as :class:`UnsupportedVersion` where it is a
            frame of another version.

    """
    if len(frame) > MAXIMUM_FRAME_BYTES:
        message = f"frame of {len(frame)} bytes, at most {MAXIMUM_FRAME_BYTES} are accepted"
        raise Malformed(message)
    match codec.array_untrusted(frame):
        case (int(version), *_) if version is not True and version is not False and version != HA_VERSION:
            raise UnsupportedVersion(version)
        case (int(version), int(kind), *fields) if version is not True and kind in _NUMBERS:
            make, layout = LAYOUTS[Kind(kind)]
            return make(*codec.fields_untrusted(fields, layout))
        case _:
            message = "not a frame of the HA link"
            raise Malformed(message)


_NUMBERS: Final = frozenset(kind.value for kind in Kind)


@final
class Frames:
    """Cuts what arrives into frames. What is kept is one frame that is not complete, at most."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        """Begin with an empty stream."""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take more of the stream; yield each frame that is complete, without its length.

        Raises:
            Malformed: at a length that no frame has; the stream is of no use from there on.

        """
        self._buffer += data
        start = 0
        try:
            while len(self._buffer) - start >= LENGTH_BYTES:
                length = int.from_bytes(self._buffer[start : start + LENGTH_BYTES], "big")
                if not _ENVELOPE <= length <= MAXIMUM_FRAME_BYTES:
                    message = f"a frame cannot have {length} bytes"
                    raise Malformed(message)
                end = start + LENGTH_BYTES + length
                if len(self._buffer) < end:
                    return
                frame = bytes(self._buffer[start + LENGTH_BYTES : end])
                start = end
                yield frame
        finally:
            del self._buffer[:start]
