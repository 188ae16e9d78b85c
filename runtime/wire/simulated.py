"""The wire of one simulated machine: endpoints on a :class:`~runtime.wire.network.Network` shared by all.

To whoever uses it, it is a UDP wire: an endpoint per pair of addresses, datagrams that arrive later or
not at all, an interface that goes down. A local address belongs to the machine that has opened it.

A machine that dies calls :meth:`SimulatedWire.abandon`: at once nothing is left of it, and what is on
its way to it finds nobody, unless a new process has opened the same pair by then.
"""

from __future__ import annotations

import asyncio

from runtime.errors import WireUnavailable
from runtime.wire.network import Network
from runtime.wire.port import (
    MAX_DATAGRAM_BYTES,
    Address,
    EndpointCounters,
    OnDatagram,
    OnState,
    OnStranger,
    normalized_pair,
)


class SimulatedEndpoint:
    """One end of a path through the network."""

    def __init__(
        self, wire: SimulatedWire, local: Address, peer: Address, on_datagram: OnDatagram, on_state: OnState
    ) -> None:
        """Belong to ``wire``, which opens it."""
        self.local = local
        self.peer = peer
        self.counters = EndpointCounters()
        self._wire = wire
        self._network = wire.network
        self._on_datagram = on_datagram
        self._on_state = on_state
        self._told: bool | None = None
        self._closed = False
        self._loop = asyncio.get_running_loop()

    @property
    def up(self) -> bool:
        """See :attr:`runtime.wire.port.Endpoint.up`."""
        return not self._closed and self._network.is_up(self.local.host)

    def send(self, datagram: bytes) -> None:
        """See :meth:`runtime.wire.port.Endpoint.send`."""
        if len(datagram) > MAX_DATAGRAM_BYTES:
            self.counters.dropped_oversize += 1
        elif not self.up:
            self.counters.dropped_down += 1
        else:
            self.counters.sent += 1
            self._network.carry(self.local, self.peer, bytes(datagram))

    def close(self) -> None:
        """See :meth:`runtime.wire.port.Endpoint.close`."""
        if not self._closed:
            self._closed = True
            self._wire.forget(self)

    def arrive(self, data: bytes) -> None:
        """Deliver a datagram of the peer."""
        self.counters.received += 1
        self._on_datagram(data)

    def tell_state_later(self) -> None:
        """Say whether the interface is up, unless that has been said."""
        self._loop.call_soon(self._tell_state)

    def _tell_state(self) -> None:
        if not self._closed and self.up is not self._told:
            self._told = self.up
            self._on_state(self._told)


class SimulatedWire:
    """See the module."""

    def __init__(self, network: Network, *, on_stranger: OnStranger | None = None) -> None:
        """Tell ``on_stranger`` of datagrams from addresses that nobody expects."""
        self.network = network
        self._on_stranger = on_stranger
        self._endpoints: dict[tuple[Address, Address], SimulatedEndpoint] = {}
        self._closed = False
        #: Datagrams that came from an address which no endpoint expects.
        self.strangers = 0

    def open(
        self, local: Address, peer: Address, on_datagram: OnDatagram, on_state: OnState
    ) -> SimulatedEndpoint:
        """See :meth:`runtime.wire.port.Wire.open`; another machine's local address is refused too."""
        local, peer = normalized_pair(local, peer)
        if self._closed:
            message = "the wire has been closed"
            raise WireUnavailable(message)
        endpoint = SimulatedEndpoint(self, local, peer, on_datagram, on_state)
        self.network.attach(self, endpoint)
        self._endpoints[local, peer] = endpoint
        endpoint.tell_state_later()
        return endpoint

    async def close(self) -> None:
        """See :meth:`runtime.wire.port.Wire.close`."""
        self.abandon()

    def abandon(self) -> None:
        """Be gone, as a process is that was killed: no callback comes, and every address is free."""
        self._closed = True
        for endpoint in tuple(self._endpoints.values()):
            endpoint.close()

    def forget(self, endpoint: SimulatedEndpoint) -> None:
        """Free the pair of an endpoint that closes."""
        del self._endpoints[endpoint.local, endpoint.peer]
        self.network.detach(endpoint)

    def stranger(self, local: Address, source: Address) -> None:
        """Count a datagram that nobody expects."""
        self.strangers += 1
        if self._on_stranger is not None:
            self._on_stranger(local, source)
