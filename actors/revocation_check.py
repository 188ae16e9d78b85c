"""The periodic check of a node's own certificate: when it is due, and that a restart forgets none.

:class:`RevocationCheck` knows when the certificate was checked last, and keeps that in the node's store. It
judges nothing: the node asks for :meth:`RevocationCheck.due`, judges then, tells the outcome, asks for fresh
lists, and says :meth:`RevocationCheck.done`. A process that ends in between does all of it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from peerkey.pki.revocation_check import next_check

if TYPE_CHECKING:
    from collections.abc import Callable

    from peerkey.config.plan import NodePlan
    from runtime.store.port import Record

#: The record of the last check, beside those of the peerings.
RECORD: Final = "revocation-check"


@dataclass(frozen=True, slots=True)
class CheckStored:
    """When the last check was has been stored; the record's new version."""

    version: int


class RevocationCheck:
    """When a node's own certificate was checked, and is to be checked again."""

    def __init__(self, record: Record | None, now: datetime, write: Callable[[bytes, int], None]) -> None:
        """Go on from the stored ``record``; without one, or with one that says nothing, from ``now``.

        ``write`` begins to write a record over the one of this version, and says :class:`CheckStored`.
        """
        self._store = write
        self._version = 0 if record is None else record.version
        self._last = now if record is None else _read(record.value, now)
        #: Whether a write is under way: the next one names the version that it makes.
        self._writing = False
        self._written = self._last

    def due(self, plan: NodePlan, now: datetime) -> datetime | None:
        """Return when the next check is due; ``None``: never, by configuration."""
        interval = plan.policy.revocation_check_interval
        if interval is None or not plan.enabled:
            return None
        return next_check(plan.uuid, self._last, now, interval)

    def done(self, now: datetime) -> None:
        """Take note that the certificate was checked, and store it."""
        self._last = now
        self._write()

    def stored(self, version: int) -> None:
        """Go on behind a write, with what has been noted meanwhile."""
        self._writing, self._version = False, version
        if self._last != self._written:
            self._write()

    def _write(self) -> None:
        if not self._writing:
            self._writing, self._written = True, self._last
            self._store(self._last.isoformat().encode("ascii"), self._version)


def _read(value: bytes, now: datetime) -> datetime:
    """Return the stored instant; ``now`` where it is none, as in a record that somebody else wrote."""
    try:
        return datetime.fromisoformat(value.decode("ascii")).astimezone(UTC)
    except (ValueError, OverflowError):
        return now
