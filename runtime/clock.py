"""The clock that an actor may read.

There are two, for two questions. *How long* is asked of the monotonic clock, which nobody can step;
*which day* is asked of the wall clock. A backend decides what both say: the local one asks the
operating system, a simulation makes time pass as it likes. Code outside ``runtime/`` reads time
from its context and from nowhere else.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Two readings of time."""

    def monotonic(self) -> timedelta:
        """Return the time since an origin that is fixed for this process. It never goes back."""
        ...

    def wall(self) -> datetime:
        """Return the date and time, aware, in UTC. It may be stepped in either direction."""
        ...


class SystemClock:
    """The clocks of the operating system."""

    __slots__ = ()

    def monotonic(self) -> timedelta:
        """Return the system's monotonic clock, to the microsecond."""
        return timedelta(microseconds=time.monotonic_ns() // 1000)

    def wall(self) -> datetime:
        """Return the system's date and time in UTC."""
        return datetime.now(UTC)


class StoppedClock:
    """A clock that moves only when it is told to. For tests of anything that reads time."""

    __slots__ = ("_monotonic", "_wall")

    def __init__(self, wall: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """Start at ``wall``, with the monotonic clock at zero."""
        self._monotonic = timedelta(0)
        self._wall = wall

    def monotonic(self) -> timedelta:
        """Return how far the clock has been moved on."""
        return self._monotonic

    def wall(self) -> datetime:
        """Return the date and time it was set to, plus how far it has been moved on."""
        return self._wall

    def advance(self, delay: timedelta) -> None:
        """Let ``delay`` pass on both clocks.

        :raises ValueError: ``delay`` is negative; only the wall clock can be stepped back.
        """
        if delay < timedelta(0):
            message = "a monotonic clock does not go back"
            raise ValueError(message)
        self._monotonic += delay
        self._wall += delay

    def step_wall(self, delay: timedelta) -> None:
        """Step the wall clock, as an operator or a time server does; the monotonic one goes on."""
        self._wall += delay
