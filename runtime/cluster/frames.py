"""What travels between two hosts: a frame, which is a header and a batch of items.

The header says who sends in which of its lives (:class:`Label`), which life of the receiver it means, and
the number of the frame. A frame with number 0 has no items: it is a sign of life. The items are messages,
questions and answers, watches and the news they bring. Everything is msgpack, and everything is bounded, so
that reading bytes of another host runs no code and takes no more memory than there are bytes. The payloads
of messages are the codec's (:mod:`runtime.cluster.codec`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeAlias

import msgpack

from runtime.actor import Ending
from runtime.errors import MalformedFrame

#: Frames of another version are refused: the hosts of a cluster run the same release.
VERSION: Final = 1

#: One message, encoded. A configuration of a large authority fits; a list of revocations is no message.
MAX_MESSAGE_BYTES: Final = 1 << 20
#: One frame holds at most so many items, which its receiver handles in one go, and about so many bytes
#: before the last item, so that one message of the greatest size always finds room.
MAX_FRAME_ITEMS: Final = 512
MAX_BATCH_BYTES: Final = 1 << 20
MAX_FRAME_BYTES: Final = MAX_BATCH_BYTES + 2 * MAX_MESSAGE_BYTES
#: The name of an actor or a host: 32 generations of names of 64 characters, each of which takes up to 4
#: bytes.
MAX_NAME_LENGTH: Final = 2_048
MAX_NAME_BYTES: Final = 4 * MAX_NAME_LENGTH
#: Numbers on the wire, and the deadline of a question in microseconds: 146,000 years.
_MAX_NUMBER: Final = 2**62
#: An item takes about so many bytes beside its name and its payload.
_ITEM_BYTES: Final = 24


@dataclass(frozen=True, slots=True, order=True)
class Label:
    """One life of one end of a link. Later lives are greater."""

    #: Which process of the host it is.
    incarnation: int
    #: How often this process has begun the link anew, from 1.
    term: int


@dataclass(frozen=True, slots=True)
class Header:
    """Whose frame it is, for whom, and which."""

    source: str
    label: Label
    #: The life of the receiver that is meant; ``None`` if the sender does not know of one.
    seen: Label | None
    #: 1 and counting for frames with items, 0 for one without.
    sequence: int
    #: Whether this is the last that is heard of the sender's process.
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """A message."""

    name: str
    payload: bytes
    #: The type of the message, for the log of the sender. It does not travel.
    kind: str = ""
    #: Whether somebody misses it: if not, it is no dead letter, and gives way to everything else. That does
    #: not travel either.
    missed: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, to be answered under its number within so long."""

    number: int
    name: str
    timeout: timedelta
    payload: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a question."""

    number: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class FailedQuestion:
    """What a question failed with."""

    number: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Watched:
    """A wish to be told of the end of an actor, under this number."""

    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Unwatched:
    """The wish is withdrawn."""

    number: int


@dataclass(frozen=True, slots=True)
class EndedElsewhere:
    """The news: the watched actor has come to its end."""

    number: int
    ending: Ending


Item: TypeAlias = Told | Asked | Answered | FailedQuestion | Watched | Unwatched | EndedElsewhere


@dataclass(frozen=True, slots=True)
class Frame:
    """A header and its items, in order."""

    header: Header
    items: tuple[Item, ...] = ()


def item_bytes(item: Item) -> int:
    """Return about how many bytes an item takes in a frame."""
    match item:
        case Told(name, payload):
            return _ITEM_BYTES + len(name) + len(payload)
        case Asked(_, name, _, payload):
            return _ITEM_BYTES + len(name) + len(payload)
        case Answered(_, payload) | FailedQuestion(_, payload):
            return _ITEM_BYTES + len(payload)
        case Watched(_, name):
            return _ITEM_BYTES + len(name)
        case _:
            return _ITEM_BYTES


def encode(header: Header, items: Sequence[Item] = ()) -> bytes:
    """Return the bytes of a frame."""
    seen = None if header.seen is None else (header.seen.incarnation, header.seen.term)
    label = (header.label.incarnation, header.label.term)
    return msgpack.packb(
        (
            VERSION,
            header.source,
            label,
            seen,
            header.sequence,
            header.leaving,
            [_packed(item) for item in items],
        )
    )


def decode_untrusted(data: bytes) -> Frame:
    """Read a frame.

    :raises MalformedFrame: it is none, of another version, or beyond a bound.
    """
    if len(data) > MAX_FRAME_BYTES:
        why = f"a frame of {len(data)} bytes"
        raise MalformedFrame(why)
    try:
        version, source, label, seen, sequence, leaving, items = msgpack.unpackb(
            data, use_list=False, max_str_len=MAX_NAME_BYTES, max_array_len=MAX_FRAME_ITEMS, max_map_len=0
        )
        if version != VERSION:
            why = f"version {version!r}, where {VERSION} is spoken"
            raise MalformedFrame(why)
        if not isinstance(leaving, bool):
            raise MalformedFrame("neither leaving nor staying")
        meant = None if seen is None else _label(seen)
        header = Header(_text(source), _label(label), meant, _number(sequence), leaving)
        if bool(items) != bool(header.sequence) or (leaving and sequence):
            raise MalformedFrame("a sign of life with items, or a batch without")
        return Frame(header, tuple(_unpacked(item) for item in items))
    except MalformedFrame:
        raise
    except Exception as error:
        # msgpack has a family of errors for this, without a common root.
        why = f"not a frame ({type(error).__name__})"
        raise MalformedFrame(why) from error


# --- items ----------------------------------------------------------------------------------------

_ENDINGS: Final = (Ending.STOPPED, Ending.FAILED, Ending.UNKNOWN)


def _packed(item: Item) -> tuple[object, ...]:
    match item:
        case Told(name, payload):
            return (0, name, payload)
        case Asked(number, name, timeout, payload):
            microseconds = timeout // timedelta(microseconds=1)
            return (1, number, name, max(0, min(microseconds, _MAX_NUMBER - 1)), payload)
        case Answered(number, payload):
            return (2, number, payload)
        case FailedQuestion(number, payload):
            return (3, number, payload)
        case Watched(number, name):
            return (4, number, name)
        case Unwatched(number):
            return (5, number)
        case EndedElsewhere(number, ending):
            return (6, number, _ENDINGS.index(ending))


def _unpacked(item: tuple[Any, ...]) -> Item:
    """Read one item; whatever is wrong with it is an error of some kind."""
    if item[0] == 0:
        _, name, payload = item
        return Told(_text(name), _payload(payload))
    if item[0] == 1:
        _, number, name, microseconds, payload = item
        timeout = timedelta(microseconds=_number(microseconds))
        return Asked(_number(number), _text(name), timeout, _payload(payload))
    match item:
        case (2, number, payload):
            return Answered(_number(number), _payload(payload))
        case (3, number, payload):
            return FailedQuestion(_number(number), _payload(payload))
        case (4, number, name):
            return Watched(_number(number), _text(name))
        case (5, number):
            return Unwatched(_number(number))
        case (6, number, index):
            return EndedElsewhere(_number(number), _ENDINGS[_number(index)])
        case _:
            raise MalformedFrame("an item of no known kind")


def _payload(payload: object) -> bytes:
    if not isinstance(payload, bytes):
        raise MalformedFrame("a message that is none")
    if len(payload) > MAX_MESSAGE_BYTES:
        why = f"a message of {len(payload)} bytes"
        raise MalformedFrame(why)
    return payload


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise MalformedFrame("a name that is none")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MAX_NUMBER:
        raise MalformedFrame("a number that is none")
    return value


def _label(value: object) -> Label:
    match value:
        case (incarnation, term):
            return Label(_number(incarnation), _number(term))
        case _:
            raise MalformedFrame("a label that is none")
