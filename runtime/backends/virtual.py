"""An event loop whose time is virtual: it jumps to the next timer as soon as nothing is left to do.

With this loop, :class:`VirtualClock` and an executor that computes in place, a whole system of actors runs
through hours in milliseconds, the same way each time. Tests use it through :mod:`runtime.testing`, and
the simulation (:mod:`runtime.backends.sim`) is built on it.

The loop has no selector, no self-pipe and no threads: a socket, a file, a signal, a sub-process or another
thread cannot be waited for on it, and whoever tries is told. What it does have is asyncio's own, so that
futures, tasks and callbacks take the turns that they take in production.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn

#: What two instants must differ by to be told apart. asyncio takes it from the machine's clock otherwise.
_RESOLUTION_SECONDS: Final = 1e-9


class NothingWillHappen(RuntimeError):
    """Somebody waits, but there is no timer and no work: it would be for ever."""


class OutsideVirtualTime(RuntimeError):
    """Something was asked for that happens in the world and not on the loop: a thread, a socket, a signal."""

    def __init__(self, what: str) -> None:
        """Name what was asked for."""
        super().__init__(f"{what}: there is no such thing in virtual time")


def _refusing(what: str) -> Any:  # noqa: ANN401 - it stands for methods of many signatures
    def refuse(_loop: asyncio.AbstractEventLoop, *_: object, **__: object) -> NoReturn:
        raise OutsideVirtualTime(what)

    return refuse


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """An event loop that never waits, and on which nothing of the world can be waited for."""

    # asyncio would open a socket or a pipe before it noticed that it has no selector to give it to.
    # A thread would decide the order of events.
    run_in_executor = _refusing("a thread")
    create_connection = create_server = create_datagram_endpoint = _refusing("a socket")
    getaddrinfo = getnameinfo = _refusing("a name server")
    add_reader = add_writer = connect_read_pipe = connect_write_pipe = _refusing("a file")
    subprocess_exec = subprocess_shell = _refusing("a process")
    add_signal_handler = _refusing("a signal")

    def __init__(self) -> None:
        """Start at time zero."""
        super().__init__()
        self._now = 0.0
        self._clock_resolution = _RESOLUTION_SECONDS
        # What asyncio's loop asks, once a round, how long it may wait and for what.
        self._selector = _Jump(self)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds

    def _process_events(self, event_list: list[object]) -> None:
        """Take what the selector found, which is nothing."""

    def _write_to_self(self) -> None:
        """Wake the loop from another thread, or from a signal: it never sleeps."""


class VirtualClock:
    """The clocks that belong to a :class:`VirtualTimeLoop`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    ) -> None:
        """Read ``start`` on the wall when the loop's time is zero."""
        self._loop = loop
        self._wall = start

    def monotonic(self) -> timedelta:
        """Return the loop's time."""
        return timedelta(seconds=self._loop.time())

    def wall(self) -> datetime:
        """Return the date and time, which goes on with the loop's time."""
        return self._wall + self.monotonic()

    def step_wall(self, delay: timedelta) -> None:
        """Step the wall clock in either direction; the monotonic one does not notice."""
        self._wall += delay


class _Jump:
    """Stands where asyncio expects a selector: it has nothing to wait for, and jumps instead."""

    __slots__ = ("_loop",)

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        """Return at once, later."""
        if timeout is None:
            message = "every task waits, and there is nothing that could wake one"
            raise NothingWillHappen(message)
        if timeout > 0:
            self._loop.jump(timeout)
        return []
