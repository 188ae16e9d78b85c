"""One document of a system on this machine, asked for with the standard library alone.

Whoever presses Tab does not wait for the client of the commands to be loaded, which takes longer than the
answer. What is read is bounded in size, and each wait in time.
"""

from __future__ import annotations

import json
import socket
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, Final

from peerkey_cli.errors import Unreachable

if TYPE_CHECKING:
    from pathlib import Path

#: A fleet of thousands of peers is less than this.
_MOST_BYTES: Final = 32 * 1024 * 1024


class _AtSocket(HTTPConnection):
    """HTTP at a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("peerkey", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket in the place of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def document(path: Path, name: str, timeout_seconds: float) -> Any:  # noqa: ANN401 - JSON
    """Return the document ``/v1/<name>`` of the system whose socket this is.

    :raises Unreachable: nobody answers, or not with JSON.
    """
    connection = _AtSocket(path, timeout_seconds)
    try:
        connection.request("GET", f"/v1/{name}")
        response = connection.getresponse()
        content = response.read(_MOST_BYTES)
        if response.status != HTTPStatus.OK:
            message = f"{path}: answers with status {response.status}"
            raise Unreachable(message)
        return json.loads(content)
    except (OSError, HTTPException, ValueError) as fault:
        message = f"{path}: {fault}"
        raise Unreachable(message) from None
    finally:
        connection.close()
