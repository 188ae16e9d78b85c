"""Where audit events go: one JSON object a line, appended and never changed.

    {"time": "2030-06-15T12:00:00.000Z", "type": "key.activated", "node": "hub/node0",
     "title": "Activated a peer key.", "description": "…", "detail": {…}, "permitted": true}

The latest events also stay in memory for whoever asks. An event holds no key: see
:mod:`peerkey.observe.events`.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO

import structlog

from metrics.tally import Tally

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from peerkey.observe.events import Event

_log = structlog.get_logger("journal")

#: Events that stay in memory.
REMEMBERED_EVENTS: Final = 2_000
#: Events in one answer between hosts: half a MiB of long ones.
TOLD_AT_ONCE: Final = 500


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
            "permitted": True,
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

    def record(self, time: datetime, node: str, event: Event) -> None:
        """See :class:`Journal`."""
        self._entries.append(Entry(time, node, event))
        self._recorded += 1
        self.tally.add(node, event)

    def recent(self) -> tuple[Entry, ...]:
        """See :class:`Journal`."""
        return tuple(self._entries)

    def after(self, mark: int, most: int = TOLD_AT_ONCE) -> tuple[tuple[Entry, ...], int]:
        """See :class:`Journal`."""
        forgotten = self._recorded - len(self._entries)
        first = max(0, min(mark, self._recorded) - forgotten)
        told = tuple(islice(self._entries, first, first + most))
        return told, forgotten + first + len(told)


class FileJournal(MemoryJournal):
    """The latest events in memory, and every one of them in a file."""

    def __init__(self, path: Path) -> None:
        """Append to ``path``, which only its owner may read; it is made where it is missing."""
        super().__init__()
        path.touch(mode=0o600, exist_ok=True)
        self._file: TextIO = path.open("a", encoding="utf-8", buffering=1)
        #: Events that are in memory only, because the file could not be written.
        self.lost = 0

    def record(self, time: datetime, node: str, event: Event) -> None:
        """See :class:`Journal`. The line has reached the operating system when this returns."""
        super().record(time, node, event)
        try:
            self._file.write(json.dumps(self._entries[-1].document(), ensure_ascii=False) + "\n")
        except OSError as fault:
            # A full disk must not stop the keying. What is lost is said where it still can be.
            self.lost += 1
            _log.error(
                "an audit event was not written", type=event.TYPE, lost=self.lost, reason=fault.strerror
            )

    def close(self) -> None:
        """Close the file."""
        self._file.close()
