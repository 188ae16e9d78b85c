"""Heavy work in a simulation: computed in place, done a little later.

The result is there at once, but whoever waits gets it after a drawn delay, as from a thread: meanwhile other
messages arrive, and the actor that asked may crash. The delay is virtual, so the same seed gives the same
order of events, whatever the machine that simulates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any, Final, TypeVar

from runtime.errors import LimitReached
from runtime.executor import QUEUE_LIMIT

T = TypeVar("T")

#: A key agreement of 4,096 bits takes a few milliseconds, and may wait for as long again.
LONGEST_SECONDS: Final = 0.02


class SimulatedExecutor:
    """Computes in place; the outcome arrives up to :data:`LONGEST_SECONDS` later."""

    def __init__(self, random: Random) -> None:
        """Draw the delays from ``random``."""
        self._random = random
        self._outstanding: dict[asyncio.Future[Any], asyncio.TimerHandle] = {}
        self._closed = False

    def run(self, function: Callable[..., T], args: tuple[object, ...]) -> asyncio.Future[T]:
        """See :meth:`runtime.executor.Executor.run`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._closed or len(self._outstanding) >= QUEUE_LIMIT:
            future.set_exception(LimitReached("pieces of work in the executor", QUEUE_LIMIT))
            future.exception()
            return future
        result: T | None = None
        error: Exception | None = None
        try:
            result = function(*args)
        except Exception as raised:  # noqa: BLE001 - it belongs to whoever awaits the result
            error = raised

        def done() -> None:
            self._outstanding.pop(future, None)
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        delay = self._random.random() * LONGEST_SECONDS
        self._outstanding[future] = loop.call_later(delay, done)
        return future

    async def close(self, deadline: timedelta) -> bool:  # noqa: ARG002 - dropping takes no time
        """See :meth:`runtime.executor.Executor.close`."""
        self.abandon()
        return True

    def abandon(self) -> None:
        """Take no more work and drop what is under way."""
        self._closed = True
        outstanding, self._outstanding = self._outstanding, {}
        for future, handle in outstanding.items():
            handle.cancel()
            future.cancel()
