"""The wire over UDP, IPv4 and IPv6.

One socket per local address serves all endpoints there; a datagram goes to the endpoint whose peer is
its source, and one of any other source is a stranger's: dropped and counted. The socket is bound as
soon as its address is there, which may be long after ``open``.

On Linux datagrams leave with "don't fragment" set and without regard to what the kernel believes about
the path (``IP_PMTUDISC_PROBE``): segments are small enough by configuration, and a forged ICMP message
cannot make them too large.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

import structlog

from runtime.errors import WireUnavailable
from runtime.wire.interfaces import InterfaceMonitor, addresses_up
from runtime.wire.port import (
    MAX_DATAGRAM_BYTES,
    Address,
    EndpointCounters,
    OnDatagram,
    OnState,
    OnStranger,
    normalized_pair,
)
from runtime.wire.sockets import normalized_source, set_options, socket_address

#: So many datagrams are read before other work of the loop has its turn.
READ_AT_ONCE: Final = 64

#: Addresses that stand for every interface; whether one is up cannot be said.
_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - recognized, not bound by default

_LOOPBACK: Final = "127.0.0.1"

_FULL: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS})

_log = structlog.get_logger("runtime.wire")


class UdpEndpoint:
    """One end of a path over UDP."""

    def __init__(self, port: _Port, peer: Address, on_datagram: OnDatagram, on_state: OnState) -> None:
        """Share the socket of ``port``, which opens it."""
        self.local = port.local
        self.peer = peer
        self.counters = EndpointCounters()
        self._port = port
        self._on_datagram = on_datagram
        self._on_state = on_state
        self._told: bool | None = None
        self._closed = False
        self._target = socket_address(peer)

    @property
    def up(self) -> bool:
        """See :attr:`runtime.wire.port.Endpoint.up`."""
        return not self._closed and self._port.up

    def send(self, datagram: bytes) -> None:
        """See :meth:`runtime.wire.port.Endpoint.send`."""
        counters = self.counters
        if len(datagram) > MAX_DATAGRAM_BYTES:
            counters.dropped_oversize += 1
            return
        bound = self._port.bound
        if bound is None or not self.up:
            counters.dropped_down += 1
            return
        if self._target is None and (target := socket_address(self.peer)) is not None:
            self._target = target
        if self._target is None:
            counters.dropped_down += 1
            return
        try:
            bound.sendto(datagram, self._target)
        except OSError as error:
            if error.errno in _FULL:
                counters.dropped_full += 1
            elif error.errno == errno.EMSGSIZE:
                counters.dropped_oversize += 1
            else:
                counters.refused += 1
        else:
            counters.sent += 1

    def close(self) -> None:
        """See :meth:`runtime.wire.port.Endpoint.close`."""
        if not self._closed:
            self._closed = True
            self._port.forget(self)

    def arrive(self, datagram: bytes) -> None:
        """Deliver a datagram of the peer."""
        self.counters.received += 1
        self._on_datagram(datagram)

    def tell_state(self) -> None:
        """Say whether the local address is up, unless that has been said."""
        if not self._closed and self.up is not self._told:
            self._told = self.up
            self._on_state(self._told)


class UdpWire:
    """See the module. It belongs to the event loop on which it is first used."""

    def __init__(
        self,
        *,
        on_stranger: OnStranger | None = None,
        look: Callable[[], frozenset[str]] = addresses_up,
    ) -> None:
        """Tell ``on_stranger`` of datagrams from addresses that nobody expects, each time.

        ``look`` returns the addresses that are up; a test may have its own.
        """
        self._on_stranger = on_stranger
        self._look = look
        self._ports: dict[Address, _Port] = {}
        self._monitor: InterfaceMonitor | None = None
        self._closed = False
        #: Datagrams that came from an address which no endpoint expects.
        self.strangers = 0

    def open(self, local: Address, peer: Address, on_datagram: OnDatagram, on_state: OnState) -> UdpEndpoint:
        """See :meth:`runtime.wire.port.Wire.open`."""
        local, peer = normalized_pair(local, peer)
        if self._closed:
            message = "the wire has been closed"
            raise WireUnavailable(message)
        loop = asyncio.get_running_loop()
        monitor = self._monitor
        if monitor is None:
            monitor = self._monitor = InterfaceMonitor(loop, self._looked, self._look)
        port = self._ports.get(local)
        if port is None:
            port = self._ports[local] = _Port(self, loop, local)
            port.update(monitor.addresses)
        endpoint = port.add(peer, on_datagram, on_state)
        loop.call_soon(endpoint.tell_state)
        return endpoint

    def look_again(self) -> None:
        """Look at the interfaces soon. The operating system says when; this is for where it does not."""
        if self._monitor is not None:
            self._monitor.hint()

    async def close(self) -> None:
        """See :meth:`runtime.wire.port.Wire.close`."""
        self._closed = True
        if self._monitor is not None:
            self._monitor.close()
            self._monitor = None
        for port in tuple(self._ports.values()):
            port.close_all()

    def stranger(self, local: Address, source: Address) -> None:
        """Count a datagram that nobody expects."""
        self.strangers += 1
        if self._on_stranger is not None:
            self._on_stranger(local, source)

    def forget(self, port: _Port) -> None:
        """Drop a socket that has no endpoint left."""
        self._ports.pop(port.local, None)

    def _looked(self) -> None:
        if self._monitor is not None:
            for port in tuple(self._ports.values()):
                port.update(self._monitor.addresses)
                port.tell_states()


class _Port:
    """One local address: its socket, once there is one, and the endpoints that share it."""

    def __init__(self, wire: UdpWire, loop: asyncio.AbstractEventLoop, local: Address) -> None:
        self.local = local
        self.bound: socket.socket | None = None
        self.up = False
        self._wire = wire
        self._loop = loop
        self._endpoints: dict[tuple[str, int], UdpEndpoint] = {}
        self._complained: int | None = None

    def add(self, peer: Address, on_datagram: OnDatagram, on_state: OnState) -> UdpEndpoint:
        if peer in self._endpoints:
            message = f"{self.local} to {peer} is open already"
            raise WireUnavailable(message)
        endpoint = self._endpoints[peer] = UdpEndpoint(self, peer, on_datagram, on_state)
        return endpoint

    def forget(self, endpoint: UdpEndpoint) -> None:
        self._endpoints.pop(endpoint.peer, None)
        if not self._endpoints:
            self._unbind()
            self._wire.forget(self)

    def close_all(self) -> None:
        for endpoint in tuple(self._endpoints.values()):
            endpoint.close()

    def update(self, addresses: frozenset[str]) -> None:
        """Take note of the addresses that are up; bind if that has become possible."""
        there = _is_there(self.local.host, addresses)
        if there and self.bound is None:
            self._bind()
        self.up = there and self.bound is not None

    def tell_states(self) -> None:
        for endpoint in tuple(self._endpoints.values()):
            endpoint.tell_state()

    def _bind(self) -> None:
        target = socket_address(self.local)
        if target is None:
            return
        family = socket.AF_INET6 if ":" in self.local.host else socket.AF_INET
        fresh = socket.socket(family, socket.SOCK_DGRAM)
        try:
            fresh.settimeout(0)
            set_options(fresh, family)
            fresh.bind(target)
        except OSError as error:
            fresh.close()
            if error.errno != self._complained:
                self._complained = error.errno
                _log.warning("cannot bind yet", local=str(self.local), error=str(error))
            return
        self._complained = None
        self.bound = fresh
        self._loop.add_reader(fresh.fileno(), self._readable)

    def _unbind(self) -> None:
        bound, self.bound = self.bound, None
        self.up = False
        if bound is not None:
            self._loop.remove_reader(bound.fileno())
            bound.close()

    def _readable(self) -> None:
        for _ in range(READ_AT_ONCE):
            bound = self.bound
            if bound is None:
                return
            try:
                datagram, source = bound.recvfrom(MAX_DATAGRAM_BYTES + 1)
            except BlockingIOError:
                return
            except OSError as error:
                _log.warning("receiving failed", local=str(self.local), error=str(error))
                return
            self._arrived(datagram, source)

    def _arrived(self, datagram: bytes, source: tuple[Any, ...]) -> None:
        endpoint = self._endpoints.get((source[0], source[1]))
        if endpoint is None:
            host = normalized_source(source)
            endpoint = self._endpoints.get((host, source[1]))
            if endpoint is None:
                self._wire.stranger(self.local, Address(host, source[1]))
                return
        if len(datagram) > MAX_DATAGRAM_BYTES:
            endpoint.counters.received_oversize += 1
        else:
            endpoint.arrive(datagram)


def _is_there(host: str, addresses: frozenset[str]) -> bool:
    """Tell whether ``host`` can be bound while ``addresses`` are up.

    On Linux the loopback interface answers for all of 127.0.0.0/8, though it lists 127.0.0.1 alone.
    """
    if sys.platform == "linux" and host.startswith("127.") and _LOOPBACK in addresses:
        return True
    return host in addresses or host in _WILDCARDS
