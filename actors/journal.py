"""Where audit events go: one JSON object a line, appended and never changed.

    {"sequence":7,"previous":"…","time":"2030-06-15T12:00:00.000Z","type":"key.activated",
     "node":"hub/node0","title":"Activated a peer key.","description":"…","detail":{…},"permitted":true,
     "hash":"…"}

The latest events also stay in memory for whoever asks, and with them what they have counted: for Prometheus
since this process began (:mod:`metrics.tally`), for operators since the statistics were cleared
(:mod:`peerkey.observe.security_stats`). An event holds no key: see :mod:`peerkey.observe.events`. The file is
the business of :mod:`actors.audit_log`.
"""

from __future__ import annotations

from collections import Counter as Count
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import structlog

from actors.audit_log import FILE_BYTES, FULL_FILES, AuditLog
from actors.names import AUTHORITY
from metrics.catalogue import AUDIT_LOST
from metrics.tally import Tally
from peerkey.errors import Unavailable
from peerkey.observe.events import AuditGap, StatisticsCleared
from peerkey.observe.security_stats import Counted, Counter, SecurityStatistics, counters_of
from runtime.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from peerkey.observe.audit_chain import Head
    from peerkey.observe.events import Event

_log = structlog.get_logger("journal")

#: Events that stay in memory.
REMEMBERED_EVENTS: Final = 2_000
#: Events in one answer between hosts: half a MiB of long ones.
TOLD_AT_ONCE: Final = 500


#: Told of each line that was written: the entry, and where the log ends with it. It must not block.
Tell: TypeAlias = "Callable[[Entry, Head], None]"


@dataclass(frozen=True, slots=True)
class Entry:
    """One event with who told it and when."""

    time: datetime
    node: str
    event: Event

    def document(self) -> dict[str, Any]:
        """Return what is written: JSON's types only."""
        return {
            "time": f"{self.time:%Y-%m-%dT%H:%M:%S}.{self.time.microsecond // 1000:03d}Z",
            "type": self.event.TYPE,
            "node": self.node,
            "title": self.event.TITLE,
            "description": self.event.description(),
            "detail": self.event.detail(),
            "permitted": self.event.PERMITTED,
        }


class Journal(Protocol):
    """Takes events. Recording never fails and never blocks for long."""

    def record(self, time: datetime, node: str, event: Event) -> None:
        """Take one event."""
        ...

    def recent(self) -> tuple[Entry, ...]:
        """Return the latest events, oldest first."""
        ...

    def after(self, mark: int, most: int = TOLD_AT_ONCE) -> tuple[tuple[Entry, ...], int]:
        """Return the events that followed ``mark``, oldest first, and the mark that follows them.

        The first mark is 0, and each belongs to this journal alone. There may be more of them than ``most``.
        """
        ...


