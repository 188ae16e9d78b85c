"""The wire between the hosts of a cluster: datagrams are messages where the peer's node runs in it too.

The wire is told for which pairs of addresses that is so, and by which actor the peer's node is known
(:meth:`ClusterWire.expect`). An endpoint of such a pair goes the *direct* way: each datagram goes to the
actor ``wire`` of the host that the directory has for that actor at this moment, so that datagrams follow a
node that moves. Every other pair is opened on another wire, the *fallback*: UDP.

As with any wire, a datagram may be lost, and here it is when the host that it goes to is away or does not
keep up, when its node has not arrived there yet, or when a link parts. What cannot be sent is counted and
nothing else: it is no dead letter, and it gives way to every message that somebody would miss.

A pair may change its way while it is open: an end closes what it has on the fallback, or opens it. The two
ends learn of it one after the other, and what is sent meanwhile is lost, or taken if it comes by way of the
cluster, whose hosts trust each other.

There is no interface in the direct way: it is up unless it was set down, and a peer whose host is away is as
silent as one behind a broken cable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import structlog

from runtime.actor import Actor
from runtime.cluster.datagrams import Datagram
from runtime.errors import WireUnavailable
from runtime.wire.endpoints import Endpoints, InboxEndpoint
from runtime.wire.port import (
    Address,
    Endpoint,
    EndpointCounters,
    OnDatagram,
    OnState,
    OnStranger,
    Wire,
    normalized_pair,
)

if TYPE_CHECKING:
    from runtime.cluster.host import Host
    from runtime.system import ActorSystem

__all__ = ["WIRE", "ClusterEndpoint", "ClusterWire", "Datagram"]

#: What the actor is called on every host that takes the datagrams of the others.
WIRE: Final = "wire"
#: Datagrams that wait for it: a few batches, or about 2.5 MB of the usual size.
MAILBOX: Final = 2_048

_log = structlog.get_logger("runtime.wire")


class ClusterEndpoint(InboxEndpoint):
    """One end of a path."""

    def __init__(
        self, wire: ClusterWire, local: Address, peer: Address, on_datagram: OnDatagram, on_state: OnState
    ) -> None:
        """Belong to ``wire``, which opens it. It has no way yet."""
        super().__init__(local, peer, on_datagram, on_state)
        self._wire = wire
        #: The name of the peer's node, in the direct way; else ``None``.
        self._node: str | None = None
        #: The endpoint on the fallback, in the other way; ``None`` too where the fallback has refused it.
        self._under: Endpoint | None = None

    @property
    def counters(self) -> EndpointCounters:
        """See :attr:`runtime.wire.port.Endpoint.counters`: of both ways together."""
        return _added(self._counters, None if self._under is None else self._under.counters)

    def send(self, datagram: bytes) -> None:
        """See :meth:`runtime.wire.port.Endpoint.send`."""
        if self._under is not None:
            self._under.send(datagram)
        else:
            super().send(datagram)

    def go_direct(self, node: str) -> None:
        """Go the direct way from now on, to wherever the actor ``node`` is."""
        self._node = node
        self._leave_fallback()
        self.tell_state_later()

    def go_by_fallback(self, fallback: Wire) -> None:
        """Go by the fallback from now on, unless it is so already.

        :raises WireUnavailable: the fallback does not open the pair: there is no way.
        """
        if self._under is None:
            self._node = None
            # Soon it says whether it is up; until it does, nothing is known, and nothing is told.
            self._under = self._wire.fallback_of(self, fallback)

    def fallback_changed(self, _up: bool) -> None:  # noqa: FBT001 - the callback of a wire
        """Tell of the fallback's state, which is that of the endpoint."""
        self._tell_state()

    @property
    def on_datagram(self) -> OnDatagram:
        """Whoever takes what arrives."""
        return self._on_datagram

    def _leave_fallback(self) -> None:
        if self._under is not None:
            self._under.close()
            self._counters = _added(self._counters, self._under.counters)
            self._under = None

    def _is_up(self) -> bool:
        if self._under is not None:
            return self._under.up
        return self._node is not None and self._wire.is_up(self.local.host)

    def _carry(self, datagram: bytes) -> None:
        if self._node is not None:
            self._wire.carry(self._node, Datagram(self.local, self.peer, datagram), self._counters)

    def _forget(self) -> None:
        self._leave_fallback()
        self._node = None
        self._wire.forget(self)


