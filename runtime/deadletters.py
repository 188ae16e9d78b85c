"""Messages that nobody will ever read: counted always, logged sometimes.

A dead letter is a message to an actor that is not there, or one that was still waiting when its
receiver ended. One at a time is usually a harmless race; many are a fault, and logging each of them would
be another. So a few are logged in full within an interval, and the next line says how many were not.
Of a message only its type is logged.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from runtime.crash import say

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from runtime.clock import Clock

#: So many lines in one interval.
LOGGED_PER_INTERVAL: Final = 5
INTERVAL: Final = timedelta(seconds=60)


class DeadLetters:
    """The counter and the rate limit."""

    __slots__ = ("_clock", "_interval_end", "_log", "_logged", "_suppressed", "count")

    def __init__(self, clock: Clock, log: FilteringBoundLogger) -> None:
        """Log to ``log``, with intervals on the monotonic ``clock``."""
        self._clock = clock
        self._log = log
        self._interval_end = timedelta(0)
        self._logged = 0
        self._suppressed = 0
        #: All dead letters so far.
        self.count = 0

    def add(self, name: str, message: object) -> None:
        """Count a message to ``name``, and log it if the rate allows."""
        self.add_kind(name, type(message).__name__)

    def add_kind(self, name: str, kind: str) -> None:
        """Do the same for a message of which only the name of its type is at hand."""
        self.count += 1
        now = self._clock.monotonic()
        if now >= self._interval_end:
            self._interval_end = now + INTERVAL
            self._logged = 0
        if self._logged >= LOGGED_PER_INTERVAL:
            self._suppressed += 1
            return
        self._logged += 1
        say(
            self._log.warning,
            "dead letter",
            receiver=name,
            message=kind,
            suppressed=self._suppressed,
        )
        self._suppressed = 0
