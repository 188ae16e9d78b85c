"""What the wires share whose datagrams are no packets: endpoints with an inbox, by their pairs of addresses.

An endpoint delivers on a later turn of the loop, from an inbox with a bound; it says whether its way is up
when that changes, and nothing after it was closed. :class:`Endpoints` are those of one wire: one for a pair,
and whoever sends to an address of ours without being anybody's peer is a stranger. What else a way is, and
whether it is up, is the wire's business.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

from runtime.errors import WireUnavailable
from runtime.wire.port import (
    MAX_DATAGRAM_BYTES,
    Address,
    EndpointCounters,
    OnDatagram,
    OnState,
    OnStranger,
)

#: Datagrams that wait for one endpoint, as in the buffer of a socket.
INBOX_LIMIT: Final = 1_024


class InboxEndpoint:
    """One end of a path. A wire says in a class of its own what its way is."""

    def __init__(self, local: Address, peer: Address, on_datagram: OnDatagram, on_state: OnState) -> None:
        """Belong to the running loop. The addresses are normalized."""
        self.local = local
        self.peer = peer
        self._counters = EndpointCounters()
        self._on_datagram = on_datagram
        self._on_state = on_state
        self._inbox: deque[bytes] = deque()
        self._told: bool | None = None
        self._closed = False
        self._loop = asyncio.get_running_loop()

    @property
    def counters(self) -> EndpointCounters:
        """See :attr:`runtime.wire.port.Endpoint.counters`."""
        return self._counters

    @property
    def up(self) -> bool:
        """See :attr:`runtime.wire.port.Endpoint.up`."""
        return not self._closed and self._is_up()

    def send(self, datagram: bytes) -> None:
        """See :meth:`runtime.wire.port.Endpoint.send`."""
        if len(datagram) > MAX_DATAGRAM_BYTES:
            self._counters.dropped_oversize += 1
        elif not self.up:
            self._counters.dropped_down += 1
        else:
            self._carry(bytes(datagram))

    def close(self) -> None:
        """See :meth:`runtime.wire.port.Endpoint.close`."""
        if not self._closed:
            self._closed = True
            self._inbox.clear()
            self._forget()

    def arrive(self, datagram: bytes) -> None:
        """Take a datagram in, to be delivered on a later turn."""
        if len(datagram) > MAX_DATAGRAM_BYTES:
            self._counters.received_oversize += 1
            return
        if len(self._inbox) >= INBOX_LIMIT:
            self._counters.dropped_full += 1
            return
        if not self._inbox:
            self._loop.call_soon(self._deliver)
        self._inbox.append(datagram)

    def tell_state_later(self) -> None:
        """Say whether the way is up, unless that has been said."""
        self._loop.call_soon(self._tell_state)

    def _is_up(self) -> bool:
        raise NotImplementedError

    def _carry(self, datagram: bytes) -> None:
        """Send what may be sent, and count it."""
        raise NotImplementedError

    def _forget(self) -> None:
        """Free the pair: the endpoint has been closed."""
        raise NotImplementedError

    def _deliver(self) -> None:
        inbox, self._inbox = self._inbox, deque()
        for datagram in inbox:
            if self.up:
                self._counters.received += 1
                self._on_datagram(datagram)

    def _tell_state(self) -> None:
        if not self._closed and self.up is not self._told:
            self._told = self.up
            self._on_state(self._told)


E = TypeVar("E", bound=InboxEndpoint)


class Endpoints(Generic[E]):
    """The endpoints of one wire."""

    def __init__(self, on_stranger: OnStranger | None) -> None:
        """Tell ``on_stranger`` of datagrams from addresses that nobody expects."""
        self._on_stranger = on_stranger
        self._by_local: dict[Address, dict[Address, E]] = {}
        #: Local addresses whose interface was taken down.
        self._down: set[str] = set()
        self._closed = False
        #: Datagrams that came from an address which no endpoint expects.
        self.strangers = 0

    def __iter__(self) -> Iterator[E]:
        """Go through those that are open now; any of them may be closed meanwhile."""
        return iter([endpoint for by_peer in self._by_local.values() for endpoint in by_peer.values()])

    def set_interface(self, host: str, *, up: bool) -> None:
        """Take the interface with this address up or down, and let its endpoints say so."""
        if up:
            self._down.discard(host)
        else:
            self._down.add(host)
        for endpoint in self:
            if endpoint.local.host == host:
                endpoint.tell_state_later()

    def is_up(self, host: str) -> bool:
        """Return whether the interface with this address is up."""
        return host not in self._down

    def check(self, local: Address, peer: Address) -> None:
        """See to it that the endpoint of a pair can be opened.

        :raises WireUnavailable: it is open already, or the wire has been closed.
        """
        if self._closed:
            message = "the wire has been closed"
            raise WireUnavailable(message)
        if peer in self._by_local.get(local, {}):
            message = f"{local} to {peer} is open already"
            raise WireUnavailable(message)

    def add(self, endpoint: E) -> None:
        """Let an endpoint have what its peer sends; its pair has been checked."""
        self._by_local.setdefault(endpoint.local, {})[endpoint.peer] = endpoint

    def forget(self, endpoint: E) -> None:
        """Free the pair of an endpoint that closes."""
        by_peer = self._by_local.get(endpoint.local, {})
        by_peer.pop(endpoint.peer, None)
        if not by_peer:
            self._by_local.pop(endpoint.local, None)

    def close(self) -> None:
        """Close every endpoint, and open none any more."""
        self._closed = True
        for endpoint in self:
            endpoint.close()

    def take(self, source: Address, destination: Address, datagram: bytes) -> None:
        """Bring a datagram to whoever has the address that it goes to; without one it is lost."""
        by_peer = self._by_local.get(destination)
        if by_peer is None:
            return
        receiver = by_peer.get(source)
        if receiver is not None:
            receiver.arrive(datagram)
            return
        self.strangers += 1
        if self._on_stranger is not None:
            asyncio.get_running_loop().call_soon(self._on_stranger, destination, source)