class ClusterWire:
    """See the module. It belongs to the event loop of ``system``, and ends before it."""

    def __init__(
        self, system: ActorSystem, host: Host, fallback: Wire, *, on_stranger: OnStranger | None = None
    ) -> None:
        """Be the wire of ``host``, and run the actor ``wire`` there.

        ``on_stranger`` is told of datagrams from addresses that nobody expects, in the direct way: give it to
        the fallback too. The fallback is closed with this wire.
        """
        self._system = system
        self._host = host
        self._fallback = fallback
        self._routes: Mapping[tuple[Address, Address], str] = MappingProxyType({})
        self._endpoints: Endpoints[ClusterEndpoint] = Endpoints(on_stranger)
        self._receiver = system.spawn(lambda: DatagramReceiver(self), WIRE, mailbox=MAILBOX)

    @property
    def strangers(self) -> int:
        """How many datagrams came the direct way from an address which no endpoint expects."""
        return self._endpoints.strangers

    def expect(self, routes: Mapping[tuple[Address, Address], str]) -> None:
        """Learn for which pairs (local, peer) the peer's node runs in the cluster, by the name of its actor.

        It replaces what was said before, and endpoints that are open change their way where it differs.

        :raises WireUnavailable: an address is malformed, or the two of a pair are of different families.
        """
        # Said again with every node that comes: what is known already has been normalized.
        known = self._routes
        self._routes = MappingProxyType(
            {pair if pair in known else normalized_pair(*pair): node for pair, node in routes.items()}
        )
        for endpoint in self._endpoints:
            try:
                self._direct(endpoint)
            except WireUnavailable as refused:
                _log.warning("no way", local=str(endpoint.local), peer=str(endpoint.peer), why=str(refused))
                endpoint.tell_state_later()

    def open(
        self, local: Address, peer: Address, on_datagram: OnDatagram, on_state: OnState
    ) -> ClusterEndpoint:
        """See :meth:`runtime.wire.port.Wire.open`."""
        local, peer = normalized_pair(local, peer)
        self._endpoints.check(local, peer)
        endpoint = ClusterEndpoint(self, local, peer, on_datagram, on_state)
        self._direct(endpoint)
        self._endpoints.add(endpoint)
        return endpoint

    async def close(self) -> None:
        """See :meth:`runtime.wire.port.Wire.close`. The fallback is closed with it."""
        self._endpoints.close()
        await self._fallback.close()
        await self._system.stop_actor(self._receiver)

    def set_interface(self, host: str, *, up: bool) -> None:
        """Take the direct ways from this address down, or up again: for chaos and for simulations."""
        self._endpoints.set_interface(host, up=up)

    def is_up(self, host: str) -> bool:
        """Return whether direct ways from this address are up."""
        return self._endpoints.is_up(host)

    def carry(self, node: str, datagram: Datagram, counters: EndpointCounters) -> None:
        """Send a datagram to the host where the actor ``node`` is, or drop it; count which."""
        host = self._host.directory.host_of(node)
        if host == self._host.name:
            counters.sent += 1
            self.take(datagram)
        elif host is None or not self._host.reaches(host):
            counters.refused += 1
        elif self._host.post(host, WIRE, datagram):
            counters.sent += 1
        else:
            counters.dropped_full += 1

    def take(self, datagram: Datagram) -> None:
        """Bring a datagram of this host or another to its endpoint, if that is here."""
        if self.is_up(datagram.peer.host):
            self._endpoints.take(datagram.local, datagram.peer, datagram.data)

    def fallback_of(self, endpoint: ClusterEndpoint, fallback: Wire) -> Endpoint:
        """Open the pair of an endpoint on the fallback."""
        return fallback.open(endpoint.local, endpoint.peer, endpoint.on_datagram, endpoint.fallback_changed)

    def forget(self, endpoint: ClusterEndpoint) -> None:
        """Free the pair of an endpoint that closes."""
        self._endpoints.forget(endpoint)

    def _direct(self, endpoint: ClusterEndpoint) -> None:
        """Let an endpoint go the way that its pair has now."""
        node = self._routes.get((endpoint.local, endpoint.peer))
        if node is None:
            endpoint.go_by_fallback(self._fallback)
        else:
            endpoint.go_direct(node)


class DatagramReceiver(Actor):
    """Takes the datagrams of other hosts. What finds its mailbox full is dropped, and counted there."""

    def __init__(self, wire: ClusterWire) -> None:
        self._wire = wire

    def receive(self, message: object) -> None:
        if isinstance(message, Datagram):
            self._wire.take(message)
        else:
            self.ctx.log.warning("unexpected message", kind=type(message).__name__)


def _added(one: EndpointCounters, other: EndpointCounters | None) -> EndpointCounters:
    """Return both together, as counters of their own."""
    more = EndpointCounters() if other is None else other
    names = [field.name for field in fields(EndpointCounters)]
    return EndpointCounters(**{name: getattr(one, name) + getattr(more, name) for name in names})
