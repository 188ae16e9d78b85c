"""Asking the coordinator what a reload would do if its file held another text.

The text of a large fleet is larger than a message may be, so it travels compressed, and what it may be when
it is unpacked has a bound.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Final

from peerkey.config.reload_plan import Foretold
from peerkey.errors import Misconfigured
from runtime.message import Ask

#: What a text may be, in UTF-8: that of some five thousand paths.
MAX_TEXT_BYTES: Final = 1 << 20
#: What it may be compressed: a message takes a little more.
MAX_PACKED_BYTES: Final = 768 << 10


@dataclass(frozen=True, slots=True)
class Foretell(Ask[Foretold]):
    """Ask the coordinator what a reload would do. ``packed`` is of :func:`packed`."""

    packed: bytes = field(repr=False)


def packed(text: str) -> bytes:
    """Return a configuration as it travels.

    :raises Misconfigured: it is too large for that.
    """
    data = text.encode()
    made = zlib.compress(data)
    if len(data) > MAX_TEXT_BYTES or len(made) > MAX_PACKED_BYTES:
        message = (
            f"the configuration is too large to be sent to the coordinator ({len(data)} bytes); "
            "compare two files with `peerkey config diff A B`"
        )
        raise Misconfigured(message)
    return made


def unpacked_untrusted(data: bytes) -> str:
    """Return the text of :func:`packed`.

    :raises Misconfigured: it is none, or too large.
    """
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(data, MAX_TEXT_BYTES)
        if unpacking.unconsumed_tail or not unpacking.eof:
            message = f"the configuration that was sent has more than {MAX_TEXT_BYTES} bytes, or is torn"
            raise Misconfigured(message)
        return text.decode()
    except (zlib.error, UnicodeDecodeError) as error:
        message = "the configuration that was sent cannot be unpacked"
        raise Misconfigured(message) from error
