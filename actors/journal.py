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
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from peerkey.observe.events import Event

#: Events that stay in memory.
REMEMBERED_EVENTS: Final = 2_000


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


class MemoryJournal:
    """The latest events, and nothing on disk."""

    def __init__(self) -> None:
        """Start empty."""
        self._entries: deque[Entry] = deque(maxlen=REMEMBERED_EVENTS)

    def record(self, time: datetime, node: str, event: Event) -> None:
        """See :class:`Journal`."""
        self._entries.append(Entry(time, node, event))

    def recent(self) -> tuple[Entry, ...]:
        """See :class:`Journal`."""
        return tuple(self._entries)


class FileJournal(MemoryJournal):
    """The latest events in memory, and every one of them in a file."""

    def __init__(self, path: Path) -> None:
        """Append to ``path``, which only its owner may read; it is made where it is missing."""
        super().__init__()
        path.touch(mode=0o600, exist_ok=True)
        self._file: TextIO = path.open("a", encoding="utf-8", buffering=1)

    def record(self, time: datetime, node: str, event: Event) -> None:
        """See :class:`Journal`. The line has reached the operating system when this returns."""
        super().record(time, node, event)
        self._file.write(json.dumps(self._entries[-1].document(), ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
