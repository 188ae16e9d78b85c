"""What a wire promises: datagrams between two addresses, maybe.

A wire gives *endpoints*: one per pair of local and peer address. What an endpoint sends may be lost,
doubled, reordered or changed on its way; what it delivers came, as far as anybody can tell, from its
peer's address. Nothing blocks, nothing is queued without bound, and nothing raises once the endpoint is open:
what cannot be sent is dropped and counted.

Both callbacks are called from the event loop, never from within ``open``, ``send`` or ``close``, and never
after ``close``. In an actor they do one thing, and the incarnation gives the endpoint back::

    self.endpoint = wire.open(
        local, peer, lambda data: ref.offer(Arrived(data)), lambda up: ref.tell(Link(up))
    )
    self.ctx.defer(self.endpoint.close)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeAlias

from runtime.errors import WireUnavailable

#: The largest datagram that any wire carries: a jumbo frame without its headers. More is refused on
#: sending and dropped on arrival, and both are counted.
MAX_DATAGRAM_BYTES: Final = 8_952

_MAX_PORT: Final = 65_535


class Address(NamedTuple):
    """An IP address as text, and a UDP port."""

    host: str
    port: int

    def __str__(self) -> str:
        """Show the usual notation, IPv6 addresses in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


OnDatagram: TypeAlias = Callable[[bytes], object]
#: Called soon after ``open`` with the state of the local interface, and upon every change of it.
OnState: TypeAlias = Callable[[bool], object]
#: Called with the local address and the source of a datagram that no endpoint expects.
OnStranger: TypeAlias = Callable[[Address, Address], object]


@dataclass(slots=True)
class EndpointCounters:
    """What became of the datagrams of one endpoint since it was opened."""

    sent: int = 0
    received: int = 0
    #: Not sent, or not delivered, because a buffer was full.
    dropped_full: int = 0
    #: Arrived, but larger than any datagram of ours.
    received_oversize: int = 0
    #: Not sent because of its size: above :data:`MAX_DATAGRAM_BYTES` or what the interface takes.
    dropped_oversize: int = 0
    #: Not sent because the local address is not there, or its interface is down.
    dropped_down: int = 0
    #: Not sent because the operating system refused for another reason: no route, a filter. Between the hosts
    #: of a cluster: the peer's node is on no host, or its host is away.
    refused: int = 0


class Endpoint(Protocol):
    """One end of a path."""

    @property
    def local(self) -> Address:
        """The address that datagrams leave from, normalized."""
        ...

    @property
    def peer(self) -> Address:
        """The only address that datagrams go to and are accepted from, normalized."""
        ...

    @property
    def up(self) -> bool:
        """Whether the local address is there and its interface is up."""
        ...

    @property
    def counters(self) -> EndpointCounters:
        """What became of the datagrams. Read only."""
        ...

    def send(self, datagram: bytes) -> None:
        """Send now, or drop and count. Never blocks and never raises."""
        ...

    def close(self) -> None:
        """Let go of everything; no callback comes after this. Closing twice is harmless."""
        ...


class Wire(Protocol):
    """Where endpoints come from."""

    def open(self, local: Address, peer: Address, on_datagram: OnDatagram, on_state: OnState) -> Endpoint:
        """Open the endpoint of a pair. The local address need not exist yet.

        :raises WireUnavailable: the pair is open already, an address is malformed, the two are of
            different families, or the wire has been closed.
        """
        ...

    async def close(self) -> None:
        """Close every endpoint, and the wire. Closing twice is harmless."""
        ...


def normalized(address: Address) -> Address:
    """Return the one way to write an address, so that equal addresses are equal values.

    :raises WireUnavailable: it is no IP address, or the port is not within 1 to 65,535.
    """
    try:
        host = str(ipaddress.ip_address(address.host))
    except ValueError:
        message = f"{address.host!r} is not an IP address"
        raise WireUnavailable(message) from None
    if not 0 < address.port <= _MAX_PORT:
        message = f"{address.port} is not a UDP port"
        raise WireUnavailable(message)
    return Address(host, address.port)


def normalized_pair(local: Address, peer: Address) -> tuple[Address, Address]:
    """Normalize both ends of a path.

    :raises WireUnavailable: one is malformed, or they are of different families.
    """
    pair = normalized(local), normalized(peer)
    if (":" in pair[0].host) != (":" in pair[1].host):
        message = f"{pair[0]} and {pair[1]} are of different IP versions"
        raise WireUnavailable(message)
    return pair
