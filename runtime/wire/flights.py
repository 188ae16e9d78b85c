"""Everything that is in flight in a simulated network, behind one timer of the event loop.

It is :class:`runtime.timers.TimerQueue` without what datagrams do not need: none of them is ever
cancelled, and all of them land at the same place. A simulation spends much of its time here.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import NamedTuple

from runtime.wire.port import Address


class Datagram(NamedTuple):
    """What is on its way, or was."""

    source: Address
    destination: Address
    data: bytes


class Flights:
    """Datagrams in the order of their arrival; those of one instant in the order of their launch."""

    __slots__ = ("_handle", "_heap", "_land", "_landing", "_limit", "_loop", "_number")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, limit: int, land: Callable[[Datagram], object]
    ) -> None:
        """Have up to ``limit`` in flight; use ``loop.time`` and ``loop.call_at`` and nothing else."""
        self._loop = loop
        self._limit = limit
        self._land = land
        self._heap: list[tuple[float, int, Datagram]] = []
        self._handle: asyncio.TimerHandle | None = None
        self._number = 0
        self._landing = False

    def __len__(self) -> int:
        """Return how many are in flight."""
        return len(self._heap)

    def launch(self, seconds: float, datagram: Datagram) -> bool:
        """Let a datagram land in so many seconds, never from within this call.

        Return whether it is in flight; if not, too many are.
        """
        heap = self._heap
        if len(heap) >= self._limit:
            return False
        when = self._loop.time() + seconds
        self._number += 1
        heapq.heappush(heap, (when, self._number, datagram))
        # While datagrams land, the timer is set once at the end.
        if heap[0][1] == self._number and not self._landing:
            self._set(when)
        return True

    def _arrive(self) -> None:
        """Let everything land that is due by now, then wait for the next."""
        # The loop may call a moment early, by no more than the resolution of its clock.
        now = max(self._loop.time(), self._handle.when() if self._handle is not None else 0.0)
        self._handle = None
        heap = self._heap
        # What is launched meanwhile waits for the next round, even if it is due at once.
        newest = self._number
        self._landing = True
        try:
            while heap and heap[0][0] <= now and heap[0][1] <= newest:
                self._land(heapq.heappop(heap)[2])
        finally:
            self._landing = False
            if heap:
                self._set(heap[0][0])

    def _set(self, when: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_at(when, self._arrive)
