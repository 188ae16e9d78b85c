"""How late the event loop is: the actors' own time, which Prometheus is told and no actor can notice.

Twice a second something is due on the loop. How much later it comes is how long a message, a callback or
another thread of this process has kept everybody waiting.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from metrics.catalogue import LOOP_LAG

if TYPE_CHECKING:
    from metrics.tally import Tally

#: How often it is looked at. Two callbacks a second cost a process nothing, and a loop that is held for so
#: long that a peer would feel it is seen within seconds.
LOOK_EVERY: Final = timedelta(milliseconds=500)


class LoopWatch:
    """Looks at the running loop until it is closed."""

    def __init__(self, meter: Tally, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Begin, on ``loop``, which is the running one where none is given."""
        self._meter = meter
        self._loop = asyncio.get_running_loop() if loop is None else loop
        self._due = 0.0
        self._next: asyncio.TimerHandle | None = None
        self._arm()

    def close(self) -> None:
        """Look no more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _arm(self) -> None:
        self._due = self._loop.time() + LOOK_EVERY.total_seconds()
        self._next = self._loop.call_at(self._due, self._look)

    def _look(self) -> None:
        self._meter.observe(LOOP_LAG, timedelta(seconds=max(0.0, self._loop.time() - self._due)))
        self._arm()
