"""Ports for the servers of tests."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody uses at this moment."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])
