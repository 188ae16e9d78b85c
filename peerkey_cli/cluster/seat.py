"""Which host of a machine speaks for it: whoever holds the lock in the machine's state directory.

One host of each machine follows the revocation lists, and has the admin API and the metrics. The kernel holds
the lock and lets go of it when the process dies, however it dies; then another host takes the seat. Whoever
holds it has written its name into the file, so that the others know whom to follow.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

#: How often a host without the seat looks whether it is free, in seconds, and how long a name may be.
LOOK_EVERY: Final = 1.0
_NAME_BYTES: Final = 256


class Seat:
    """The seat of one machine, as one host of it sees it."""

    def __init__(self, path: Path, host: str) -> None:
        """Look at the lock file ``path`` for ``host``."""
        self._path = path
        self._host = host
        self._descriptor: int | None = None
        #: Who holds the seat, for all that is known.
        self.holder = ""

    def try_to_take(self) -> bool:
        """Take the seat if it is free; return whether this host has it. Otherwise read who does.

        :raises OSError: the file cannot be made or read.
        """
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.holder = os.pread(descriptor, _NAME_BYTES, 0).decode("utf-8", "replace").strip()
            os.close(descriptor)
            return False
        except OSError:
            os.close(descriptor)
            raise
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, self._host.encode(), 0)
        except OSError:
            # The others could not learn whom to follow.
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self.holder = self._host
        return True

    def leave(self) -> None:
        """Let another host have the seat."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
