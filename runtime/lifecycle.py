"""Run a system until a signal says stop.

The first SIGTERM or SIGINT begins a graceful stop within a deadline; a second one cuts everything off at
once. Signals go back to their former handlers afterwards.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

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

    Call it on the main thread, within the system's context. When cancelled it leaves the system alone.
    """
    loop = asyncio.get_running_loop()
    log = structlog.get_logger("runtime")
    received: list[signal.Signals] = []
    first = asyncio.Event()
    second = asyncio.Event()

    def arrived(number: signal.Signals) -> None:
        received.append(number)
        (second if first.is_set() else first).set()

    watched = tuple(signals)
    former = {number: signal.getsignal(number) for number in watched}
    for number in watched:
        loop.add_signal_handler(number, arrived, number)
    try:
        await first.wait()
        log.info("stopping", signal=received[0].name, deadline_seconds=deadline.total_seconds())
        graceful = asyncio.ensure_future(system.stop(deadline))
        hurried = asyncio.ensure_future(second.wait())
        await asyncio.wait((graceful, hurried), return_when=asyncio.FIRST_COMPLETED)
        if hurried.done():
            log.warning("stopping at once", signal=received[-1].name)
            await system.stop(timedelta(0))
        hurried.cancel()
        await graceful
    finally:
        for number in watched:
            loop.remove_signal_handler(number)
            signal.signal(number, former[number])
    return received[0]
