"""The local backend: one asyncio event loop, real time, real threads. The embedded default.

::

    async with LocalSystem() as system:
        counter = system.spawn(Counter, "counter")
        counter.tell(Increment(2))
        assert await counter.ask(Read(), timedelta(seconds=1)) == 2
"""

from __future__ import annotations

from random import SystemRandom
from typing import TYPE_CHECKING

from runtime.clock import Clock, SystemClock
from runtime.executor import ThreadExecutor
from runtime.system import ActorSystem

if TYPE_CHECKING:
    from runtime.events import Observer


class LocalSystem(ActorSystem):
    """A system of actors within this process."""

    def __init__(
        self,
        *,
        observer: Observer | None = None,
        speakable: tuple[type[BaseException], ...] = (),
        threads: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        """See :class:`~runtime.system.ActorSystem`; ``threads`` is the size of the executor.

        ``clock`` is what actors read. Timers always follow the event loop.
        """
        super().__init__(
            clock=clock if clock is not None else SystemClock(),
            executor=ThreadExecutor(threads),
            random=SystemRandom(),
            observer=observer,
            speakable=speakable,
        )
