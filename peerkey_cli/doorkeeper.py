"""Letting connections in: so many at one time, and so many of one source.

A listening socket of asyncio accepts whatever comes, and a client that begins TLS and says no more holds a
descriptor of the process for a minute. Here a connection that is one too many is closed at once, and TLS has
some seconds.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    import ssl

    from peerkey_cli.http_protocol import PatientProtocol

#: Beyond those that are answered there is room for some that are told to come again.
MAXIMUM_CONNECTIONS: Final = 80
#: A dashboard, some operators and their scripts behind one address.
MAXIMUM_FROM_ONE_SOURCE: Final = 24
#: Two journeys over a slow line.
HANDSHAKE_WITHIN_SECONDS: Final = 5.0
_SHUTDOWN_WITHIN_SECONDS: Final = 2.0
#: Before accepting is tried again, where the process has no descriptor left.
_AGAIN_AFTER_SECONDS: Final = 1.0
#: What one customer of a provider is given: IPv6 addresses within it are one source.
_IPV6_PREFIX: Final = 64

_log = structlog.get_logger("api")


class Doorkeeper:
    """Accepts the connections of one socket, each with a protocol of its own."""

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], PatientProtocol],
        tls: Callable[[], ssl.SSLContext] | None,
    ) -> None:
        """Accept at ``listener``, with TLS where ``tls`` returns a context for the next connection."""
        self._listener = listener
        self._make = make
        self._tls = tls
        self._present: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def work(self) -> None:
        """Accept until this is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._listener)
            except OSError as fault:
                _log.warning("no connection can be accepted", reason=fault.strerror)
                await asyncio.sleep(_AGAIN_AFTER_SECONDS)
                continue
            source = source_of(address)
            if not self._may_enter(source):
                connection.close()
                continue
            self._present[source] += 1
            task = asyncio.create_task(self._attend(connection, source), name="connection")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Cut off whoever is still there."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _may_enter(self, source: str) -> bool:
        if self._present.total() >= MAXIMUM_CONNECTIONS:
            return False
        # Everybody at a Unix socket is the same user.
        return not source or self._present[source] < MAXIMUM_FROM_ONE_SOURCE

    async def _attend(self, connection: socket.socket, source: str) -> None:
        protocol = self._make()
        with_tls = self._tls is not None
        try:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=self._tls() if self._tls is not None else None,
                ssl_handshake_timeout=HANDSHAKE_WITHIN_SECONDS if with_tls else None,
                ssl_shutdown_timeout=_SHUTDOWN_WITHIN_SECONDS if with_tls else None,
            )
            try:
                await protocol.closed.wait()
            finally:
                transport.abort()
        except OSError as fault:
            # Of TLS, or of a client that has gone: it concerns nobody else.
            _log.debug("a connection was not made", source=source, reason=str(fault))
        finally:
            self._present[source] -= 1
            if not self._present[source]:
                del self._present[source]


def source_of(address: Any) -> str:  # noqa: ANN401 - as the operating system tells it, by family
    """Return who connects: an IPv4 address, the network of an IPv6 address, or nothing at a Unix socket."""
    if not isinstance(address, tuple):
        return ""
    found = ipaddress.ip_address(str(address[0]).partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, _IPV6_PREFIX), strict=False))
    return str(found)
