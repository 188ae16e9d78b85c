"""The wire within one process: datagrams go straight to the other endpoint, on a later turn of the loop.

It loses nothing by itself, but neither does it promise anything: a full inbox drops, an interface that
was set down neither sends nor receives, and nothing larger than a UDP wire takes gets through.
"""

from __future__ import annotations

from runtime.wire.endpoints import Endpoints, InboxEndpoint
from runtime.wire.port import Address, OnDatagram, OnState, OnStranger, normalized_pair


class DirectEndpoint(InboxEndpoint):
    """One end of a path within the process."""

    def __init__(
        self, wire: DirectWire, local: Address, peer: Address, on_datagram: OnDatagram, on_state: OnState
    ) -> None:
        """Belong to ``wire``, which opens it."""
        super().__init__(local, peer, on_datagram, on_state)
        self._wire = wire

    def _is_up(self) -> bool:
        return self._wire.is_up(self.local.host)

    def _carry(self, datagram: bytes) -> None:
        self._counters.sent += 1
        self._wire.carry(self, datagram)

    def _forget(self) -> None:
        self._wire.forget(self)


class DirectWire:
    """See the module. It belongs to the event loop on which it is used."""

    def __init__(self, *, on_stranger: OnStranger | None = None) -> None:
        """Tell ``on_stranger`` of datagrams from addresses that nobody expects."""
        self._endpoints: Endpoints[DirectEndpoint] = Endpoints(on_stranger)

    @property
    def strangers(self) -> int:
        """How many datagrams came from an address which no endpoint expects."""
        return self._endpoints.strangers

    def open(
        self, local: Address, peer: Address, on_datagram: OnDatagram, on_state: OnState
    ) -> DirectEndpoint:
        """See :meth:`runtime.wire.port.Wire.open`."""
        local, peer = normalized_pair(local, peer)
        self._endpoints.check(local, peer)
        endpoint = DirectEndpoint(self, local, peer, on_datagram, on_state)
        self._endpoints.add(endpoint)
        endpoint.tell_state_later()
        return endpoint

    async def close(self) -> None:
        """See :meth:`runtime.wire.port.Wire.close`."""
        self._endpoints.close()

    def set_interface(self, host: str, *, up: bool) -> None:
        """Take the interface with this address up or down."""
        self._endpoints.set_interface(host, up=up)

    def is_up(self, host: str) -> bool:
        """Return whether the interface with this address is up."""
        return self._endpoints.is_up(host)

    def carry(self, sender: DirectEndpoint, datagram: bytes) -> None:
        """Bring a datagram to whoever has the address that it goes to."""
        if self.is_up(sender.peer.host):
            self._endpoints.take(sender.local, sender.peer, datagram)

    def forget(self, endpoint: DirectEndpoint) -> None:
        """Free the pair of an endpoint that closes."""
        self._endpoints.forget(endpoint)
