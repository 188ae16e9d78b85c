"""Bytes that must never be shown.

A :class:`Secret` prints as nothing, compares in constant time and refuses to be pickled, so that a
key cannot reach a log, an exception, an event or another process by accident. Where the bytes are
really needed, :meth:`Secret.reveal` is easy to search for.
"""

from __future__ import annotations

import hmac
from typing import NoReturn, final


@final
class Secret:
    """Key material of a fixed length.

    >>> Secret(b"sixteen bytes...")
    Secret(16 bytes)
    """

    __slots__ = ("_bytes",)

    def __init__(self, value: bytes) -> None:
        """Take ``value`` over; the caller should not keep another reference to it."""
        self._bytes = value

    def reveal(self) -> bytes:
        """Return the bytes, for a primitive or for sealing. Never for showing."""
        return self._bytes

    def __eq__(self, other: object) -> bool:
        """Compare in constant time."""
        return isinstance(other, Secret) and hmac.compare_digest(self._bytes, other._bytes)

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        """Return the length in bytes, which is no secret."""
        return len(self._bytes)

    def __repr__(self) -> str:
        """Show the length and nothing else."""
        return f"Secret({len(self._bytes)} bytes)"

    def __reduce__(self) -> NoReturn:
        """Refuse to leave the process unsealed."""
        message = "a Secret does not travel; seal it first"
        raise TypeError(message)
