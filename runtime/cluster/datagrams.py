"""What the wire between hosts sends: a datagram, in a message of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from runtime.wire.port import Address


@dataclass(frozen=True, slots=True)
class Datagram:
    """What an endpoint has sent. Nobody misses it if it is lost."""

    #: Where it comes from, and where it goes; normalized.
    local: Address
    peer: Address
    data: bytes = field(repr=False)
