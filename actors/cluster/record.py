"""The assignment as it is stored: which host each node is on. Its version counts the changes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Final

import msgpack

from runtime.errors import RuntimeFault

#: Under which owner and name it is stored.
OWNER: Final = "cluster"
ASSIGNMENT: Final = "assignment"
#: The record of hosts and machines that an operator has drained.
CLOSED: Final = "drained"
#: The record that says which process of the control host wrote last.
CONTROLLER: Final = "controller"
#: Of the layout of the record.
_FORMAT: Final = 1
#: What it may be when it is unpacked: room for a hundred thousand names.
_MAX_BYTES: Final = 32 << 20


class UnreadableAssignment(RuntimeFault):
    """The record was written by other software, or is damaged."""


def encode(hosts: Mapping[str, str]) -> bytes:
    """Return the bytes of an assignment of nodes to hosts."""
    names = sorted(set(hosts.values()))
    numbers = {name: number for number, name in enumerate(names)}
    nodes = [[node, numbers[host]] for node, host in sorted(hosts.items())]
    return zlib.compress(msgpack.packb([_FORMAT, names, nodes]))


def decode(data: bytes) -> dict[str, str]:
    """Return the assignment.

    :raises UnreadableAssignment: it is none.
    """
    try:
        unpacked = zlib.decompressobj().decompress(data, _MAX_BYTES)
        form, names, nodes = msgpack.unpackb(unpacked)
        if form == _FORMAT:
            return {str(node): str(names[number]) for node, number in nodes}
        why = f"its layout is {form}, and this software reads {_FORMAT}"
    except (zlib.error, ValueError, TypeError, IndexError, msgpack.UnpackException) as error:
        why = type(error).__name__
    message = f"the assignment of nodes to hosts cannot be read: {why}"
    raise UnreadableAssignment(message)


def encode_names(names: Iterable[str]) -> bytes:
    """Return the bytes of a set of names."""
    packed: bytes = msgpack.packb([_FORMAT, sorted(names)])
    return packed


def decode_names(data: bytes) -> frozenset[str]:
    """Return the names.

    :raises UnreadableAssignment: they are none.
    """
    try:
        form, names = msgpack.unpackb(data)
        if form == _FORMAT:
            return frozenset(map(str, names))
    except (ValueError, TypeError, msgpack.UnpackException):
        pass
    message = "the record of drained hosts cannot be read"
    raise UnreadableAssignment(message)
