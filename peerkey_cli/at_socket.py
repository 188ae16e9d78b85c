"""HTTP at the Unix socket of a system, with the standard library alone.

Probes and whoever presses Tab do not wait for the client of the commands (:mod:`peerkey_cli.client`) to be
loaded, which takes longer than the answer.
"""

from __future__ import annotations

import socket
from http.client import HTTPConnection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class AtSocket(HTTPConnection):
    """A connection to a Unix socket, in the place of a host."""

    def __init__(self, path: Path, timeout_seconds: float) -> None:
        """Speak to the system whose socket is ``path``; nothing is waited for any longer than so."""
        super().__init__("peerkey", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        """Connect.

        :raises OSError: nobody is there, or not for this user.
        """
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
