"""The UUID of this machine's node: made once, and then the node's for good.

    "Contained within the SVR certificate is a router identifier ... guaranteed to be unique per node,
    even across RMAs."

It is one line in a file of its own, so that everything else can be installed anew around it. Nothing ever
replaces the file: of two processes that make it at once, one wins for both, and one that is damaged is told
and left alone, because a new identity in its place would be another node.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from actors.keystores.private_files import write_private
from peerkey.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: A UUID and a line end have 37 bytes.
MAXIMUM_IDENTITY_BYTES: Final = 128


def node_uuid(path: Path, new: Callable[[], UUID] = uuid4) -> UUID:
    """Return the UUID in the identity file, after making the file on first need.

    Raises:
        Misconfigured: it cannot be read, or holds no UUID.
        Unavailable: it cannot be made.

    """
    with contextlib.suppress(FileNotFoundError):
        return _read(path)
    # Where another process has made it meanwhile, that UUID is the node's.
    with contextlib.suppress(FileExistsError):
        write_private(path, f"{new()}\n".encode("ascii"), replace=False)
    try:
        return _read(path)
    except FileNotFoundError:
        message = f"{path}: leads nowhere; remove it, or restore the identity of this node from a backup"
        raise Misconfigured(message) from None


def _read(path: Path) -> UUID:
    try:
        with path.open("rb") as file:
            text = file.read(MAXIMUM_IDENTITY_BYTES).decode("ascii").strip()
        uuid = UUID(text)
    except FileNotFoundError:
        raise
    except OSError as fault:
        message = f"{path}: the identity of this node cannot be read: {fault.strerror}"
        raise Misconfigured(message) from fault
    except ValueError:
        uuid, text = UUID(int=0), ""
    if uuid.int == 0 or text.lower() != str(uuid):
        message = (
            f"{path}: holds no UUID; restore the identity of this node from a backup, or remove the file to "
            "become a new node"
        )
        raise Misconfigured(message)
    return uuid
