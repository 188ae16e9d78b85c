"""A captured frame or segment, taken apart into plain values.

What was captured is text of hexadecimal digits or the bytes themselves, and is one of: one frame; the
segments of one frame, one behind the other; in hexadecimal also one segment a line, of any frames and in any
order. The same decoders as the protocol's read it, so that what is malformed here is malformed there.

Nothing is verified: a capture holds no key to do so with. Nothing in a frame is secret either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from peerkey.errors import Malformed
from peerkey.protocol.constants import (
    ACKNOWLEDGED,
    PROTOCOL_VERSION,
    Kind,
)
from peerkey.protocol.frame import Frame, decode_frame_untrusted
from peerkey.protocol.messages import (
    LAYOUTS,
    Certificate,
    KeyResponse,
    decode_body_untrusted,
    decode_inner_untrusted,
    decode_signatures_untrusted,
)
from peerkey.protocol.segments import (
    FLAG_NEVER_ANSWER,
    HEADER_BYTES,
    MAGIC,
    ForeignSegment,
    Reassembly,
    Segment,
    read_datagram_untrusted,
)
from peerkey_cli.certificate_summary import summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: A value as JSON has it: bytes are hexadecimal digits.
Fields = dict[str, Any]

#: As much as the segments of a thousand small frames; as text twice that and its white space.
MAXIMUM_CAPTURE_BYTES: Final = 1 << 20
MAXIMUM_INPUT_BYTES: Final = 3 * MAXIMUM_CAPTURE_BYTES

_HEXADECIMAL: Final = re.compile(rb"[0-9a-fA-F\s]+")
#: Magic, version, flags and frame id: what all segments of one frame begin with.
_COMMON_BYTES: Final = 12
_START: Final = timedelta(0)

_SIGNED: Final = frozenset({Kind.CERTIFICATE, Kind.KEY_REQUEST, Kind.KEY_RESPONSE, Kind.REFUSAL})


@dataclass(frozen=True, slots=True)
class Capture:
    """What was captured: segments, if there were any, and the frames that could be put together."""

    segments: tuple[Fields, ...]
    frames: tuple[Fields, ...]
    #: Frames of which segments are missing: their id, and how many there are of how many.
    incomplete: tuple[Fields, ...]

    def document(self) -> Fields:
        """Return what ``wire decode --json`` prints."""
        return {"segments": self.segments, "frames": self.frames, "incomplete": self.incomplete}


def dissect_untrusted(content: bytes) -> Capture:
    """Take a capture apart.

    :raises Malformed: it is empty, too long, or not what the module describes.
    """
    pieces = list(_pieces(content))
    if not pieces:
        message = "nothing was captured: the input is empty"
        raise Malformed(message)
    if sum(map(len, pieces)) > MAXIMUM_CAPTURE_BYTES:
        message = f"more than {MAXIMUM_CAPTURE_BYTES} bytes were captured; decode some of them"
        raise Malformed(message)
    if pieces[0][:2] != MAGIC:
        frames = tuple(_frame(decode_frame_untrusted(piece)) for piece in pieces)
        return Capture((), frames, ())
    return _put_together([read_datagram_untrusted(piece) for piece in pieces])


def _pieces(content: bytes) -> Iterator[bytes]:
    """Yield the datagrams, or the frame, that ``content`` holds."""
    if not content.strip():
        return
    if not _HEXADECIMAL.fullmatch(content):
        yield from _split(content)
        return
    lines = [b"".join(line.split()).decode() for line in content.splitlines() if line.strip()]
    try:
        if len(lines) > 1 and all(line.lower().startswith(MAGIC.hex()) for line in lines):
            yield from map(bytes.fromhex, lines)
        else:
            yield from _split(bytes.fromhex("".join(lines)))
    except ValueError:
        message = "an odd number of hexadecimal digits; was the text cut?"
        raise Malformed(message) from None


def _split(content: bytes) -> Iterator[bytes]:
    """Split segments that stand one behind the other where the common part of their headers recurs."""
    common = content[:_COMMON_BYTES]
    if content[:2] != MAGIC or len(common) < _COMMON_BYTES:
        yield content
        return
    begin = 0
    while (end := content.find(common, begin + HEADER_BYTES)) > 0:
        yield content[begin:end]
        begin = end
    yield content[begin:]


def _put_together(datagrams: Iterable[Segment | ForeignSegment]) -> Capture:
    described: list[Fields] = []
    frames: list[Fields] = []
    open_frames: dict[bytes, tuple[Reassembly, set[int], int]] = {}
    for datagram in datagrams:
        described.append(_segment(datagram))
        if isinstance(datagram, ForeignSegment):
            continue
        known = open_frames.setdefault(datagram.frame_id, (Reassembly(), set(), datagram.count))
        reassembly, seen, _ = known
        if datagram.index in seen and len(seen) == datagram.count:
            continue
        seen.add(datagram.index)
        whole = reassembly.add(datagram, _START)
        if whole is not None:
            frames.append(_frame(decode_frame_untrusted(whole)))
    incomplete = tuple(
        {"frame_id": frame_id.hex(), "present": len(seen), "count": count}
        for frame_id, (_, seen, count) in open_frames.items()
        if len(seen) < count
    )
    return Capture(tuple(described), tuple(frames), incomplete)


def _segment(datagram: Segment | ForeignSegment) -> Fields:
    if isinstance(datagram, ForeignSegment):
        return {"version": datagram.version, "answerable": datagram.answerable, "known": False}
    return {
        "version": PROTOCOL_VERSION,
        "known": True,
        "never_answer": bool(datagram.flags & FLAG_NEVER_ANSWER),
        "frame_id": datagram.frame_id.hex(),
        "index": datagram.index,
        "count": datagram.count,
        "slice_bytes": len(datagram.slice),
    }


def _frame(frame: Frame) -> Fields:
    known = frame.kind in LAYOUTS
    return {
        "kind": frame.kind,
        "name": Kind(frame.kind).name if known else None,
        "sender": str(UUID(bytes=frame.sender)),
        "receiver": str(UUID(bytes=frame.receiver)),
        "digest": frame.digest.hex(),
        "bytes": len(frame.encode()),
        "acknowledged": frame.kind in ACKNOWLEDGED,
        "body": _body(frame) if known else frame.body.hex(),
        "auth": _auth(frame),
    }


def _body(frame: Frame) -> Fields:
    message = decode_body_untrusted(frame)
    fields = _plain_fields(message)
    if isinstance(message, Certificate):
        fields["chain"] = [summary(der) for der in message.chain]
    if isinstance(message, KeyResponse):
        fields["inner"] = _plain_fields(decode_inner_untrusted(message.inner))
    return fields


def _plain_fields(message: Any) -> Fields:  # noqa: ANN401 - any of the named tuples of the protocol
    return {name: _plain(getattr(message, name)) for name in message._fields}


def _plain(value: object) -> object:
    """Return a field's value as JSON has it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return _plain_fields(value) if hasattr(value, "_fields") else [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def _auth(frame: Frame) -> Fields:
    """Say what proves the frame, by its kind."""
    if not frame.auth:
        return {"type": "none", "values": []}
    if frame.kind == Kind.CERTIFICATE:
        return {
            "type": "signature",
            "values": [each.hex() for each in decode_signatures_untrusted(frame.auth)],
        }
    kind = "signature" if frame.kind in _SIGNED else "mac" if frame.kind in LAYOUTS else "unknown"
    return {"type": kind, "values": [frame.auth.hex()]}
