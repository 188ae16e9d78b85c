"""Which local addresses there are, on interfaces that are up.

:class:`InterfaceMonitor` looks once, and again whenever the Linux kernel says (by a netlink message) that a
link or an address has changed; where there is no netlink it looks every few seconds. A message of the
kernel is only a hint to look: what counts is what is there when one looks.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
from collections.abc import Callable
from typing import Final

import psutil

#: How often to look without a hint: where the kernel gives hints, and where it does not, in seconds.
POLL_WITH_HINTS: Final = 30.0
POLL_WITHOUT_HINTS: Final = 2.0

#: Changes come in bursts; look once, so many seconds after the first of them.
SETTLE_SECONDS: Final = 0.05

# linux/rtnetlink.h: RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_GROUPS: Final = 0x1 | 0x10 | 0x100
_NETLINK_BYTES: Final = 65_536


def addresses_up() -> frozenset[str]:
    """Return the IP addresses of all interfaces that are up, each in its normal form."""
    states = psutil.net_if_stats()
    found: set[str] = set()
    for interface, addresses in psutil.net_if_addrs().items():
        state = states.get(interface)
        if state is None or not state.isup:
            continue
        found.update(
            str(ipaddress.ip_address(address.address))
            for address in addresses
            if address.family in (socket.AF_INET, socket.AF_INET6)
        )
    return frozenset(found)


class InterfaceMonitor:
    """Knows the addresses that are up, and says when that may have changed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_look: Callable[[], object],
        look: Callable[[], frozenset[str]] = addresses_up,
    ) -> None:
        """Look now; call ``on_look`` on the loop after each later look, changed or not."""
        self._loop = loop
        self._on_look = on_look
        self._look = look
        self._netlink = _open_netlink()
        if self._netlink is not None:
            loop.add_reader(self._netlink.fileno(), self._hinted)
        #: The addresses found by the latest look.
        self.addresses = look()
        self._due: asyncio.TimerHandle | None = None
        self._poll_later()

    def hint(self) -> None:
        """Look soon: something may have changed."""
        if self._due is not None:
            self._due.cancel()
        self._due = self._loop.call_later(SETTLE_SECONDS, self._look_again)

    def close(self) -> None:
        """Let go of everything."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self._netlink is not None:
            self._loop.remove_reader(self._netlink.fileno())
            self._netlink.close()
            self._netlink = None

    def _look_again(self) -> None:
        self.addresses = self._look()
        self._poll_later()
        self._on_look()

    def _poll_later(self) -> None:
        delay = POLL_WITHOUT_HINTS if self._netlink is None else POLL_WITH_HINTS
        self._due = self._loop.call_later(delay, self._look_again)

    def _hinted(self) -> None:
        """Read away what the kernel has said; none of it is needed."""
        while self._netlink is not None:
            try:
                self._netlink.recv(_NETLINK_BYTES)
            except BlockingIOError:
                break
            except OSError:
                # ENOBUFS: so much has changed that some of it was not even said.
                break
        self.hint()


def _open_netlink() -> socket.socket | None:
    """Subscribe to changes of links and addresses, where the system has such a thing."""
    if sys.platform != "linux":
        return None
    try:
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    except OSError:
        # A sandbox without netlink: polling does it.
        return None
    try:
        netlink.settimeout(0)
        netlink.bind((0, _GROUPS))
    except OSError:
        netlink.close()
        return None
    return netlink
