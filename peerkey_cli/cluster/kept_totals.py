"""What a machine has counted, in a file of its state directory: who takes the seat next goes on from there.

It is written before Prometheus is told, so that no number is ever told that a successor does not know, and
only one process writes it: the one that holds the seat. A file that cannot be read means that counting begins
anew, which Prometheus takes for a reset and nothing else. One that cannot be written is removed: whoever went
on from it would go back, and say that it counts since the same instant.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from actors.cluster.totals import Totals
from actors.whole_files import write_whole
from peerkey_cli.files import read_bounded

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

#: Sixty hosts of a machine that have each told as much as a message holds
#: (:data:`actors.process_counts.MAXIMUM_TOLD`), before and now.
MAXIMUM_BYTES: Final = 64 * 1024 * 1024

_log = structlog.get_logger("metrics")


class KeptTotals:
    """See the module. Everything here blocks."""

    def __init__(self, path: Path) -> None:
        """Keep them in ``path``."""
        self._path = path
        self._written: bytes | None = None
        self._told = ""

    def load(self, now: datetime) -> Totals:
        """Return what was kept, or what counts since ``now`` where that cannot be read."""
        try:
            self._written = read_bounded(self._path, MAXIMUM_BYTES)
            return Totals.read(self._written)
        except FileNotFoundError:
            return Totals(now)
        except (OSError, ValueError) as fault:
            _log.warning("counters begin anew", file=str(self._path), reason=str(fault))
            return Totals(now)

    def keep(self, totals: Totals) -> None:
        """Keep these, which nobody changes meanwhile; tell of a disk that refuses."""
        written = totals.written()
        if written == self._written:
            return
        try:
            write_whole(self._path, (written,), 0o600)
        except OSError as fault:
            self._written = None
            if str(fault) != self._told:
                self._told = str(fault)
                _log.warning("counters are not kept", file=str(self._path), reason=fault.strerror)
            # A disk that is full removes; one that refuses this too has been told of.
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            return
        self._written, self._told = written, ""
