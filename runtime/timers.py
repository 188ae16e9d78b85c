"""All timers of a system, behind one timer of the event loop.

A heap of deadlines, of which only the earliest is known to the loop. Cancelling marks an entry; marked
entries leave when they come to the top, or all at once when they are the majority. Entries that are due
at the same time fire in the order in which they were armed.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Final, Protocol

#: Below this number of entries it is not worth while to sweep out cancelled ones.
_SWEEP_FROM: Final = 64


class Alarm:
    """One armed deadline."""

    __slots__ = ("_callback", "_queue")

    def __init__(self, queue: TimerQueue, callback: Callable[[], object]) -> None:
        """Belong to ``queue``; made by :meth:`TimerQueue.arm`."""
        self._queue = queue
        self._callback: Callable[[], object] | None = callback

    @property
    def armed(self) -> bool:
        """Whether it is still going to fire."""
        return self._callback is not None

    def cancel(self) -> None:
        """Never fire. Cancelling twice, or after the alarm has fired, is harmless."""
        if self._callback is not None:
            self._callback = None
            self._queue.note_cancelled()

    def take(self) -> Callable[[], object] | None:
        """Return what is to be called, once; ``None`` if the alarm was cancelled."""
        callback, self._callback = self._callback, None
        return callback


class Timeline(Protocol):
    """What timers need of an event loop: a clock, and one call at a time of it."""

    def time(self) -> float:
        """Return the time in seconds, since any origin."""
        ...

    def call_at(self, when: float, callback: Callable[[], object], /) -> asyncio.TimerHandle:
        """Call ``callback`` at ``when``, unless the handle returned is cancelled."""
        ...


class TimerQueue:
    """Deadlines on one timeline: that of an event loop, be it real or virtual, or of a simulated machine."""

    __slots__ = ("_cancelled", "_due", "_handle", "_heap", "_number", "_timeline")

    def __init__(self, timeline: Timeline) -> None:
        """Set timers on ``timeline``."""
        self._timeline = timeline
        self._heap: list[tuple[float, int, Alarm]] = []
        self._handle: asyncio.TimerHandle | None = None
        #: When the handle is due.
        self._due = 0.0
        self._number = 0
        self._cancelled = 0

    def __len__(self) -> int:
        """Return how many alarms are armed."""
        return len(self._heap) - self._cancelled

    @property
    def entries(self) -> int:
        """How many alarms take up memory, those included that were cancelled and not swept out yet."""
        return len(self._heap)

    def arm(self, seconds: float, callback: Callable[[], object]) -> Alarm:
        """Call ``callback`` in so many seconds; at once, but not from within this call, if not positive."""
        alarm = Alarm(self, callback)
        when = self._timeline.time() + (seconds if seconds > 0 else 0.0)
        self._number += 1
        heapq.heappush(self._heap, (when, self._number, alarm))
        if self._heap[0][2] is alarm:
            self._set(when)
        return alarm

    def note_cancelled(self) -> None:
        """Count one more cancelled entry, and sweep if they are the majority."""
        self._cancelled += 1
        if len(self._heap) > _SWEEP_FROM and 2 * self._cancelled > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].armed]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def close(self) -> None:
        """Forget every alarm."""
        for _, _, alarm in self._heap:
            alarm.take()
        self._heap.clear()
        self._cancelled = 0
        self._unset()

    def _fire(self) -> None:
        """Call what is due by now, then wait for the next."""
        # The loop may call a moment early, by no more than the resolution of its clock.
        now = max(self._timeline.time(), self._due)
        self._handle = None
        # What the callbacks arm waits for the next round, even if it is due at once.
        newest = self._number
        try:
            while self._heap and self._heap[0][0] <= now and self._heap[0][1] <= newest:
                callback = heapq.heappop(self._heap)[2].take()
                if callback is None:
                    self._cancelled -= 1
                else:
                    callback()
        finally:
            if self._heap:
                self._set(self._heap[0][0])

    def _set(self, when: float) -> None:
        self._unset()
        self._due = when
        self._handle = self._timeline.call_at(when, self._fire)

    def _unset(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
