"""Run a system until a signal says stop.

The first SIGTERM or SIGINT begins a graceful stop within a deadline; a second one cuts everything off at
once. Signals go back to their former handlers afterwards.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Self

import structlog

from runtime.crash import say

if TYPE_CHECKING:
    from runtime.system import ActorSystem

#: What service managers and terminals send.
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

#: Below the 10 seconds after which container runtimes kill.
DEADLINE: Final = timedelta(seconds=8)


class StopSignals:
    """Listens to the signals that say stop, for as long as its block lasts.

    A program that has more to prepare and to give back than its system opens the block around all of it, so
    that no signal meets the default action::

        with StopSignals() as signals:
            async with composed() as system:
                await signals.stopped(system)

    What comes before :meth:`stopped` counts as soon as that is called; what comes after it changes nothing.
    """

    def __init__(self, signals: Iterable[signal.Signals] = STOP_SIGNALS) -> None:
        """Listen to ``signals``. Enter the block on the main thread, on a running event loop."""
        self._signals = tuple(signals)
        self._former: dict[signal.Signals, Any] = {}
        self._received: list[signal.Signals] = []
        self._first = asyncio.Event()
        self._second = asyncio.Event()

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        with ExitStack() as if_refused:
            if_refused.callback(self.__exit__)
            for number in self._signals:
                handler = signal.getsignal(number)
                self._loop.add_signal_handler(number, self._arrived, number)
                self._former[number] = handler
            if_refused.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back to their former handlers."""
        for number, handler in self._former.items():
            self._loop.remove_signal_handler(number)
            # There is none to return to where it was not Python that had set it.
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def listen_again(self) -> None:
        """Take the signals back from a library that has installed handlers of its own since."""
        for number in self._former:
            self._loop.remove_signal_handler(number)
            self._loop.add_signal_handler(number, self._arrived, number)

    async def arrived(self) -> signal.Signals:
        """Wait for the first signal, for whoever has something else to stop than a system."""
        await self._first.wait()
        return self._received[0]

    async def stopped(self, system: ActorSystem, deadline: timedelta = DEADLINE) -> signal.Signals:
        """Wait for a signal, then stop the system. Return the first signal once nothing is left.

        When cancelled it leaves the system to whoever entered it, and nothing of its own.
        """
        log = structlog.get_logger("runtime")
        own: list[asyncio.Task[Any]] = []
        try:
            first = await self.arrived()
            say(log.info, "stopping", signal=first.name, deadline_seconds=deadline.total_seconds())
            graceful = self._loop.create_task(system.stop(deadline), name="graceful stop")
            hurried = self._loop.create_task(self._second.wait(), name="second signal")
            own = [graceful, hurried]
            await asyncio.wait(own, return_when=asyncio.FIRST_COMPLETED)
            if hurried.done():
                say(log.warning, "stopping at once", signal=self._received[-1].name)
                await system.stop(timedelta(0))
            await graceful
        finally:
            for task in own:
                task.cancel()
        return first

    def _arrived(self, number: signal.Signals) -> None:
        if not self._second.is_set():
            self._received.append(number)
        (self._second if self._first.is_set() else self._first).set()


async def run_until_signalled(
    system: ActorSystem,
    *,
    deadline: timedelta = DEADLINE,
    signals: Iterable[signal.Signals] = STOP_SIGNALS,
) -> signal.Signals:
    """Wait for a signal, then stop the system. Return the first signal once nothing is left.

    Call it on the main thread, within the system's context. See :class:`StopSignals`.
    """
    with StopSignals(signals) as listening:
        return await listening.stopped(system, deadline)
