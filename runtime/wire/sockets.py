"""What the UDP wire asks of the operating system: options of a socket, and addresses in its notation."""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any, Final

from runtime.wire.port import Address

#: What is asked for; the system grants what its limits allow. Three thousand segments of 1,200 bytes.
SOCKET_BUFFER_BYTES: Final = 4 << 20

# linux/in.h and linux/in6.h
_IP_MTU_DISCOVER: Final = 10
_IPV6_MTU_DISCOVER: Final = 23
_PMTUDISC_PROBE: Final = 3

#: Address, port, flow, scope.
_IPV6_FIELDS: Final = 4


def set_options(fresh: socket.socket, family: socket.AddressFamily) -> None:
    """Ask for large buffers, for one IP version only, and for datagrams that are never fragmented."""
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        fresh.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
    if family == socket.AF_INET6:
        # IPv4 has sockets of its own.
        fresh.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if sys.platform == "linux":
        if family == socket.AF_INET6:
            fresh.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE)
        else:
            fresh.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_PROBE)


def normalized_source(source: tuple[Any, ...]) -> str:
    """Write the source of a datagram as :func:`~runtime.wire.port.normalized` does.

    The system may write an IPv6 address in another way, and tells a scope by the interface's number.
    """
    host = str(ipaddress.ip_address(source[0]))
    if len(source) == _IPV6_FIELDS and source[3]:
        try:
            return f"{host}%{socket.if_indextoname(source[3])}"
        except OSError:
            # The interface has gone since.
            return host
    return host


def socket_address(address: Address) -> tuple[Any, ...] | None:
    """Return what ``bind`` and ``sendto`` take, with the scope of a link-local address.

    ``None``: the address names an interface that is not there.
    """
    if "%" not in address.host:
        return tuple(address)
    try:
        found = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return None
    return found[0][4]