class MemoryJournal:
    """The latest events, and nothing on disk."""

    def __init__(self) -> None:
        """Start empty."""
        self._entries: deque[Entry] = deque(maxlen=REMEMBERED_EVENTS)
        self._recorded = 0
        #: What was recorded so far, counted.
        self.tally = Tally()
        self._statistics = SecurityStatistics()

    def record(self, time: datetime, node: str, event: Event) -> None:
        """See :class:`Journal`."""
        entry = Entry(time, node, event)
        self._keep(entry, dict.fromkeys(counters_of(event), 1))
        self._remember(entry)

    def recent(self) -> tuple[Entry, ...]:
        """See :class:`Journal`."""
        return tuple(self._entries)

    def after(self, mark: int, most: int = TOLD_AT_ONCE) -> tuple[tuple[Entry, ...], int]:
        """See :class:`Journal`."""
        forgotten = self._recorded - len(self._entries)
        first = max(0, min(mark, self._recorded) - forgotten)
        told = tuple(islice(self._entries, first, first + most))
        return told, forgotten + first + len(told)

    def counted(self) -> Counted:
        """Return what was counted since an operator cleared it last."""
        return self._statistics.counted()

    def clear_statistics(self, time: datetime, node: str) -> None:
        """Set the statistics to zero. The event that tells of it is what does it.

        :raises Unavailable: it cannot be written, and nothing was cleared.
        """
        former = tuple((counter.value, number) for counter, number in self.counted().totals().items())
        self.record(time, node, StatisticsCleared(former))

    def _remember(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._recorded += 1
        self.tally.add(entry.node, entry.event, entry.time)

    def _keep(self, entry: Entry, counted: dict[Counter, int]) -> None:
        """Keep an entry where it is kept, and count it."""
        if isinstance(entry.event, StatisticsCleared):
            self._statistics.clear(entry.time)
        else:
            self._statistics.add(entry.node, counted, entry.time)


@dataclass(slots=True)
class _Lost:
    """What could not be written of one node."""

    events: int = 0
    counted: Count[Counter] = field(default_factory=Count)


class FileJournal(MemoryJournal):
    """The latest events in memory, and every one of them in a file."""

    def __init__(
        self,
        path: Path,
        tell: Tell | None = None,
        *,
        file_bytes: int = FILE_BYTES,
        full_files: int = FULL_FILES,
    ) -> None:
        """Go on with the log at ``path``, which only its owner may read; it is made where it is missing.

        ``tell`` is told of each line; ``file_bytes`` and ``full_files`` bound how much is kept. What is found
        wrong with the log is the first thing that is recorded.

        :raises OSError: it cannot be read or written.
        """
        super().__init__()
        self._tell = tell
        self._log, found = AuditLog.open(path, file_bytes=file_bytes, full_files=full_files)
        self._statistics = self._log.statistics
        #: Events that are in memory only, because the file could not be written.
        self.lost = 0
        self._lost: dict[str, _Lost] = {}
        self._reason = ""
        for event in found:
            self.record(SystemClock().wall(), AUTHORITY, event)

    @property
    def head(self) -> Head:
        """Where the log ends."""
        return self._log.head

    @property
    def unwritten(self) -> int:
        """How many events are in memory only since one could be written last."""
        return sum(lost.events for lost in self._lost.values())

    @property
    def reason(self) -> str:
        """Why the last one was not written."""
        return self._reason

    def counted(self) -> Counted:
        """See :class:`MemoryJournal`. What could not be written is counted all the same."""
        found = self._statistics.copy()
        for node, lost in self._lost.items():
            found.add(node, lost.counted, None)
        return found.counted()

    def close(self) -> None:
        """Bring the file to the disk, and close it."""
        self._log.close()

    def abandon(self) -> None:
        """Leave the file as the death of this process would."""
        self._log.abandon()

    def _keep(self, entry: Entry, counted: dict[Counter, int]) -> None:
        """Write a line. It has reached the operating system when this returns."""
        try:
            self._tell_of_loss(entry.time)
            self._write(entry, counted)
        except OSError as fault:
            reason = fault.strerror or "the disk"
            if isinstance(entry.event, StatisticsCleared):
                message = f"the audit log cannot be written, so nothing was cleared: {reason}"
                raise Unavailable(message) from fault
            # A full disk must not stop the keying. What is lost is said where it still can be.
            self._lose(entry, counted, reason)

    def _write(self, entry: Entry, counted: Mapping[Counter, int]) -> None:
        document = entry.document()
        try:
            head = self._log.append(document, node=entry.node, counted=counted, time=entry.time)
        except ValueError as fault:
            short = {**document, "description": document["title"], "detail": {"left_out": str(fault)}}
            head = self._log.append(short, node=entry.node, counted=counted, time=entry.time)
        if self._tell is not None:
            self._tell(entry, head)

    def _lose(self, entry: Entry, counted: Mapping[Counter, int], reason: str) -> None:
        """Take note of an event that is not in the file, and of what it counts."""
        self.lost += 1
        self.tally.count(AUDIT_LOST)
        self._reason = reason
        lost = self._lost.setdefault(entry.node, _Lost())
        lost.events += 1
        lost.counted.update(counted)
        _log.error("an audit event was not written", type=entry.event.TYPE, lost=self.lost, reason=reason)

    def _tell_of_loss(self, time: datetime) -> None:
        """Write how much was lost of each node, before anything else is written."""
        for node, lost in list(self._lost.items()):
            counted = tuple((counter.value, number) for counter, number in lost.counted.items())
            gap = Entry(time, node, AuditGap(lost.events, self._reason, counted))
            self._write(gap, lost.counted)
            del self._lost[node]
            self._remember(gap)
