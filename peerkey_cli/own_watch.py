"""What a process notices of what it goes by: the clock, its audit log, the certificate of its admin API."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from actors.crashes import ActorAlarms
from actors.names import AUTHORITY
from peerkey.moment import Moment
from peerkey.observe.clocks import ClockWatch
from peerkey.observe.own_alarms import audit_log_unwritable

if TYPE_CHECKING:
    from pathlib import Path

    from actors.journal import FileJournal
    from peerkey.observe.alarms import Alarm
    from runtime.clock import Clock

#: Says what is wrong at a time.
Looks: TypeAlias = "Callable[[datetime], Iterable[Alarm]]"


class OwnWatch:
    """Looks at all of it when it is asked."""

    def __init__(self, clock: Clock, journal: FileJournal, written: datetime | None, name: str = "") -> None:
        """Watch ``clock``, and ``journal``, of which ``name`` says where it is if not on this machine alone.

        ``written`` is when the log was written to before this process began.
        """
        self._clock = clock
        self._journal = journal
        self._machine = socket.gethostname()
        self._name = name or self._machine
        self._watch = ClockWatch(written=written)
        self._others: list[Looks] = []

    def add(self, looks: Looks) -> None:
        """Ask this one, too."""
        self._others.append(looks)

    def noticed(self) -> tuple[ActorAlarms, ...]:
        """Return what is wrong now, under the actor at the top."""
        moment = Moment(self._clock.monotonic(), self._clock.wall())
        self._watch = self._watch.looked(moment)
        found = [*self._watch.alarms(self._machine)]
        if self._journal.unwritten:
            found.append(audit_log_unwritable(self._name, self._journal.reason, self._journal.unwritten))
        for looks in self._others:
            found.extend(looks(moment.wall))
        return (ActorAlarms(AUTHORITY, tuple(found)),) if found else ()


def last_written(log: Path) -> datetime | None:
    """Return when a file was last written to, by the clock of that time; ``None`` where there is none."""
    try:
        return datetime.fromtimestamp(log.stat().st_mtime, UTC)
    except (OSError, OverflowError, ValueError):
        return None
