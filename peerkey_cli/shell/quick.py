"""One document of a system on this machine, for whoever presses Tab (:mod:`peerkey_cli.at_socket`).

What is read is bounded in size, and each wait in time.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final

from peerkey_cli.at_socket import AtSocket
from peerkey_cli.errors import Unreachable

if TYPE_CHECKING:
    from pathlib import Path

#: A fleet of thousands of peers is less than this.
_MOST_BYTES: Final = 32 * 1024 * 1024


def document(path: Path, name: str, timeout_seconds: float) -> Any:  # noqa: ANN401 - JSON
    """Return the document ``/v1/<name>`` of the system whose socket this is.

    :raises Unreachable: nobody answers, or not with JSON.
    """
    connection = AtSocket(path, timeout_seconds)
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
