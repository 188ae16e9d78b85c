"""The chain of the audit log: every line names the hash of the one before it.

A line is one JSON object in ASCII, without spaces, and ends with its own hash::

    {"sequence":7,"previous":"<64 digits>","time":…,"type":…,…,"hash":"<64 digits>"}

The hash is SHA-256 of the line as it would be without its last member: the bytes up to the comma before
``"hash"``, and a closing brace. As ``previous`` is among these bytes, each hash stands for everything before
it, and a line that was changed, removed, inserted or moved shows at the first line that does not fit.
Nothing here is secret: who may write the log may write all of it anew, unless a :class:`Head` of it is kept
where they cannot write. ``docs/formats/audit-log.md`` says what that means.

Bytes go in and out; which files they are in is the business of :mod:`actors.audit_log`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The longest line, its end included. No event comes near it; more would be no event.
MAXIMUM_LINE_BYTES: Final = 65_536

_HASH_BYTES: Final = 32
_LINE: Final = re.compile(
    rb'(\{"sequence":([1-9][0-9]{0,17}),"previous":"([0-9a-f]{64})",.*),"hash":"([0-9a-f]{64})"\}'
)
_SEQUENCE: Final = re.compile(rb'\{"sequence":([1-9][0-9]{0,17}),')
_HEAD: Final = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


class Broken(ValueError):
    """A line does not fit into the chain, or is none. The text says how."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: the number of its last line, and that line's hash."""

    sequence: int
    digest: bytes

    def __str__(self) -> str:
        """Return ``SEQUENCE:HASH``."""
        return f"{self.sequence}:{self.digest.hex()}"

    @classmethod
    def of_text(cls, text: str) -> Head:
        """Read what :meth:`__str__` writes. Raises :class:`ValueError` for anything else."""
        found = _HEAD.fullmatch(text)
        if found is None:
            message = "a head is SEQUENCE:HASH, a number and 64 hexadecimal digits"
            raise ValueError(message)
        return cls(int(found[1]), bytes.fromhex(found[2]))


#: Before the first line.
BEGINNING: Final = Head(0, bytes(_HASH_BYTES))


@dataclass(frozen=True, slots=True)
class Line:
    """One line, with a hash that is its own."""

    head: Head
    previous: bytes
    #: The bytes that are hashed: a JSON object.
    text: bytes

    def document(self) -> dict[str, Any]:
        """Return what it says.

        :raises Broken: it has a good hash and is no JSON object all the same.
        """
        try:
            found = json.loads(self.text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            message = "it is no JSON object"
            raise Broken(message)
        return found


def chained(document: Mapping[str, object], former: Head) -> tuple[bytes, Head]:
    """Return the line that follows ``former``, with its end, and the new head.

    :raises ValueError: it would be longer than any line may be.
    """
    named = {"sequence": former.sequence + 1, "previous": former.digest.hex(), **document}
    text = json.dumps(named, separators=(",", ":"), allow_nan=False).encode("ascii")
    head = Head(former.sequence + 1, sha256(text).digest())
    line = b'%s,"hash":"%s"}\n' % (text[:-1], head.digest.hex().encode("ascii"))
    if len(line) > MAXIMUM_LINE_BYTES:
        message = f"a line of {len(line)} bytes; {MAXIMUM_LINE_BYTES} are the most"
        raise ValueError(message)
    return line, head


def read_line_untrusted(line: bytes) -> Line:
    """Read a line without its end.

    :raises Broken: it is none, or its hash is not that of what it says.
    """
    found = _LINE.fullmatch(line)
    if found is None or len(line) >= MAXIMUM_LINE_BYTES:
        message = "it is no line of an audit log"
        raise Broken(message)
    text = found[1] + b"}"
    digest = bytes.fromhex(found[4].decode("ascii"))
    if sha256(text).digest() != digest:
        message = "it was changed: its hash is not that of what it says"
        raise Broken(message)
    return Line(Head(int(found[2]), digest), bytes.fromhex(found[3].decode("ascii")), text)


def sequence_untrusted(line: bytes) -> int | None:
    """Return the number that a line gives itself, without checking anything; ``None`` where it gives none."""
    found = _SEQUENCE.match(line)
    return None if found is None else int(found[1])


def require_next(line: Line, former: Head | None) -> None:
    """See that a line follows the one before; ``None`` where nobody knows what was before it.

    :raises Broken: it does not.
    """
    if former is None or (line.head.sequence == former.sequence + 1 and line.previous == former.digest):
        return
    number, expected = line.head.sequence, former.sequence + 1
    if number > expected:
        many = number - expected
        message = f"{many} line{'s are' if many != 1 else ' is'} missing before it"
    elif number < expected:
        message = f"line {number} was repeated, moved or inserted here"
    else:
        message = "the line before it was replaced by another"
    raise Broken(message)
