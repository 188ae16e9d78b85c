"""Which version this is, and which process."""

from __future__ import annotations

import os
import socket
from importlib.metadata import PackageNotFoundError, version


def own_version() -> str:
    """Return the installed version; ``unknown`` where the source is run without being installed."""
    try:
        return version("peerkey")
    except PackageNotFoundError:
        return "unknown"


def own_process() -> str:
    """Return the machine and the process id, as an operator finds them: ``edge7:4711``."""
    return f"{socket.gethostname()}:{os.getpid()}"
