"""Tags and lengths of DER (X.690 section 10.1), and the armour around it; nothing of what is in between."""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import TYPE_CHECKING, Final

from peerkey.errors import Malformed

if TYPE_CHECKING:
    from peerkey.pki.revocation_table import Buffer

SEQUENCE: Final = 0x30
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
#: The longest length that is read takes four bytes: far more than any list may have.
_MAXIMUM_LENGTH_BYTES: Final = 4
_SHORT: Final = 0x80


def element_untrusted(content: Buffer, at: int, end: int) -> tuple[int, int, int]:
    """Return the tag of the element at ``at``, where its contents begin, and where they end.

    Raises:
        Malformed: there is none before ``end``, its length is not the shortest form or indefinite, its tag
            has several bytes, or it goes on behind ``end``.
    """
    head = content[at : min(at + 2 + _MAXIMUM_LENGTH_BYTES, end)]
    if len(head) < 2:  # noqa: PLR2004  # a tag and a length
        message = f"nothing where an element should be, at byte {at}"
        raise Malformed(message)
    tag, length, inner = head[0], head[1], at + 2
    if tag & 0x1F == 0x1F:  # noqa: PLR2004  # X.690 section 8.1.2.4
        message = f"a tag of several bytes, at byte {at}"
        raise Malformed(message)
    if length >= _SHORT:
        size = length - _SHORT
        inner += size
        length = int.from_bytes(head[2 : 2 + size], "big")
        shortest = max(1, (length.bit_length() + 7) // 8)
        if not 1 <= size <= _MAXIMUM_LENGTH_BYTES or size != shortest or length < _SHORT or inner > end:
            message = f"a length that is not in its shortest form, at byte {at}"
            raise Malformed(message)
    if inner + length > end:
        message = f"an element that goes on behind its end, at byte {at}"
        raise Malformed(message)
    return tag, inner, inner + length


def element(tag: int, contents: bytes) -> bytes:
    """Return the encoding of an element."""
    length = len(contents)
    if length < _SHORT:
        return bytes((tag, length)) + contents
    size = (length.bit_length() + 7) // 8
    return bytes((tag, _SHORT | size)) + length.to_bytes(size, "big") + contents


def dearmoured_untrusted(body: bytes) -> bytes:
    """Return what stands in base64 between two lines of PEM, whatever became of its line breaks.

    Raises:
        Malformed: it is not base64.
    """
    try:
        return a2b_base64(body.translate(None, b" \t\r\n"), strict_mode=True)
    except Base64Error as error:
        message = f"broken base64: {error}"
        raise Malformed(message) from error
