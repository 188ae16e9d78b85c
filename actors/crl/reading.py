"""Reading large files without holding up the event loop.

One call that reads 40 MB keeps the loop waiting until it has come back, 40 to 100 ms: a thread of its own is
not enough. In pieces the loop has its turn in between.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import BinaryIO

#: What is read at once: a tenth of a millisecond.
PIECE_BYTES: Final = 256 * 1024


def read_in_pieces(file: BinaryIO, most: int) -> bytes:
    """Return what is left of a file, or so many bytes of it."""
    content = BytesIO()
    while piece := file.read(min(PIECE_BYTES, most - content.tell())):
        content.write(piece)
    # Without a copy: nobody else has what is in it.
    return content.getvalue()
