"""What a server may have compressed, unpacked piece by piece: a small answer cannot become a huge one.

A compression bomb unpacks to a thousand times its size. Nothing here makes more at once than
:data:`PIECE_BYTES`, and whoever gathers the pieces counts them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, Protocol

#: What one step makes: a fraction of a millisecond of work.
PIECE_BYTES: Final = 64 * 1024
#: Tells zlib to accept the header of gzip as well as its own.
_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS

#: What is asked for.
ACCEPTED: Final = "gzip"


class Unpackable(ValueError):
    """This is not packed as it says."""


class Unpacker(Protocol):
    """Takes pieces as they come and gives pieces as they were."""

    def take(self, piece: bytes) -> Iterator[bytes]:
        """Yield what a piece unpacks to, in pieces.

        Raises:
            Unpackable: it does not.

        """
        ...

    @property
    def complete(self) -> bool:
        """Whether what was taken so far may be all of it."""
        ...


class Plain:
    """Nothing is packed."""

    complete = True

    def take(self, piece: bytes) -> Iterator[bytes]:
        """See :meth:`Unpacker.take`."""
        yield piece


class Gzip:
    """gzip, or zlib, which some servers send in its place."""

    def __init__(self) -> None:
        """Expect the beginning."""
        self._inner = zlib.decompressobj(_GZIP_OR_ZLIB)

    @property
    def complete(self) -> bool:
        """See :meth:`Unpacker.complete`."""
        return self._inner.eof

    def take(self, piece: bytes) -> Iterator[bytes]:
        """See :meth:`Unpacker.take`."""
        while True:
            if self._inner.eof:
                # What stands behind the end is another member of a gzip file, or not packed at all.
                if not piece:
                    return
                self._inner = zlib.decompressobj(_GZIP_OR_ZLIB)
            try:
                made = self._inner.decompress(piece, PIECE_BYTES)
            except zlib.error as fault:
                raise Unpackable from fault
            if made:
                yield made
            if self._inner.eof:
                piece = self._inner.unused_data
            elif len(made) < PIECE_BYTES:
                return
            else:
                piece = self._inner.unconsumed_tail


def unpacker(encoding: str) -> Unpacker | None:
    """Return what unpacks this ``Content-Encoding``; ``None`` where nothing does."""
    match encoding.strip().lower():
        case "" | "identity":
            return Plain()
        case "gzip" | "x-gzip" | "deflate":
            return Gzip()
        case _:
            return None
