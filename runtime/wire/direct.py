"""The wire within one process: datagrams go straight to the other endpoint, on a later turn of the loop.

It loses nothing by itself, but neither does it promise anything: a full inbox drops, an interface that
was set down neither sends nor receives, and nothing larger than a UDP wire takes gets through.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from runtime.errors import WireUnavailable
from runtime.wire.port import (
    MAX_DATAGRAM_BYTES,
    Address,
    EndpointCounters,
    OnDatagram,
    OnState,
    OnStranger,
    normalized_pair,
)

#: Datagrams that wait for one endpoint, as in the buffer of a socket.
INBOX_LIMIT: Final = 1_024


class DirectEndpoint:
    """One end of a path within the process."""

    def __init__(
        self, wire: DirectWire, local: Address, peer: Address, on_datagram: OnDatagram, on_state: OnState
    ) -> None:
        """Belong to ``wire``, which opens it."""
        self.local = local
        self.peer = peer
        self.counters = EndpointCounters()
        self._wire = wire
        self._on_datagram = on_datagram
        self._on_state = on_state
        self._inbox: deque[bytes] = deque()
        self._told: bool | None = None
        self._closed = False
        self._loop = asyncio.get_running_loop()

    @property
    def up(self) -> bool:
        """See :attr:`runtime.wire.port.Endpoint.up`."""
        return not self._closed and self._wire.is_up(self.local.host)

    def send(self, datagram: bytes) -> None:
        """See :meth:`runtime.wire.port.Endpoint.send`."""
        if len(datagram) > MAX_DATAGRAM_BYTES:
            self.counters.dropped_oversize += 1
        elif not self.up:
            self.counters.dropped_down += 1
        else:
            self.counters.sent += 1
            self._wire.carry(self, bytes(datagram))

    def close(self) -> None:
        """See :meth:`runtime.wire.port.Endpoint.close`."""
        if not self._closed:
            self._closed = True
            self._wire.forget(self)

    def arrive(self, datagram: bytes) -> None:
        """Take a datagram in, to be delivered on a later turn."""
        if len(self._inbox) >= INBOX_LIMIT:
            self.counters.dropped_full += 1
            return
        if not self._inbox:
            self._loop.call_soon(self._deliver)
        self._inbox.append(datagram)

    def tell_state_later(self) -> None:
        """Say whether the interface is up, unless that has been said."""
        self._loop.call_soon(self._tell_state)

    def _deliver(self) -> None:
        inbox, self._inbox = self._inbox, deque()
        for datagram in inbox:
            if self.up:
                self.counters.received += 1
                self._on_datagram(datagram)

    def _tell_state(self) -> None:
        if not self._closed and self.up is not self._told:
            self._told = self.up
            self._on_state(self._told)


class DirectWire:
    """See the module. It belongs to the event loop on which it is used."""

    def __init__(self, *, on_stranger: OnStranger | None = None) -> None:
        """Tell ``on_stranger`` of datagrams from addresses that nobody expects."""
        self._on_stranger = on_stranger
        self._endpoints: dict[Address, dict[Address, DirectEndpoint]] = {}
        self._down: set[str] = set()
        self._closed = False
        #: Datagrams that came from an address which no endpoint expects.
        self.strangers = 0

    def open(
        self, local: Address, peer: Address, on_datagram: OnDatagram, on_state: OnState
    ) -> DirectEndpoint:
        """See :meth:`runtime.wire.port.Wire.open`."""
        local, peer = normalized_pair(local, peer)
        if self._closed:
            message = "the wire has been closed"
            raise WireUnavailable(message)
        by_peer = self._endpoints.setdefault(local, {})
        if peer in by_peer:
            message = f"{local} to {peer} is open already"
            raise WireUnavailable(message)
        endpoint = by_peer[peer] = DirectEndpoint(self, local, peer, on_datagram, on_state)
        endpoint.tell_state_later()
        return endpoint

    async def close(self) -> None:
        """See :meth:`runtime.wire.port.Wire.close`."""
        self._closed = True
        for by_peer in tuple(self._endpoints.values()):
            for endpoint in tuple(by_peer.values()):
                endpoint.close()

    def set_interface(self, host: str, *, up: bool) -> None:
        """Take the interface with this address up or down."""
        if up:
            self._down.discard(host)
        else:
            self._down.add(host)
        for local, by_peer in self._endpoints.items():
            if local.host == host:
                for endpoint in by_peer.values():
                    endpoint.tell_state_later()

    def is_up(self, host: str) -> bool:
        """Return whether the interface with this address is up."""
        return host not in self._down

    def carry(self, sender: DirectEndpoint, datagram: bytes) -> None:
        """Bring a datagram to whoever has the address that it goes to."""
        by_peer = self._endpoints.get(sender.peer)
        if by_peer is None or not self.is_up(sender.peer.host):
            return
        receiver = by_peer.get(sender.local)
        if receiver is not None:
            receiver.arrive(datagram)
            return
        self.strangers += 1
        if self._on_stranger is not None:
            asyncio.get_running_loop().call_soon(self._on_stranger, sender.peer, sender.local)

    def forget(self, endpoint: DirectEndpoint) -> None:
        """Free the pair of an endpoint that closes."""
        by_peer = self._endpoints.get(endpoint.local, {})
        by_peer.pop(endpoint.peer, None)
        if not by_peer:
            self._endpoints.pop(endpoint.local, None)
