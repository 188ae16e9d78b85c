"""Fields: what each may be, checked once, at the edge.

A body is an array whose fields are fixed for each kind. A *field* here is a function that takes the
unpacked value and returns it typed, or raises :class:`~peerkey.errors.Malformed`. The
layouts of the messages are tables of such fields, so that the decoder, the documentation and
``peerkey wire decode`` read the same truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from peerkey.errors import Malformed
from peerkey.protocol.constants import MAXIMUM_INDEX
from peerkey.protocol.frame import unpack_untrusted

T = TypeVar("T")
Field: TypeAlias = Callable[[object], object]


def index() -> Field:
    """An unsigned integer of 64 bits."""
    return number(MAXIMUM_INDEX)


def number(maximum: int) -> Field:
    """An integer from 0 to ``maximum``."""

    def check(value: object) -> int:
        if type(value) is not int or not 0 <= value <= maximum:
            message = f"expected a number from 0 to {maximum}"
            raise Malformed(message)
        return value

    return check


def blob(*sizes: int) -> Field:
    """Bytes of exactly one of ``sizes``."""

    def check(value: object) -> bytes:
        if type(value) is not bytes or len(value) not in sizes:
            message = f"expected {' or '.join(map(str, sizes))} bytes"
            raise Malformed(message)
        return value

    return check


def blob_up_to(maximum: int, minimum: int = 0) -> Field:
    """Bytes, ``minimum`` to ``maximum`` of them."""

    def check(value: object) -> bytes:
        if type(value) is not bytes or not minimum <= len(value) <= maximum:
            message = f"expected {minimum} to {maximum} bytes"
            raise Malformed(message)
        return value

    return check


def text(maximum: int) -> Field:
    """Printable text of at most ``maximum`` characters; it may be shown to an operator as it is."""

    def check(value: object) -> str:
        if type(value) is not str or len(value) > maximum or not value.isprintable():
            message = f"expected printable text of at most {maximum} characters"
            raise Malformed(message)
        return value

    return check


def sequence(field: Field, maximum: int, minimum: int = 0) -> Field:
    """``minimum`` to ``maximum`` items that are each a ``field``."""

    def check(value: object) -> tuple[object, ...]:
        if type(value) is not tuple or not minimum <= len(value) <= maximum:
            message = f"expected {minimum} to {maximum} items"
            raise Malformed(message)
        return tuple(map(field, value))

    return check


def structure(make: Callable[..., T], *fields: Field) -> Field:
    """An array of exactly these fields, made into a value by ``make``."""

    def check(value: object) -> T:
        if type(value) is not tuple:
            message = "expected an array"
            raise Malformed(message)
        return make(*fields_untrusted(value, fields))

    return check


def fields_untrusted(values: Sequence[object], fields: Sequence[Field]) -> list[object]:
    """Check each value against its field.

    Raises:
        Malformed: at the first that does not fit, or where the counts differ.

    """
    if len(values) != len(fields):
        message = f"expected {len(fields)} fields, found {len(values)}"
        raise Malformed(message)
    return [field(value) for field, value in zip(fields, values, strict=True)]


def array_untrusted(data: bytes) -> tuple[object, ...]:
    """Unpack an array from bytes that came from the network.

    Raises:
        Malformed: where it is anything else.

    """
    value = unpack_untrusted(data)
    if type(value) is not tuple:
        message = "expected an array"
        raise Malformed(message)
    return value
