"""Run a system until a signal says stop.

The first SIGTERM or SIGINT begins a graceful stop within a deadline; a second one cuts everything off at
once. Signals go back to their former handlers afterwards.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from runtime.crash import say

if TYPE_CHECKING:
    from runtime.system import ActorSystem

#: What service managers and terminals send.
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

#: Below the 10 seconds after which container runtimes kill.
DEADLINE: Final = timedelta(seconds=8)


async def run_until_signalled(
    system: ActorSystem,
    *,
    deadline: timedelta = DEADLINE,
    signals: Iterable[signal.Signals] = STOP_SIGNALS,
) -> signal.Signals:
    """Wait for a signal, then stop the system. Return the first signal once nothing is left.

    Call it on the main thread, within the system's context. When cancelled it leaves the system to whoever
    entered it, and nothing of its own.
    """
    loop = asyncio.get_running_loop()
    log = structlog.get_logger("runtime")
    received: list[signal.Signals] = []
    first = asyncio.Event()
    second = asyncio.Event()

    def arrived(number: signal.Signals) -> None:
        received.append(number)
        (second if first.is_set() else first).set()

    former: dict[signal.Signals, Any] = {}
    own: list[asyncio.Task[Any]] = []
    try:
        for number in signals:
            handler = signal.getsignal(number)
            loop.add_signal_handler(number, arrived, number)
            former[number] = handler
        await first.wait()
        say(log.info, "stopping", signal=received[0].name, deadline_seconds=deadline.total_seconds())
        graceful = loop.create_task(system.stop(deadline), name="graceful stop")
        hurried = loop.create_task(second.wait(), name="second signal")
        own = [graceful, hurried]
        await asyncio.wait(own, return_when=asyncio.FIRST_COMPLETED)
        if hurried.done():
            say(log.warning, "stopping at once", signal=received[-1].name)
            await system.stop(timedelta(0))
        await graceful
    finally:
        for task in own:
            task.cancel()
        for number, handler in former.items():
            loop.remove_signal_handler(number)
            # There is none to return to where it was not Python that had set it.
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
    return received[0]
