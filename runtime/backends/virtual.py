"""An event loop whose time is virtual: it jumps to the next timer as soon as nothing is left to do.

With this loop, :class:`VirtualClock` and an executor that computes in place, a whole system of actors runs
through hours in milliseconds, the same way each time. Tests use it through :mod:`runtime.testing`, and
a simulation is built on it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike


class NothingWillHappen(RuntimeError):
    """Somebody waits, but there is no timer and no work: it would be for ever."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits. Sockets work if they are ready at once; they cannot be waited for."""

    def __init__(self) -> None:
        """Start at time zero."""
        self._now = 0.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


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


class _JumpingSelector(selectors.BaseSelector):
    """Looks at sockets without waiting, and jumps instead of waiting."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._inner = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._inner.select(0)
        if not ready and timeout is None:
            message = "every task waits, and there is nothing that could wake one"
            raise NothingWillHappen(message)
        if not ready and timeout is not None and timeout > 0:
            self._loop.jump(timeout)
        return ready

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: FileDescriptorLike, events: int, data: object = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def close(self) -> None:
        self._inner.close()

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._inner.get_map()
